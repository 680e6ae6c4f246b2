// The container: each rule of the format broken by a file of its own.
#include "state/safetensors.h"

#include "sample_state.h"

namespace nacue {

namespace {

Safetensors Read(const std::string& header, const std::string& data = "") {
  // The result's spans point into the file; no test looks at them after the call.
  return ReadSafetensors(RawSafetensors(header, data));
}

void ExpectFormatRefusal(const std::string& header, const std::string& data, const std::string& fragment) {
  ExpectRefusal([&] { Read(header, data); }, "ERR_NACUE_STATE_FORMAT", fragment);
}

// A file of one tensor.
std::string Header(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"t":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

TEST(ReadSafetensors, FindsMetadataAndTensorsInAnyOrder) {
  const auto file = RawSafetensors(R"({"b":{"shape":[2],"data_offsets":[4,6],"dtype":"U8"},"__metadata__":{"k":"v"},)"
                                   R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}  )",
                                   "abcdef");
  const auto read = ReadSafetensors(file);
  EXPECT_EQ(read.metadata, (SafetensorsMetadata{{"k", "v"}}));
  ASSERT_EQ(read.tensors.size(), 2U);
  const auto& b = read.tensors.at("b");
  EXPECT_EQ(b.dtype, "U8");
  EXPECT_EQ(b.shape, std::vector<int64_t>{2});
  EXPECT_EQ(std::string(b.bytes.begin(), b.bytes.end()), "ef");
  EXPECT_EQ(read.tensors.at("a").bytes.data(), file.data() + file.size() - 6);
}

TEST(ReadSafetensors, TakesFilesWithoutTensorsOrMetadata) {
  EXPECT_TRUE(Read("{}").tensors.empty());
  EXPECT_EQ(Read(R"({"__metadata__":{}})").metadata.size(), 0U);
  EXPECT_EQ(Read(Header("I64", "[3,0]", "[0,0]")).tensors.at("t").bytes.size(), 0U);
}

TEST(ReadSafetensors, KnowsTheElementsOfEveryDtype) {
  const std::vector<std::pair<std::string, int>> bits = {
      {"BOOL", 8},    {"U8", 8},      {"I8", 8},          {"F8_E5M2", 8},    {"F8_E4M3", 8}, {"F8_E8M0", 8},
      {"I16", 16},    {"U16", 16},    {"F16", 16},        {"BF16", 16},      {"I32", 32},    {"U32", 32},
      {"F32", 32},    {"I64", 64},    {"U64", 64},        {"F64", 64},       {"C64", 64},    {"F4", 4},
      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}};
  for (const auto& [dtype, size] : bits) {
    const std::string data(size, 'x');  // 8 elements
    EXPECT_EQ(Read(Header(dtype, "[2,4]", "[0," + std::to_string(size) + "]"), data).tensors.size(), 1U) << dtype;
  }
  ExpectFormatRefusal(Header("F4", "[3]", "[0,1]"), "x", "whole bytes");
  ExpectFormatRefusal(Header("I128", "[0]", "[0,0]"), "", "unknown dtype 'I128'");
  ExpectFormatRefusal(Header("i64", "[0]", "[0,0]"), "", "unknown dtype 'i64'");
}

TEST(ReadSafetensors, RefusesLengthsThatDoNotFitTheFile) {
  const auto refuse = [](const StateBytes& file, const std::string& fragment) {
    ExpectRefusal([&] { ReadSafetensors(file); }, "ERR_NACUE_STATE_FORMAT", fragment);
  };
  refuse({}, "it has 0 bytes");
  refuse({1, 0, 0, 0, 0, 0, 0}, "it has 7 bytes");
  refuse(BytesOfNumbers<uint64_t>({1}), "ends before its header");
  refuse(BytesOfNumbers<uint64_t>({~uint64_t{0}, 0}), "ends before its header");  // 8 + length wraps around
  refuse(BytesOfNumbers<uint64_t>({~uint64_t{0} - 7, 0}), "ends before its header");
  refuse(BytesOfNumbers<uint64_t>({0, 0}), "does not begin with '{'");
  refuse(RawSafetensors("{}" + std::string(kMaxSafetensorsHeader - 1, ' ')), "longer than 1 MiB");
  EXPECT_NO_THROW(Read("{}" + std::string(kMaxSafetensorsHeader - 2, ' ')));
}

