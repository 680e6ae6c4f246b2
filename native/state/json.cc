// See json.h. Recursive descent, with the depth counted: at most kMaxJsonDepth containers lie on the stack.
#include "json.h"

#include <charconv>

#include "utf8.h"

namespace nacue {

namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

JsonType JsonReader::Type() {
  SkipSpace();
  if (Peek() == '{') return JsonType::kObject;
  if (Peek() == '[') return JsonType::kArray;
  if (Peek() == '"') return JsonType::kString;
  if (Peek() == '-' || IsDigit(Peek())) return JsonType::kNumber;
  for (const char* word : {"true", "false", "null"}) {
    if (text_.substr(position_).starts_with(word)) return JsonType::kWord;
  }
  Fail("no value");
}

void JsonReader::Object(const std::function<void(std::string key)>& read_member) {
  Items('}', "no ',' or '}'", [&] {
    if (Peek() != '"') Fail("no key");
    std::string key = String();
    SkipColon();
    read_member(std::move(key));
  });
}

void JsonReader::Array(const std::function<void()>& read_item) {
  Items(']', "no ',' or ']'", read_item);
}

std::string JsonReader::String() {
  const size_t begin = position_;
  ReadString(nullptr);
  std::string value;
  value.reserve(position_ - begin - 2);  // without the quotes: no character is longer than its escape sequence
  position_ = begin;
  ReadString(&value);
  return value;
}

JsonNumber JsonReader::Number() {
  const size_t begin = position_;
  SkipIf('-');
  if (!SkipIf('0')) SkipDigits();
  const size_t end_of_integer = position_;
  if (SkipIf('.')) SkipDigits();
  if (SkipIf('e') || SkipIf('E')) {
    if (!SkipIf('+')) SkipIf('-');
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

void JsonReader::Skip() {
  const auto skip_member = [this] {
    if (Peek() != '"') Fail("no key");
    ReadString(nullptr);
    SkipColon();
    Skip();
  };
  switch (Type()) {
    case JsonType::kObject:
      return Items('}', "no ',' or '}'", skip_member);
    case JsonType::kArray:
      return Items(']', "no ',' or ']'", [this] { Skip(); });
    case JsonType::kString:
      return ReadString(nullptr);
    case JsonType::kNumber:
      Number();
      return;
    case JsonType::kWord:
      position_ += Peek() == 'f' ? 5 : 4;
  }
}

void JsonReader::End() {
  SkipSpace();
  if (position_ != text_.size()) Fail("something follows the value");
}

void JsonReader::Fail(const char* reason) const {
  throw JsonError(std::string(reason) + " at byte " + std::to_string(position_));
}

// '\0' at the end: no token begins with it.
char JsonReader::Peek() const {
  return position_ < text_.size() ? text_[position_] : '\0';
}

bool JsonReader::SkipIf(char expected) {
  if (Peek() != expected) return false;
  ++position_;
  return true;
}

void JsonReader::SkipSpace() {
  while (Peek() == ' ' || Peek() == '\t' || Peek() == '\n' || Peek() == '\r') ++position_;
}

void JsonReader::SkipDigits() {
  if (!IsDigit(Peek())) Fail("a digit is missing");
  while (IsDigit(Peek())) ++position_;
}

void JsonReader::SkipColon() {
  SkipSpace();
  if (!SkipIf(':')) Fail("no ':'");
}

// From the bracket that opens a container to the one that closes it.
void JsonReader::Items(char close, const char* missing, const std::function<void()>& read_item) {
  if (depth_ == kMaxJsonDepth) Fail("nested too deep");
  ++depth_;
  ++position_;
  SkipSpace();
  if (Peek() != close) {
    do {
      SkipSpace();
      read_item();
      SkipSpace();
    } while (SkipIf(','));
  }
  if (!SkipIf(close)) Fail(missing);
  --depth_;
}

// Appends the characters to `value` where there is one.
void JsonReader::ReadString(std::string* value) {
  ++position_;
  while (!SkipIf('"')) {
    if (position_ == text_.size()) Fail("a string does not end");
    const size_t length = Utf8Length(text_.substr(position_));
    if (length == 0) Fail("a string is not UTF-8");
    if (static_cast<unsigned char>(Peek()) < ' ') Fail("a control character in a string");
    if (Peek() == '\\') {
      const uint32_t character = Escape();
      if (value) AppendUtf8(*value, character);
    } else {
      if (value) *value += text_.substr(position_, length);
      position_ += length;
    }
  }
}

// The character that an escape sequence stands for.
uint32_t JsonReader::Escape() {
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
  if (unit > 0xdbff || !SkipIf('\\')) Fail("half a surrogate pair");
  const uint32_t low = CodeUnit();
  if (low < 0xdc00 || low > 0xdfff) Fail("half a surrogate pair");
  return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

// What follows the backslash of \uXXXX.
uint32_t JsonReader::CodeUnit() {
  if (!SkipIf('u') || text_.size() - position_ < 4) Fail("an unknown escape sequence");
  const char* digits = text_.data() + position_;
  uint16_t unit = 0;
  if (std::from_chars(digits, digits + 4, unit, 16).ptr != digits + 4) Fail("an unknown escape sequence");
  position_ += 4;
  return unit;
}

void CheckJson(std::string_view text) {
  JsonReader json(text);
  json.Skip();
  json.End();
}

}  // namespace nacue
