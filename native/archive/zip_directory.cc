// See zip_directory.h. Layouts: PKWARE's APPNOTE 6.3, sections 4.3.7 (local header), 4.3.9 (data descriptor), 4.3.12
// (directory entry) and 4.5.3 (zip64 field).
#include "zip_directory.h"

#include <algorithm>
#include <string>
#include <unordered_set>

#include "byte_reader.h"
#include "refuse_model.h"
#include "zip_end_record.h"

namespace nacue {

namespace {

constexpr std::string_view kDirectory = "its zip directory";
constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kDescriptorSignature = 0x08074b50;
constexpr uint32_t kMemberSignature = 0x02014b50;
constexpr uint16_t kZip64Field = 1;
constexpr uint16_t kHasDescriptor = 1 << 3;
constexpr uint16_t kAllowedFlags = kHasDescriptor | 3 << 1 /* deflate effort */ | 1 << 11 /* UTF-8 name */;
constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;

// A directory entry before its local header was looked at.
struct Entry {
  ZipMember member;
  uint16_t flags, method;
  uint64_t header_offset;
};

struct ByteRange {
  uint64_t begin, end;
};

// Takes the sizes and the offset that did not fit 32 bits from the zip64 field, in the order of the standard.
void ReadZip64Field(std::span<const uint8_t> extra, Entry& entry) {
  std::vector<uint64_t*> wanted;
  for (uint64_t* value : {&entry.member.size, &entry.member.stored_size, &entry.header_offset}) {
    if (*value == kInZip64Record) wanted.push_back(value);
  }
  ByteReader fields(extra, kDirectory);
  while (!wanted.empty() && fields.remaining() > 0) {
    const auto id = fields.Read<uint16_t>();
    const auto size = fields.Read<uint16_t>();
    ByteReader field(fields.Take(size), kDirectory);
    if (id != kZip64Field) continue;
    for (uint64_t* value : wanted) *value = field.Read<uint64_t>();
    wanted.clear();
  }
  if (!wanted.empty()) RefuseDamaged("a zip64 size is missing for " + Quoted(entry.member.name));
}

Entry ReadEntry(ByteReader& directory) {
  if (directory.Read<uint32_t>() != kMemberSignature) RefuseDamaged("its zip directory has a broken entry");
  directory.Take(4);  // versions
  Entry entry{};
  entry.flags = directory.Read<uint16_t>();
  entry.method = directory.Read<uint16_t>();
  directory.Take(4);  // time and date
  entry.member.crc32 = directory.Read<uint32_t>();
  entry.member.stored_size = directory.Read<uint32_t>();
  entry.member.size = directory.Read<uint32_t>();
  const auto name_size = directory.Read<uint16_t>();
  const auto extra_size = directory.Read<uint16_t>();
  const auto comment_size = directory.Read<uint16_t>();
  const auto disk = directory.Read<uint16_t>();
  directory.Take(6);  // attributes
  entry.header_offset = directory.Read<uint32_t>();
  entry.member.name = directory.TakeText(name_size);
  ReadZip64Field(directory.Take(extra_size), entry);
  directory.Take(comment_size);
  const std::string name = Quoted(entry.member.name);
  if (disk != 0 || (entry.flags & ~kAllowedFlags) != 0) RefuseDamaged(name + " is encrypted or split over disks");
  if (entry.method != kStored && entry.method != kDeflated) RefuseDamaged(name + " is packed by an unknown method");
  if (entry.method == kStored && entry.member.stored_size != entry.member.size) RefuseDamaged(name + " has two sizes");
  if (name_size == 0 || entry.member.name.find('\0') != std::string_view::npos) RefuseDamaged("a member has no name");
  entry.member.deflated = entry.method == kDeflated;
  return entry;
}

// A streaming writer, as PyTorch's is, leaves 0 in the local header and puts the true values behind the data.
void CheckDescriptor(ByteReader& bytes, const ZipMember& member) {
  const auto signature = bytes.Read<uint32_t>();
  const auto crc = bytes.Read<uint32_t>();
  const auto stored_size = bytes.Read<uint32_t>();
  uint64_t size = bytes.Read<uint32_t>();
  bool agrees = stored_size == member.stored_size && size == member.size;
  if (!agrees) {  // the zip64 form has 8 bytes for each size
    const uint64_t wide_stored_size = stored_size | size << 32;
    size = bytes.Read<uint64_t>();
    agrees = wide_stored_size == member.stored_size && size == member.size;
  }
  if (signature != kDescriptorSignature || crc != member.crc32 || !agrees) {
    RefuseDamaged("the descriptor behind " + Quoted(member.name) + " differs from the zip directory");
  }
}

// Compares the local header with the directory, sets where the data begin, and returns all bytes that belong to the
// member.
ByteRange LocateData(std::span<const uint8_t> archive, uint64_t directory_offset, Entry& entry) {
  ZipMember& member = entry.member;
  if (entry.header_offset > directory_offset) RefuseDamaged(Quoted(member.name) + " lies outside the file");
  ByteReader bytes(archive.first(directory_offset).subspan(entry.header_offset), "a member of the zip file");
  const auto signature = bytes.Read<uint32_t>();
  bytes.Take(2);  // version
  const auto flags = bytes.Read<uint16_t>();
  const auto method = bytes.Read<uint16_t>();
  bytes.Take(4);  // time and date
  const bool has_descriptor = (entry.flags & kHasDescriptor) != 0;
  const auto agrees = [&](uint32_t value, uint64_t expected, uint32_t none) {
    return value == expected || value == none || (has_descriptor && value == 0);
  };
  const auto crc = bytes.Read<uint32_t>();
  const auto stored_size = bytes.Read<uint32_t>();
  const auto size = bytes.Read<uint32_t>();
  const auto name_size = bytes.Read<uint16_t>();
  const auto extra_size = bytes.Read<uint16_t>();
  if (signature != kLocalSignature || flags != entry.flags || method != entry.method ||
      !agrees(crc, member.crc32, member.crc32) || !agrees(stored_size, member.stored_size, kInZip64Record) ||
      !agrees(size, member.size, kInZip64Record) || bytes.TakeText(name_size) != member.name) {
    RefuseDamaged("the header in front of " + Quoted(member.name) + " differs from the zip directory");
  }
  bytes.Take(extra_size);  // PyTorch aligns the data with it
  member.data_offset = entry.header_offset + bytes.position();
  bytes.Take(member.stored_size);
  if (has_descriptor) CheckDescriptor(bytes, member);
  return {entry.header_offset, entry.header_offset + bytes.position()};
}

void RefuseOverlaps(std::vector<ByteRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].begin < ranges[i - 1].end) RefuseDamaged("members of the zip file overlap");
  }
}

}  // namespace

std::string FoldedName(std::string_view name) {
  std::string folded(name);
  for (char& c : folded) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return folded;
}

std::vector<ZipMember> ReadZipDirectory(std::span<const uint8_t> archive) {
  const DirectoryPlace place = FindZipDirectory(archive);
  ByteReader directory(archive.subspan(place.offset, place.size), kDirectory);
  std::vector<ZipMember> members;
  std::vector<ByteRange> ranges;
  std::unordered_set<std::string> names;
  members.reserve(place.count);
  ranges.reserve(place.count);
  for (uint64_t i = 0; i < place.count; ++i) {
    Entry entry = ReadEntry(directory);
    ranges.push_back(LocateData(archive, place.offset, entry));
    if (!names.insert(FoldedName(entry.member.name)).second) {
      RefuseDamaged("it has two members named " + Quoted(entry.member.name));
    }
    members.push_back(entry.member);
  }
  if (directory.remaining() > 0) RefuseDamaged("its zip directory has more entries than it says");
  RefuseOverlaps(std::move(ranges));
  return members;
}

}  // namespace nacue