TEST(ReadSafetensors, RefusesHeadersThatAreNoJsonObject) {
  ExpectFormatRefusal("[]", "", "does not begin with '{'");
  ExpectFormatRefusal(" {}", "", "does not begin with '{'");
  ExpectFormatRefusal("{", "", "its header is no JSON, no key at byte 1");
  ExpectFormatRefusal("{}x", "", "something follows the value at byte 2");
  ExpectFormatRefusal(R"({"t":[[[[[[[[1]]]]]]]]})", "", "nested too deep");
  ExpectFormatRefusal("{\"\xff\":1}", "", "not UTF-8");
}

TEST(ReadSafetensors, RefusesAKeyTwice) {
  const std::string fields = R"("dtype":"U8","shape":[0],"data_offsets":[0,0])";
  const std::string empty = "{" + fields + "}";
  ExpectFormatRefusal(R"({"t":)" + empty + R"(,"\u0074":)" + empty + "}", "",
                      "a key is there twice in its header, 't'");
  for (const char* again : {R"("dtype":"U8")", R"("shape":[0])", R"("data_offsets":[0,0])"}) {
    ExpectFormatRefusal(R"({"t":{)" + fields + "," + again + "}}", "", "a key is there twice");
  }
  ExpectFormatRefusal(R"({"__metadata__":{},"__metadata__":{}})", "", "a key is there twice");
  ExpectFormatRefusal(R"({"__metadata__":{"k":"","l":"","\u006b":""}})", "", "a key is there twice in its header, 'k'");
}

// `count` copies of `text` with a number in place of its '#', joined by commas.
std::string Numbered(const std::string& text, size_t count) {
  std::string joined;
  for (size_t i = 0; i < count; ++i) joined += Replaced(text, "#", std::to_string(i)) + (i + 1 < count ? "," : "");
  return joined;
}

