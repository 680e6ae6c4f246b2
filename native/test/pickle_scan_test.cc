// Pickles: what torch.jit.save writes passes, and each lie about a tensor or a stack is refused.
#include "archive/pickle_scan.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "zip_writer.h"

namespace nacue {

namespace {

constexpr uint64_t kMaxStorageBytes = 1000;

void Scan(const std::string& pickle, const RecordSizes* sizes) {
  UnpicklingCost cost;
  const std::vector<uint8_t> bytes(pickle.begin(), pickle.end());
  ScanPickle({bytes, "data.pkl", "data/", sizes}, kMaxStorageBytes, cost);
}

std::string Refusal(const std::string& pickle) {
  const RecordSizes sizes = {{"data/0", 24}};
  try {
    Scan(pickle, &sizes);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_NACUE_MODEL_FORMAT");
    return error.what();
  }
  return "";
}

void ExpectRefusal(const std::string& pickle, const std::string& fragment) {
  const std::string message = Refusal(pickle);
  EXPECT_NE(message.find(fragment), std::string::npos) << "'" << message << "' lacks '" << fragment << "'";
}

// The opcodes in a pickle of their own.
std::string Whole(const std::string& opcodes) {
  return "\x80\x02" + opcodes + ".";
}

std::string Repeated(const std::string& text, size_t count) {
  std::string repeated;
  for (size_t i = 0; i < count; ++i) repeated += text;
  return repeated;
}

std::string Integer(int64_t number) {
  return "\x8a\x08" + Bytes(number);
}

std::string Integers(const std::vector<int64_t>& numbers) {
  std::string tuple = "(";
  for (const int64_t number : numbers) tuple += Integer(number);
  return tuple + "t";
}

std::string Storage(const std::string& type, int64_t items, const std::string& key = "0",
                    const std::string& place = "cpu") {
  return "(" + PickledText("storage") + "ctorch\n" + type + "\n" + PickledText(key) + PickledText(place) +
         Integer(items) + "tQ";
}

struct TensorCase {
  std::vector<int64_t> sizes = {2, 3};
  std::vector<int64_t> strides = {3, 1};
  int64_t offset = 0;
  int64_t items = 6;
  std::string type = "FloatStorage";
};

std::string Tensor(const TensorCase& tensor) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + Storage(tensor.type, tensor.items) + Integer(tensor.offset) +
         Integers(tensor.sizes) + Integers(tensor.strides) + "\x89NtR";
}

TEST(ScanPickle, PassesAModule) {
  EXPECT_EQ(Refusal(TinyPickle(TinyTensor())), "");
}

TEST(ScanPickle, RefusesEveryTruncation) {
  const std::string pickle = TinyPickle(TinyTensor());
  for (size_t size = 0; size < pickle.size(); ++size) EXPECT_NE(Refusal(pickle.substr(0, size)), "") << size;
  ExpectRefusal(pickle + "N", "does not end where");
}

TEST(ScanPickle, PassesTensorsThatLieInTheirStorage) {
  const TensorCase cases[] = {
      {},
      {.sizes = {}, .strides = {}, .offset = 5},
      {.sizes = {3, 2}, .strides = {1, 3}},
      {.sizes = {2}, .strides = {2}, .offset = 3},
      {.sizes = {0, 7}, .strides = {7, 1}, .offset = 6},
      {.sizes = {50, 6}, .strides = {0, 1}},
      {.items = 24, .type = "BoolStorage"},
      {.items = 12, .type = "BFloat16Storage"},
      {.sizes = {3}, .strides = {1}, .items = 3, .type = "ComplexFloatStorage"},
  };
  for (const TensorCase& tensor : cases) EXPECT_EQ(Refusal(Whole(Tensor(tensor))), "") << tensor.type;
}

TEST(ScanPickle, RefusesStoragesOfAnotherSizeThanTheirRecord) {
  const std::string needs = "record 'data/0' has 24 bytes, its storage needs ";
  ExpectRefusal(Whole(Tensor({.items = 7})), needs + "28");
  ExpectRefusal(Whole(Tensor({.items = 5})), needs + "20");
  ExpectRefusal(Whole(Tensor({.items = 0})), needs + "0");
  ExpectRefusal(Whole(Tensor({.items = (int64_t{1} << 62) + 6})), needs);
  ExpectRefusal(Whole(Tensor({.type = "DoubleStorage"})), needs + "48");
  ExpectRefusal(Whole(Tensor({.items = -1})), "negative size");
  ExpectRefusal(Whole(Storage("FloatStorage", 6, "1")), "record 'data/1' is missing");
  ExpectRefusal(Whole(Storage("FancyStorage", 6)), "TorchScript does not write there");
  ExpectRefusal(Whole(Storage("FloatStorage", 6, "0", "meta")), "meta device");
  EXPECT_EQ(Refusal(Whole(Storage("FloatStorage", 0, "nothing"))), "");
}

TEST(ScanPickle, RefusesTensorsThatReachPastTheirStorage) {
  const std::string past = "reaches past its storage of 6 elements";
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  ExpectRefusal(Whole(Tensor({.offset = 1})), past);
  ExpectRefusal(Whole(Tensor({.sizes = {3, 3}})), past);
  ExpectRefusal(Whole(Tensor({.strides = {4, 1}})), past);
  ExpectRefusal(Whole(Tensor({.sizes = {2, kHuge}, .strides = {0, kHuge}})), past);
  ExpectRefusal(Whole(Tensor({.sizes = {0}, .strides = {1}, .offset = 7})), past);
  ExpectRefusal(Whole(Tensor({.sizes = {kHuge, kHuge, 0}, .strides = {0, 0, 1}})), past);
  ExpectRefusal(Whole(Tensor({.sizes = {-1, 3}})), "negative size or stride");
  ExpectRefusal(Whole(Tensor({.strides = {-3, 1}})), "negative size or stride");
  ExpectRefusal(Whole(Tensor({.offset = -1})), "impossible shape");
  ExpectRefusal(Whole(Tensor({.sizes = {2}})), "impossible shape");
  ExpectRefusal(Whole(Tensor({.sizes = std::vector<int64_t>(65, 1), .strides = std::vector<int64_t>(65, 1)})),
                "impossible shape");
  ExpectRefusal(Whole(Tensor({.sizes = {1 << 30}, .strides = {0}})), "expands a small tensor");
  ExpectRefusal(Whole(Tensor({.items = 24, .type = "QInt8Storage"})), "storage is of the wrong type");
}

TEST(ScanPickle, ChecksTheQuantizer) {
  const auto quantized = [](const std::string& type, int64_t items, const std::string& sizes,
                            const std::string& quantizer) {
    return Whole("ctorch._utils\n_rebuild_qtensor\n(" + Storage(type, items) + Integer(0) + sizes + "(" + quantizer +
                 "t\x89NtR");
  };
  const std::string scale = "G" + std::string(8, '\0') + Integer(0);
  const std::string tensor = Tensor({.sizes = {2}, .strides = {1}});
  const std::string rows = Integers({2, 3}) + Integers({3, 1});
  EXPECT_EQ(Refusal(quantized("QInt32Storage", 6, rows, "ctorch\nper_tensor_affine\n" + scale)), "");
  EXPECT_EQ(Refusal(quantized("QInt32Storage", 6, rows, "ctorch\nper_channel_affine\n" + tensor + tensor + Integer(0))),
            "");
  // Two values in a byte.
  EXPECT_EQ(
      Refusal(quantized("QUInt4x2Storage", 24, Integers({48}) + Integers({1}), "ctorch\nper_tensor_affine\n" + scale)),
      "");
  for (const int64_t axis : {1, 2, -1}) {
    ExpectRefusal(quantized("QInt32Storage", 6, rows, "ctorch\nper_channel_affine\n" + tensor + tensor + Integer(axis)),
                  "no axis");
  }
}

TEST(ScanPickle, RefusesToReadOneStorageAgainAndAgain) {
  EXPECT_EQ(Refusal(Whole("(" + Repeated(Storage("FloatStorage", 6), 41) + "t")), "");
  ExpectRefusal(Whole("(" + Repeated(Storage("FloatStorage", 6), 42) + "t"), "again and again");
}

TEST(ScanPickle, CapsNesting) {
  EXPECT_EQ(Refusal(Whole(Repeated("(", 1000) + "N" + Repeated("t", 1000))), "");
  ExpectRefusal(Whole(Repeated("(", 1001) + "N" + Repeated("t", 1001)), "nested objects");
  ExpectRefusal(Whole(Repeated("](", 1002) + Repeated("e", 1002)), "nested objects");
  ExpectRefusal(Whole("]q\x01" + std::string(1, '\0')), "gaps in its memo");
}

TEST(ScanPickle, RefusesObjectsThatContainThemselves) {
  const std::string remember("q\0", 2);
  const std::string recall("h\0", 2);
  ExpectRefusal(Whole("]" + remember + "(" + recall + "e"), "puts a list into itself");
  ExpectRefusal(Whole("]" + remember + "(](" + recall + "ee"), "already in use");
  ExpectRefusal(Whole("(]" + remember + "t" + recall + "(Neq\x01\x86"), "already in use");
}

TEST(ScanPickle, RefusesObjectsSharedInTooManyWays) {
  const auto doubled = [](char levels) {
    std::string opcodes = "(N\x85q" + std::string(1, '\0');
    for (char i = 0; i < levels; ++i) opcodes += std::string("h") + i + "h" + i + "\x86q" + static_cast<char>(i + 1);
    return Whole(opcodes + "t");
  };
  EXPECT_EQ(Refusal(doubled(15)), "");
  ExpectRefusal(doubled(17), "shares its objects in too many ways");
  ExpectRefusal(doubled(100), "shares its objects in too many ways");
}

TEST(ScanPickle, RefusesListsWhoseElementsAreNotOfTheirType) {
  const auto list = [](const std::string& function, const std::string& elements) {
    return Whole("ctorch.jit._pickle\n" + function + "\n](" + elements + "e\x85R");
  };
  EXPECT_EQ(Refusal(list("build_intlist", "K\x01K\x02")), "");
  EXPECT_EQ(Refusal(list("build_tensorlist", Tensor({}))), "");
  ExpectRefusal(list("build_intlist", "K\x01N"), "not of its type");
  ExpectRefusal(list("build_tensorlist", "K\x01"), "not of its type");
  ExpectRefusal(list("build_boollist", "K\x01"), "not of its type");
}

TEST(ScanPickle, ReadsTypeTagsAsLibTorchDoes) {
  const auto tagged = [](const std::string& container, const std::string& type) {
    return Whole("ctorch.jit._pickle\nrestore_type_tag\n" + container + PickledText(type) + "\x86R");
  };
  EXPECT_EQ(Refusal(tagged("]", "List[Tuple[int, str]]")), "");
  EXPECT_EQ(Refusal(tagged("}", "Dict[str, int]")), "");
  ExpectRefusal(tagged("]", "Dict[str, int]"), "wrong type");
  ExpectRefusal(tagged("]", Repeated("List[", 65)), "nested brackets");
}

TEST(ScanPickle, RefusesWhatMisusesTheStack) {
  for (const char* opcodes :
       {"",        "t",   "e",    "u",    "R",     "\x85",     "(\x85", "NN",    "(N",       "N(", "Q", "K\x01Q", "NNR",
        "K\x01)R", "(Ne", "}(Nu", "](Nu", "h\x01", "j\x01...", "N\x81", "q\x01", "\x8a\x09", "0",  "2", "\x95"}) {
    EXPECT_NE(Refusal(Whole(opcodes)), "") << opcodes;
  }
  ExpectRefusal(Whole("X" + Bytes<uint32_t>(0xffffffff)), "ends too early");
  ExpectRefusal(Whole("Nr" + Bytes<uint32_t>(0x7fffffff)), "gaps in its memo");
}

TEST(ScanPickle, RefusesOtherGlobals) {
  ExpectRefusal(Whole("cos\nsystem\n"), "names 'os.system'");
  ExpectRefusal(Whole("c__torch__\n(((\n"), "TorchScript does not write there");
  ExpectRefusal(Whole("ctorch._utils\n_rebuild_sparse_tensor\n"), "sparse");
  ExpectRefusal(Whole("ctorch"), "ends too early");
}

TEST(ScanPickle, AllowsNeitherTensorsNorObjectsInDebugRecords) {
  EXPECT_NO_THROW(Scan(Whole("(K\x01K\x02t"), nullptr));
  EXPECT_THROW(Scan(Whole("c__torch__\nNet\n"), nullptr), Error);
  EXPECT_THROW(Scan(Whole(Storage("FloatStorage", 6)), nullptr), Error);
}

TEST(ScanPickle, BoundsWhatLibTorchWouldAllocate) {
  ExpectRefusal(Whole("(" + Repeated("}", 600'000) + "t"), "MiB of objects");
}

}  // namespace

}  // namespace nacue
