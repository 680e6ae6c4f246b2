// Attribute types: archives that pass the pre-flight and load although a pickle holds something else than its class
// declares.
#include "archive/check_attributes.h"

#include <gtest/gtest.h>
#include <torch/csrc/jit/serialization/import.h>

#include "archive/archive_bytes.h"
#include "archive/check_archive.h"
#include "core/error.h"
#include "zip_writer.h"

namespace nacue {

namespace {

// What becomes of a model whose attribute `weight` is declared as `type` and pickled as `value`.
std::string Refusal(const std::string& type, const std::string& value) {
  auto records = TinyModel();
  RecordNamed(records, "net/data.pkl").bytes = TinyPickle(value);
  RecordNamed(records, "net/code/__torch__.py").bytes =
      "class Part(Module):\n  size : int\nclass Other(Module):\n  size : int\n  name : str\n"
      "class Net(Module):\n  weight : " +
      type + "\n  training : bool\n";
  const std::string file = WriteZip(records);
  const std::span bytes(reinterpret_cast<const uint8_t*>(file.data()), file.size());
  CheckArchive(bytes.data(), bytes.size());
  const auto module = torch::jit::load(std::make_shared<ArchiveBytes>(bytes), c10::Device(c10::kCPU));
  try {
    CheckAttributes(module);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_NACUE_MODEL_FORMAT");
    return error.what();
  }
  return "";
}

std::string Object(const std::string& class_name, const std::string& items) {
  return "c__torch__\n" + class_name + "\n)\x81}(" + items + "ub";
}

std::string Tagged(const std::string& container, const std::string& type) {
  return "ctorch.jit._pickle\nrestore_type_tag\n" + container + PickledText(type) + "\x86R";
}

const std::string kSize = PickledText("size") + "K\x03";

TEST(CheckAttributes, PassesWhatTheClassDeclares) {
  EXPECT_EQ(Refusal("Tensor", TinyTensor()), "");
  EXPECT_EQ(Refusal("Optional[Tensor]", "N"), "");
  EXPECT_EQ(Refusal("Optional[Tensor]", TinyTensor()), "");
  EXPECT_EQ(Refusal("Tuple[int, bool]", "K\x01\x88\x86"), "");
  EXPECT_EQ(Refusal("List[str]", Tagged("](" + PickledText("a") + "e", "List[str]")), "");
  EXPECT_EQ(Refusal("Dict[str, int]", Tagged("}(" + PickledText("a") + "K\x01u", "Dict[str, int]")), "");
  EXPECT_EQ(Refusal("__torch__.Part", Object("Part", kSize)), "");
  EXPECT_EQ(Refusal("Any", Object("Part", kSize)), "");
}

TEST(CheckAttributes, RefusesAnObjectOfAnotherClass) {
  // The interpreter would read the attribute `name` past the end of the Part.
  EXPECT_NE(Refusal("__torch__.Other", Object("Part", kSize)).find("'weight' is declared as '__torch__.Other"),
            std::string::npos);
}

TEST(CheckAttributes, RefusesValuesOfAnotherType) {
  const std::pair<const char*, std::string> cases[] = {
      {"Tensor", "K\x05"},
      {"int", "\x88"},
      {"Optional[int]", PickledText("a")},
      {"Tuple[int, bool]", "K\x01\x85"},
      {"Tuple[int, bool]", "K\x01K\x02\x86"},
      {"List[str]", Tagged("](K\x01"
                           "e",
                           "List[str]")},
      {"List[str]", "N"},
      {"Dict[str, int]", Tagged("}(" + PickledText("a") + "Nu", "Dict[str, int]")},
      {"List[__torch__.Part]", Tagged("](" + Object("Part", kSize) +
                                          "K\x01"
                                          "e",
                                      "List[__torch__.Part]")},
  };
  for (const auto& [type, value] : cases) {
    EXPECT_NE(Refusal(type, value).find("attribute 'weight' is declared as"), std::string::npos) << type;
  }
}

TEST(CheckAttributes, LooksInsideObjects) {
  const std::string size = PickledText("size") + "N";
  EXPECT_NE(Refusal("__torch__.Part", Object("Part", size)).find("'size' is declared as 'int' but holds a None"),
            std::string::npos);
  EXPECT_NE(Refusal("Any", Object("Part", size)).find("attribute 'size'"), std::string::npos);
}

TEST(CheckAttributes, LooksAtSharedPartsOnce) {
  std::string value = "N\x85q" + std::string(1, '\0');
  for (char i = 0; i < 15; ++i) value += std::string("h") + i + "h" + i + "\x86q" + static_cast<char>(i + 1);
  // 2^15 paths lead to the innermost tuple. The values on the stack go into one more.
  EXPECT_EQ(Refusal("Any", "(" + value + "t"), "");
}

}  // namespace

}  // namespace nacue
