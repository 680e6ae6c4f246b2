// The JSON reader on what RFC 8259 allows and forbids, and the writer against the reader.
#include "state/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "allocation_peak.h"
#include "state/utf8.h"

namespace nacue {

namespace {

std::string Text(std::string_view json) {
  JsonReader reader(json);
  EXPECT_EQ(reader.Type(), JsonType::kString);
  std::string text = reader.String();
  reader.End();
  return text;
}

JsonNumber Number(std::string_view json) {
  JsonReader reader(json);
  EXPECT_EQ(reader.Type(), JsonType::kNumber);
  const JsonNumber number = reader.Number();
  reader.End();
  return number;
}

void ExpectRefused(std::string_view json, const std::string& fragment) {
  try {
    CheckJson(json);
    ADD_FAILURE() << "not refused: " << json;
  } catch (const JsonError& error) {
    EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos) << json << ": " << error.what();
  }
}

TEST(JsonReader, ReadsEveryKindOfValue) {
  JsonReader json(" {\"b\": [1, \"x\", null], \"a\":\ttrue,\r\n\"c\":{}, \"d\": false , \"e\":[ ]} ");
  const auto skip_word = [&] {
    EXPECT_EQ(json.Type(), JsonType::kWord);
    json.Skip();
  };
  const std::vector<std::function<void()>> read_items = {[&] {
                                                           EXPECT_EQ(json.Type(), JsonType::kNumber);
                                                           EXPECT_EQ(json.Number().integer, 1);
                                                         },
                                                         [&] {
                                                           EXPECT_EQ(json.Type(), JsonType::kString);
                                                           EXPECT_EQ(json.String(), "x");
                                                         },
                                                         skip_word};
  size_t items = 0;
  std::string keys;
  ASSERT_EQ(json.Type(), JsonType::kObject);
  json.Object([&](const std::string& key) {
    keys += key;
    if (key == "b") {
      EXPECT_EQ(json.Type(), JsonType::kArray);
      json.Array([&] { read_items.at(items++)(); });
    } else if (key == "c") {
      EXPECT_EQ(json.Type(), JsonType::kObject);
      json.Object([](const std::string& inner) { ADD_FAILURE() << inner; });
    } else if (key == "e") {
      EXPECT_EQ(json.Type(), JsonType::kArray);
      json.Array([] { ADD_FAILURE(); });
    } else {
      skip_word();
    }
  });
  json.End();
  EXPECT_EQ(keys, "bacde");  // as the text orders them
  EXPECT_EQ(items, 3U);
}

TEST(JsonReader, SkipsAValueOfAnyType) {
  JsonReader json(R"([{"a":[{"b":"\"]"}],"c":{}},[[],[1]],"}",-1.5e3,false,null,7])");
  std::optional<int64_t> last;
  int items = 0;
  ASSERT_EQ(json.Type(), JsonType::kArray);
  json.Array([&] {
    if (++items < 7) return json.Skip();
    last = json.Number().integer;
  });
  EXPECT_EQ(last, 7);
}