TEST(ReadSafetensors, RefusesMoreThanAStateNeeds) {
  const std::string tensor = R"("t#":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  const std::string all = R"("__metadata__":{)" + Numbered(R"("k#":"")", kMaxSafetensorsMetadata) + "},";
  EXPECT_EQ(Read("{" + all + Numbered(tensor, kMaxSafetensorsTensors) + "}").tensors.size(), kMaxSafetensorsTensors);
  ExpectFormatRefusal("{" + Numbered(tensor, kMaxSafetensorsTensors + 1) + "}", "", "names more than 2048 tensors");
  ExpectFormatRefusal(R"({"__metadata__":{)" + Numbered(R"("k#":"")", kMaxSafetensorsMetadata + 1) + "}}", "",
                      "__metadata__ has more than 32 keys");
  EXPECT_EQ(Read(Header("U8", "[0,1,1,1,1,1,1,1]", "[0,0]")).tensors.size(), 1U);
  ExpectFormatRefusal(Header("U8", "[0,1,1,1,1,1,1,1,1]", "[0,0]"), "", "a shape of more than 8 numbers");
  ExpectFormatRefusal(Header("U8", "[0]", "[0,0,0,0,0,0,0,0,0]"), "", "a data_offsets of more than 8 numbers");
}

TEST(ReadSafetensors, RefusesMetadataThatAreNotStrings) {
  ExpectFormatRefusal(R"({"__metadata__":[]})", "", "__metadata__ is no object");
  ExpectFormatRefusal(R"({"__metadata__":{"k\n":1}})", "", "no string for 'k?'");
}

TEST(ReadSafetensors, RefusesTensorsThatAreNotDescribed) {
  const std::string described = "tensor 't' is not described by dtype, shape and data_offsets";
  ExpectFormatRefusal(R"({"t":1})", "", described);
  ExpectFormatRefusal(R"({"t":{"dtype":"U8","shape":[0]}})", "", described);
  ExpectFormatRefusal(R"({"t":{"dtype":"U8","shape":[0],"offsets":[0,0]}})", "", described);
  ExpectFormatRefusal(R"({"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":0}})", "", described);
  ExpectFormatRefusal(R"({"t":{"dtype":8,"shape":[0],"data_offsets":[0,0]}})", "", "dtype that is no string");
  for (const char* shape : {"0", "[-1]", "[1.0]", "[\"1\"]", "[9223372036854775808]", "[1e2]", "[null]"}) {
    ExpectFormatRefusal(Header("U8", shape, "[0,0]"), "", "a shape that is no array of whole numbers");
  }
  for (const char* offsets : {"0", "[0,-1]", "[0,true]"}) {
    ExpectFormatRefusal(Header("U8", "[0]", offsets), "", "a data_offsets that is no array of whole numbers");
  }
  for (const char* offsets : {"[]", "[0]", "[0,0,0]", "[1,0]"}) {
    ExpectFormatRefusal(Header("U8", "[0]", offsets), "x", "no begin and end");
  }
}

TEST(ReadSafetensors, RefusesShapesThatOverflow) {
  for (const char* shape : {"[4294967296,4294967296]", "[9223372036854775807]", "[9223372036854775807,3]",
                            "[4611686018427387904,4,0]", "[2305843009213693952]"}) {
    ExpectFormatRefusal(Header("U8", shape, "[0,0]"), "", "whose size overflows");
  }
}

TEST(ReadSafetensors, RefusesOffsetsThatDoNotFitTheData) {
  ExpectFormatRefusal(Header("U8", "[2]", "[0,2]"), "x", "ends behind the end of the file");
  ExpectFormatRefusal(Header("U8", "[2]", "[0,9223372036854775807]"), "x", "ends behind the end of the file");
  ExpectFormatRefusal(Header("U8", "[2]", "[0,1]"), "x", "do not fit its dtype and shape");
  ExpectFormatRefusal(Header("U8", "[1]", "[0,1]"), "xy", "bytes follow its last tensor");
  ExpectFormatRefusal("{}", "x", "bytes follow its last tensor");
  ExpectFormatRefusal(Header("U8", "[1]", "[1,2]"), "xy", "a hole in front of tensor 't'");
  const auto two = [](const std::string& a, const std::string& b) {
    return R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + a +
           R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + b + "}}";
  };
  EXPECT_EQ(Read(two("[2,4]", "[0,2]"), "wxyz").tensors.size(), 2U);
  ExpectFormatRefusal(two("[0,2]", "[0,2]"), "wx", "tensor 'b' overlaps");
  ExpectFormatRefusal(two("[1,3]", "[0,2]"), "wxy", "tensor 'a' overlaps");
  ExpectFormatRefusal(two("[0,2]", "[3,5]"), "vwxyz", "a hole in front of tensor 'b'");
}

TEST(ReadSafetensors, ShortensNamesInItsMessages) {
  const std::string name = std::string(79, 'n') + "\xe2\x82\xac";
  ExpectFormatRefusal("{\"" + name + "\":1}", "", "tensor '" + std::string(79, 'n') + "?...' is not described");
}

TEST(WriteSafetensors, WritesWhatReadSafetensorsReads) {
  const StateBytes longs = BytesOfNumbers<int64_t>({1, 2});
  const StateBytes bytes = {7, 8, 9};
  const SafetensorsMetadata metadata = {{"z", "\"quoted\"\n"}, {"a", "\xc3\xa4"}};
  const auto file =
      WriteSafetensors(metadata, {{"x\"", {"I64", {2, 1}, longs}}, {"e", {"F32", {0}, {}}}, {"y", {"U8", {3}, bytes}}});
  EXPECT_EQ(HeaderText(file).size() % 8, 0U);
  EXPECT_TRUE(HeaderText(file).starts_with("{\"__metadata__\":{\"a\":"));
  const auto read = ReadSafetensors(file);
  EXPECT_EQ(read.metadata, metadata);
  ASSERT_EQ(read.tensors.size(), 3U);
  const auto& x = read.tensors.at("x\"");
  EXPECT_EQ(x.shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(StateBytes(x.bytes.begin(), x.bytes.end()), longs);
  EXPECT_TRUE(read.tensors.at("e").bytes.empty());
  EXPECT_EQ(read.tensors.at("y").bytes.back(), 9);
}

TEST(WriteSafetensors, RefusesAHeaderThatReadSafetensorsWould) {
  const SafetensorsMetadata metadata = {{"k", std::string(kMaxSafetensorsHeader, 'x')}};
  ExpectRefusal([&] { WriteSafetensors(metadata, {}); }, "ERR_NACUE_STATE_INVALID", "more than 1 MiB");
}

}  // namespace

}  // namespace nacue
