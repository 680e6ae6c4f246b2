// Numbers as ECMAScript writes them, and records out of columns.
#include "core/record_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"

namespace nacue {

namespace {

std::string NumberText(double value) {
  std::string text;
  AppendNumber(text, value);
  return text;
}

TEST(AppendNumber, WritesAsEcmaScriptDoes) {
  const std::vector<std::pair<double, std::string>> cases = {
      {0.0, "0"},
      {-0.0, "0"},
      {1.0, "1"},
      {-17.0, "-17"},
      {2000000.0, "2000000"},
      {0.1, "0.1"},
      {static_cast<double>(0.1F), "0.10000000149011612"},
      {-0.7512345314025879, "-0.7512345314025879"},
      {1e-3, "0.001"},
      {1.5e-4, "0.00015"},
      {9.9e-5, "0.000099"},
      {1e-6, "0.000001"},
      {1.25e-6, "0.00000125"},
      {9.5e-7, "9.5e-7"},
      {1e-7, "1e-7"},
      {-1e-7, "-1e-7"},
      {9007199254740991.0, "9007199254740991"},
      {1e16, "10000000000000000"},
      {123456789012345680000.0, "123456789012345680000"},
      {1e20, "100000000000000000000"},
      {1e21, "1e+21"},
      {1.5e21, "1.5e+21"},
      {static_cast<double>(std::numeric_limits<float>::max()), "3.4028234663852886e+38"},
      {static_cast<double>(std::numeric_limits<float>::denorm_min()), "1.401298464324817e-45"},
      {std::numeric_limits<double>::denorm_min(), "5e-324"},
      {std::numeric_limits<double>::max(), "1.7976931348623157e+308"},
      {std::nan(""), "NaN"},
      {-std::nan(""), "NaN"},
      {std::numeric_limits<double>::infinity(), "Infinity"},
      {-std::numeric_limits<double>::infinity(), "-Infinity"},
  };
  for (const auto& [value, text] : cases) EXPECT_EQ(NumberText(value), text);
}

TEST(RecordText, PutsColumnsBesideEachOther) {
  const std::vector<double> indices = {7, 8};
  const std::vector<float> scores = {-0.5F, std::nanf("")};
  const std::vector<uint8_t> flags = {0, 1};
  const std::vector<float> logits = {1, 2, -INFINITY, 4, 5, 6};
  const std::vector<TextColumn> columns = {
      {indices, 1, "{\"index\":", ""},
      {scores, 1, ",\"score\":", ""},
      {std::vector<std::string>{"\"a\"", "\"b\""}, 1, ",\"name\":", ""},
      {logits, 3, ",\"logits\":[", "]"},
      {flags, 1, ",\"isOutlier\":", ""},
  };
  EXPECT_EQ(RecordText(columns, "}\n", NonFiniteText::kNull),
            "{\"index\":7,\"score\":-0.5,\"name\":\"a\",\"logits\":[1,2,null],\"isOutlier\":false}\n"
            "{\"index\":8,\"score\":null,\"name\":\"b\",\"logits\":[4,5,6],\"isOutlier\":true}\n");
  EXPECT_EQ(
      RecordText({{indices, 1, "", ","}, {scores, 1, "", ","}, {logits, 3, "", ""}}, "\r\n", NonFiniteText::kName),
      "7,-0.5,1,2,-Infinity\r\n8,NaN,4,5,6\r\n");
}

TEST(RecordText, IsEmptyWithoutRecords) {
  EXPECT_EQ(RecordText({}, "\n", NonFiniteText::kNull), "");
  EXPECT_EQ(RecordText({{std::vector<std::string>{}, 1, "x", ""}}, "\n", NonFiniteText::kNull), "");
}

TEST(RecordText, RefusesColumnsOfDifferentLengths) {
  const std::vector<float> three = {1, 2, 3};
  const std::vector<float> two = {1, 2};
  for (const size_t width : {0, 1, 2}) {
    EXPECT_THROW(RecordText({{two, 1, "", ""}, {three, width, "", ""}}, "\n", NonFiniteText::kNull), Error);
  }
}

}  // namespace

}  // namespace nacue
