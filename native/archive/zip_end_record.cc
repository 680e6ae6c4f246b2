// See zip_end_record.h. Layouts: PKWARE's APPNOTE 6.3, sections 4.3.14 to 4.3.16.
#include "zip_end_record.h"

#include "byte_reader.h"
#include "refuse_model.h"

namespace nacue {

namespace {

constexpr std::string_view kEndRecord = "its zip end record";
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kEnd64Signature = 0x06064b50;
constexpr uint32_t kLocatorSignature = 0x07064b50;
constexpr size_t kEndSize = 22;
constexpr size_t kEnd64Size = 56;
constexpr size_t kLocatorSize = 20;
constexpr size_t kEntrySize = 46;  // without its name

// Replaces `place` by the zip64 end record's, which must lie directly in front of its locator, and returns where it
// begins.
uint64_t ReadZip64End(std::span<const uint8_t> archive, uint64_t locator_offset, DirectoryPlace& place) {
  ByteReader locator(archive.subspan(locator_offset, kLocatorSize), kEndRecord);
  locator.Take(4);
  const auto disk = locator.Read<uint32_t>();
  const auto offset = locator.Read<uint64_t>();
  const auto disks = locator.Read<uint32_t>();
  if (disk != 0 || disks > 1 || locator_offset < kEnd64Size || offset != locator_offset - kEnd64Size) {
    RefuseDamaged("the zip64 locator points to the wrong place");
  }
  ByteReader end(archive.subspan(offset, kEnd64Size), kEndRecord);
  const auto signature = end.Read<uint32_t>();
  const auto record_size = end.Read<uint64_t>();
  end.Take(4);  // versions
  const auto disk_numbers = end.Read<uint64_t>();
  const auto count_here = end.Read<uint64_t>();
  const auto count = end.Read<uint64_t>();
  const auto size = end.Read<uint64_t>();
  const auto directory_offset = end.Read<uint64_t>();
  const auto agrees = [](uint64_t value, uint64_t value64, uint64_t none) { return value == value64 || value == none; };
  if (signature != kEnd64Signature || record_size != kEnd64Size - 12 || disk_numbers != 0 || count_here != count ||
      !agrees(place.count, count, 0xffff /* likewise */) || !agrees(place.size, size, kInZip64Record) ||
      !agrees(place.offset, directory_offset, kInZip64Record)) {
    RefuseDamaged("the zip64 end record is inconsistent");
  }
  place = {.offset = directory_offset, .size = size, .count = count};
  return offset;
}

}  // namespace

DirectoryPlace FindZipDirectory(std::span<const uint8_t> archive) {
  const uint64_t end_offset = archive.size() < kEndSize ? 0 : archive.size() - kEndSize;
  ByteReader end(archive.subspan(end_offset), kEndRecord);
  if (archive.size() < kEndSize || end.Read<uint32_t>() != kEndSignature) {
    RefuseDamaged("it is truncated, or something was appended to it (no zip directory at its end)");
  }
  const auto disks = end.Read<uint32_t>();
  const auto count_here = end.Read<uint16_t>();
  DirectoryPlace place{};
  place.count = end.Read<uint16_t>();
  place.size = end.Read<uint32_t>();
  place.offset = end.Read<uint32_t>();
  const auto comment_size = end.Read<uint16_t>();
  if (disks != 0 || count_here != place.count || comment_size != 0) RefuseDamaged("the zip end record is inconsistent");
  uint64_t directory_end = end_offset;
  if (end_offset >= kLocatorSize) {
    const uint64_t locator_offset = end_offset - kLocatorSize;
    ByteReader locator(archive.subspan(locator_offset, kLocatorSize), kEndRecord);
    if (locator.Read<uint32_t>() == kLocatorSignature) directory_end = ReadZip64End(archive, locator_offset, place);
  }
  if (place.offset > directory_end || place.size != directory_end - place.offset ||
      place.count > place.size / kEntrySize || place.count == 0) {
    RefuseDamaged("the zip directory does not lie where the end record says");
  }
  return place;
}

}  // namespace nacue
