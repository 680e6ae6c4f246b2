// See json.h. Recursive descent, with the depth counted: at most kMaxJsonDepth frames of Value lie on the stack.
#include "json.h"

#include <algorithm>
#include <charconv>

#include "utf8.h"

namespace nacue {

namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  JsonValue Document() {
    JsonValue value = Value();
    SkipSpace();
    if (position_ != text_.size()) Fail("something follows the value");
    return value;
  }

 private:
  [[noreturn]] void Fail(const char* reason) const {
    throw JsonError(std::string(reason) + " at byte " + std::to_string(position_));
  }

  // '\0' at the end: no token begins with it.
  char Peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }

  bool Skip(char expected) {
    if (Peek() != expected) return false;
    ++position_;
    return true;
  }

  void SkipSpace() {
    while (Peek() == ' ' || Peek() == '\t' || Peek() == '\n' || Peek() == '\r') ++position_;
  }

  bool SkipWord(std::string_view word) {
    if (!text_.substr(position_).starts_with(word)) return false;
    position_ += word.size();
    return true;
  }

  JsonValue Value() {
    SkipSpace();
    if (Peek() == '{') return {Nested(&JsonReader::Object)};
    if (Peek() == '[') return {Nested(&JsonReader::Array)};
    if (Peek() == '"') return {String()};
    if (Peek() == '-' || IsDigit(Peek())) return {Number()};
    if (SkipWord("true")) return {true};
    if (SkipWord("false")) return {false};
    if (SkipWord("null")) return {std::monostate()};
    Fail("no value");
  }

  template <typename Container>
  Container Nested(Container (JsonReader::*read)()) {
    if (depth_ == kMaxJsonDepth) Fail("nested too deep");
    ++depth_;
    ++position_;
    Container container = (this->*read)();
    --depth_;
    return container;
  }

  JsonArray Array() {
    JsonArray items;
    SkipSpace();
    if (Skip(']')) return items;
    do {
      items.push_back(Value());
      SkipSpace();
    } while (Skip(','));
    if (!Skip(']')) Fail("no ',' or ']'");
    return items;
  }

  JsonObject Object() {
    JsonObject members;
    SkipSpace();
    if (Skip('}')) return members;
    do {
      SkipSpace();
      if (Peek() != '"') Fail("no key");
      std::string key = String();
      SkipSpace();
      if (!Skip(':')) Fail("no ':'");
      members.push_back({std::move(key), Value()});
      SkipSpace();
    } while (Skip(','));
    if (!Skip('}')) Fail("no ',' or '}'");
    std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    const auto same_key = [](const auto& a, const auto& b) { return a.key == b.key; };
    if (std::adjacent_find(members.begin(), members.end(), same_key) != members.end()) {
      Fail("a key is there twice in the object that ends");
    }
    return members;
  }

  std::string String() {
    ++position_;
    std::string value;
    while (!Skip('"')) {
      if (position_ == text_.size()) Fail("a string does not end");
      const size_t length = Utf8Length(text_.substr(position_));
      if (length == 0) Fail("a string is not UTF-8");
      if (static_cast<unsigned char>(Peek()) < ' ') Fail("a control character in a string");
      if (Peek() == '\\') {
        AppendUtf8(value, Escape());
      } else {
        value += text_.substr(position_, length);
        position_ += length;
      }
    }
    return value;
  }

  // The character that an escape sequence stands for.
  uint32_t Escape() {
    static constexpr std::string_view kNames = "\"\\/bfnrt";
    static constexpr std::string_view kCharacters = "\"\\/\b\f\n\r\t";
    ++position_;
    const size_t index = kNames.find(Peek());
    if (Peek() != '\0' && index != std::string_view::npos) {
      ++position_;
      return static_cast<unsigned char>(kCharacters[index]);
    }
    const uint32_t unit = CodeUnit();
    if (unit < 0xd800 || unit > 0xdfff) return unit;
    if (unit > 0xdbff || !Skip('\\')) Fail("half a surrogate pair");
    const uint32_t low = CodeUnit();
    if (low < 0xdc00 || low > 0xdfff) Fail("half a surrogate pair");
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
  }

  // What follows the backslash of \uXXXX.
  uint32_t CodeUnit() {
    if (!Skip('u') || text_.size() - position_ < 4) Fail("an unknown escape sequence");
    const char* digits = text_.data() + position_;
    uint16_t unit = 0;
    if (std::from_chars(digits, digits + 4, unit, 16).ptr != digits + 4) Fail("an unknown escape sequence");
    position_ += 4;
    return unit;
  }

  void SkipDigits() {
    if (!IsDigit(Peek())) Fail("a digit is missing");
    while (IsDigit(Peek())) ++position_;
  }

  JsonNumber Number() {
    const size_t begin = position_;
    Skip('-');
    if (!Skip('0')) SkipDigits();
    const size_t end_of_integer = position_;
    if (Skip('.')) SkipDigits();
    if (Skip('e') || Skip('E')) {
      if (!Skip('+')) Skip('-');
      SkipDigits();
    }
    const char* const first = text_.data() + begin;
    const char* const last = text_.data() + position_;
    JsonNumber number;
    if (std::from_chars(first, last, number.value).ec != std::errc()) Fail("a number out of range ends");
    int64_t integer = 0;
    if (position_ == end_of_integer && std::from_chars(first, last, integer).ec == std::errc()) {
      number.integer = integer;
    }
    return number;
  }

  std::string_view text_;
  size_t position_ = 0;
  int depth_ = 0;
};

}  // namespace

JsonValue ParseJson(std::string_view text) {
  return JsonReader(text).Document();
}

}  // namespace nacue
