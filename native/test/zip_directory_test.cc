// Zip structure: each rule broken by an archive of its own.
#include "archive/zip_directory.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "zip_writer.h"

namespace nacue {

namespace {

std::vector<ZipMember> Read(const std::string& file) {
  return ReadZipDirectory({reinterpret_cast<const uint8_t*>(file.data()), file.size()});
}

void ExpectRefusal(const std::string& file, const std::string& fragment) {
  try {
    Read(file);
    ADD_FAILURE() << "not refused: " << fragment;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos) << error.what();
  }
}

// Two members, the second with the given changes.
std::string WithMember(const std::function<void(ZipHeader&)>& entry,
                       const std::function<void(ZipHeader&)>& local = nullptr, const std::string& descriptor = "") {
  return WriteZip({{"a/x", "12345678"}, {"a/y", "abcdefgh", entry, local ? local : [](ZipHeader&) {}, descriptor}});
}

TEST(ReadZipDirectory, FindsTheBytesOfEachMember) {
  const std::string file = WriteZip({{"a/x", "123"}, {"a/y", ""}});
  const auto members = Read(file);
  ASSERT_EQ(members.size(), 2U);
  EXPECT_EQ(members[0].name, "a/x");
  EXPECT_EQ(file.substr(members[0].data_offset, members[0].size), "123");
  EXPECT_EQ(members[1].size, 0U);
}

TEST(ReadZipDirectory, TakesDescriptorsOfBothWidths) {
  const auto streamed = [](ZipHeader& header) { header.flags = 1 << 3; };
  const auto unknown = [](ZipHeader& header) {
    header.flags = 1 << 3;
    header.crc32 = header.stored_size = header.size = 0;
  };
  const auto crc = Bytes(Read(WithMember([](ZipHeader&) {}))[1].crc32);
  const std::string signature = "PK\x07\x08";
  const auto narrow = signature + crc + Bytes<uint32_t>(8) + Bytes<uint32_t>(8);
  const auto wide = signature + crc + Bytes<uint64_t>(8) + Bytes<uint64_t>(8);
  EXPECT_EQ(Read(WithMember(streamed, unknown, narrow)).size(), 2U);
  EXPECT_EQ(Read(WithMember(streamed, unknown, wide)).size(), 2U);
  ExpectRefusal(WithMember(streamed, unknown, signature + crc + Bytes<uint64_t>(7) + Bytes<uint64_t>(8)), "descriptor");
  ExpectRefusal(WithMember(streamed, unknown), "ends too early");
}

TEST(ReadZipDirectory, RefusesMembersThatDifferFromTheirHeaders) {
  const std::string differs = "differs from the zip directory";
  const auto same = [](ZipHeader&) {};
  ExpectRefusal(WithMember(same, [](ZipHeader& local) { local.name = "a/z"; }), differs);
  ExpectRefusal(WithMember(same, [](ZipHeader& local) { local.method = 8; }), differs);
  ExpectRefusal(WithMember(same, [](ZipHeader& local) { local.flags = 1 << 11; }), differs);
  ExpectRefusal(WithMember(same, [](ZipHeader& local) { local.crc32 ^= 1; }), differs);
  ExpectRefusal(WithMember(same, [](ZipHeader& local) { local.size = 7; }), differs);
  ExpectRefusal(WithMember(same, [](ZipHeader& local) { local.stored_size = 0; }), differs);
  ExpectRefusal(WithMember([](ZipHeader& entry) { entry.offset += 1; }), differs);
}

TEST(ReadZipDirectory, RefusesWhatLibTorchWouldMisread) {
  ExpectRefusal(WithMember([](ZipHeader& entry) { entry.flags = 1; }), "encrypted");
  ExpectRefusal(WithMember([](ZipHeader& entry) { entry.method = 12; }), "unknown method");
  ExpectRefusal(WithMember([](ZipHeader& entry) { entry.size = 9; }), "two sizes");
  ExpectRefusal(WithMember([](ZipHeader& entry) { entry.offset = 1 << 30; }), "outside the file");
  ExpectRefusal(WithMember([](ZipHeader& entry) { entry.stored_size = entry.size = 1 << 30; },
                           [](ZipHeader& local) { local.stored_size = local.size = 1 << 30; }),
                "ends too early");
  ExpectRefusal(WithMember([](ZipHeader& entry) { entry.size = entry.stored_size = 0xffffffff; }),
                "zip64 size is missing");
  ExpectRefusal(WriteZip({{"a/x", "1"}, {"A/X", "2"}}), "two members named 'A/X'");
  ExpectRefusal(WriteZip({{std::string("a\0x", 3), "1"}}), "no name");
}

TEST(ReadZipDirectory, RefusesMembersThatShareBytes) {
  const std::string inner = WriteZip({{"a/y", "abcdefgh"}});
  const auto move = [](ZipHeader& entry) { entry.offset = 30 + 3; };
  // The second entry points at a whole member inside the data of the first.
  ExpectRefusal(WriteZip({{"a/x", inner.substr(0, 30 + 3 + 8)}, {"a/y", "abcdefgh", move}}), "overlap");
}

TEST(ReadZipDirectory, RefusesEndRecordsThatDoNotFit) {
  const std::vector<ZipRecord> records = {{"a/x", "1"}, {"a/y", "2"}};
  const std::string wrong_place = "does not lie where the end record says";
  using Size = uint32_t;
  ExpectRefusal(WriteZip(records, [](uint16_t&, Size& size, Size&) { size -= 1; }), wrong_place);
  ExpectRefusal(WriteZip(records, [](uint16_t&, Size&, Size& offset) { offset = 0xfffffff0; }), wrong_place);
  ExpectRefusal(WriteZip(records, [](uint16_t& count, Size&, Size&) { count = 0; }), wrong_place);
  ExpectRefusal(WriteZip(records, [](uint16_t& count, Size&, Size&) { count = 60'000; }), wrong_place);
  ExpectRefusal(WriteZip(records, [](uint16_t& count, Size&, Size&) { count = 1; }), "more entries than it says");
  ExpectRefusal(WriteZip(records) + "x", "truncated, or something was appended");
  ExpectRefusal("PK\x03\x04", "truncated");
}

// Puts the zip64 records that PyTorch writes in front of the end record, with `end_offset` as where they begin.
std::string WithZip64(const std::string& file, uint64_t count, uint64_t lie) {
  const size_t end = file.size() - 22;
  const auto size = static_cast<uint8_t>(file[end + 12]);
  const auto offset = static_cast<uint8_t>(file[end + 16]);
  const std::string record = "PK\x06\x06" + Bytes<uint64_t>(44) + Bytes<uint32_t>(0) + Bytes<uint64_t>(0) +
                             Bytes(count) + Bytes(count) + Bytes<uint64_t>(size) + Bytes<uint64_t>(offset);
  const std::string locator = "PK\x06\x07" + Bytes<uint32_t>(0) + Bytes<uint64_t>(end + lie) + Bytes<uint32_t>(1);
  return file.substr(0, end) + record + locator + file.substr(end);
}

TEST(ReadZipDirectory, TakesZip64EndRecordsThatAgree) {
  const std::string file = WriteZip({{"a/x", "1"}, {"a/y", "2"}});
  EXPECT_EQ(Read(WithZip64(file, 2, 0)).size(), 2U);
  ExpectRefusal(WithZip64(file, 3, 0), "zip64 end record is inconsistent");
  ExpectRefusal(WithZip64(file, 2, 1), "zip64 locator points to the wrong place");
}

}  // namespace

}  // namespace nacue