TEST(CheckJson, AllocatesNothing) {
  if (!kCountsAllocations) GTEST_SKIP() << "operator new is AddressSanitizer's";
  std::string text = R"({"a":[1,"\u20ac",{"b":[true,null]}],"a":")" + std::string(100'000, 'x') + "\",\"c\":[";
  for (int i = 0; i < 100'000; ++i) text += "[],";
  text += "0]}";
  EXPECT_EQ(AllocationPeak([&] { CheckJson(text); }), 0U);
  JsonReader json(std::string_view(text).substr(text.find("\"xx")));
  EXPECT_LT(AllocationPeak([&] { json.String(); }), 100'100U);
}

TEST(JsonReader, KeepsWholeNumbersExact) {
  EXPECT_EQ(Number("9007199254740993").integer, 9007199254740993);
  EXPECT_EQ(Number("9223372036854775807").integer, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Number("-9223372036854775808").integer, std::numeric_limits<int64_t>::min());
  EXPECT_EQ(Number("9223372036854775808").integer, std::nullopt);
  EXPECT_EQ(Number("9223372036854775808").value, 9223372036854775808.0);
  EXPECT_EQ(Number("1.0").integer, std::nullopt);
  EXPECT_EQ(Number("1e3").integer, std::nullopt);
  EXPECT_EQ(Number("0").integer, 0);
}

TEST(JsonReader, ReadsDoublesExactly) {
  EXPECT_EQ(Number("0.1").value, 0.1);
  EXPECT_EQ(Number("-1.25E+2").value, -125.0);
  EXPECT_EQ(Number("5e-324").value, std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(Number("1.7976931348623157e308").value, std::numeric_limits<double>::max());
  EXPECT_TRUE(std::signbit(Number("-0").value));
}

TEST(CheckJson, RefusesNumbersOutsideOfTheGrammar) {
  for (const char* json : {"01", "-01", "1 2", "0x10", "1.5.2", "1e5e"}) ExpectRefused(json, "follows the value");
  for (const char* json : {"-", "1.", "1.e3", "1e", "1e+", "-a"}) ExpectRefused(json, "a digit is missing");
  for (const char* json : {"+1", ".5", "NaN", "Infinity", "nan"}) ExpectRefused(json, "no value");
  for (const char* json : {"1e309", "-1e309", "1e-400"}) ExpectRefused(json, "out of range");
}

TEST(JsonReader, DecodesStrings) {
  EXPECT_EQ(Text("\"\""), "");
  EXPECT_EQ(Text(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(Text(R"("\u0041\u00e4\u20AC\ud83d\ude00")"), "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_EQ(Text(R"("\u0000")"), std::string(1, '\0'));
  EXPECT_EQ(Text("\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\x7f\""), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\x7f");
}

TEST(CheckJson, RefusesStringsThatAreNone) {
  ExpectRefused("\"abc", "does not end");
  ExpectRefused("\"abc\\\"", "does not end");
  ExpectRefused("\"a\nb\"", "control character");
  ExpectRefused(std::string("\"a\0b\"", 5), "control character");
  for (const char* json : {R"("\x41")", R"("\u12")", R"("\u12g4")", R"("\u-123")", R"("\U0041")"}) {
    ExpectRefused(json, "unknown escape");
  }
  ExpectRefused("\"\\", "unknown escape");
  ExpectRefused(std::string("\"\\\0\"", 4), "unknown escape");
  for (const char* json : {R"("\ud83d")", R"("\ud83dx")", R"("\ude00")", R"("\ud83d\u0041")", R"("\ud83d\ud83d")",
                           R"("\ude00\ude00")", R"("\ud83d\ue000")"}) {
    ExpectRefused(json, "surrogate");
  }
}

TEST(CheckJson, RefusesWhatIsNotUtf8) {
  for (const char* text : {"\x80", "\xc0\xaf", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x9f\xbf", "\xe2\x82", "\xe2\x82(",
                           "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_FALSE(IsUtf8(text));
    ExpectRefused("\"" + std::string(text) + "\"", "not UTF-8");
  }
  EXPECT_TRUE(IsUtf8("\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
}

TEST(CheckJson, RefusesBrokenStructure) {
  for (const char* json : {"", "  ", "tru", "True", "nul", "}", ",", "[,1]", "[1,]", "[1,,2]"}) {
    ExpectRefused(json, "no value");
  }
  for (const char* json : {"[1 2]", "[1", "[1}"}) ExpectRefused(json, "no ',' or ']'");
  for (const char* json : {"{\"a\":1", "{\"a\":1]", "{\"a\":1 \"b\":2}"}) ExpectRefused(json, "no ',' or '}'");
  for (const char* json : {"{\"a\" 1}", "{\"a\"}"}) ExpectRefused(json, "no ':'");
  for (const char* json : {"{1:2}", "{\"a\":1,}", "{,}", "{a:1}"}) ExpectRefused(json, "no key");
  for (const char* json : {"[]]", "1 x", "{}{}"}) ExpectRefused(json, "follows the value at byte ");
  ExpectRefused(std::string("1\0", 2), "follows the value at byte 1");
  ExpectRefused("\xef\xbb\xbf{}", "no value at byte 0");
}

TEST(CheckJson, RefusesWhatIsNestedTooDeep) {
  EXPECT_NO_THROW(CheckJson("[[[[[[[[1]]]]]]]]"));
  EXPECT_NO_THROW(CheckJson("[[[[[[[[]]]]]]],[[]]]"));
  ExpectRefused("[[[[[[[[[]]]]]]]]]", "too deep at byte 8");
  ExpectRefused(R"({"a":[[[[[[[{}]]]]]]]})", "too deep");
  ExpectRefused(std::string(1'000'000, '['), "too deep");
}

TEST(JsonText, ReadsBackAsItWas) {
  std::string all;
  for (char c = 1; c < 127; ++c) all += c;
  all += std::string("\0\x7f\xc3\xa4\xf0\x9f\x98\x80", 8);
  EXPECT_EQ(Text(JsonText(all)), all);
  EXPECT_EQ(JsonText("a\"\\\x1f"), "\"a\\\"\\\\\\u001f\"");
  for (const double number : {0.1, 100.0, -1.25, 1e22, 5e-324, 1.7976931348623157e308, 0.1 + 0.2}) {
    EXPECT_EQ(Number(JsonText(number)).value, number);
  }
  EXPECT_EQ(JsonText(100.0), "100");
  EXPECT_EQ(JsonText(0.1), "0.1");
  for (const int64_t number : {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
    EXPECT_EQ(Number(JsonText(number)).integer, number);
  }
}

}  // namespace

}  // namespace nacue
