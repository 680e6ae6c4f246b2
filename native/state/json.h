// A strict reader of small JSON texts (RFC 8259) out of untrusted bytes, and the pieces a writer needs.
//
// There is no tree: CheckJson says first whether a text is JSON, then JsonReader hands out one value after the other,
// and its caller decides at each what to keep. Refused beyond the grammar: nesting deeper than kMaxJsonDepth, text that
// is not UTF-8, a lone surrogate, a number beyond double. A key twice is the caller's to refuse, who alone keeps keys.
// CheckJson allocates nothing, the stack takes a few frames per level. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace nacue {

constexpr int kMaxJsonDepth = 8;

// what(): the reason and the byte, without a line break and without a byte of the text.
class JsonError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct JsonNumber {
  double value = 0.0;
  std::optional<int64_t> integer;  // where it is written without fraction and exponent, and fits
};

enum class JsonType { kObject, kArray, kString, kNumber, kWord /* true, false, null */ };

// Reads values in the order of the text, which it points into. Throws JsonError at what is no JSON.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  // Of the value that comes next: which of the following may be called.
  JsonType Type();

  // `read_member` gets each key and reads the value that follows it.
  void Object(const std::function<void(std::string key)>& read_member);
  // `read_item` reads one item.
  void Array(const std::function<void()>& read_item);
  // Takes no more memory than its text.
  std::string String();
  JsonNumber Number();

  // Reads a value of any type and keeps nothing of it.
  void Skip();
  // Nothing but space may follow.
  void End();

 private:
  [[noreturn]] void Fail(const char* reason) const;
  char Peek() const;
  bool SkipIf(char expected);
  void SkipSpace();
  void SkipDigits();
  void SkipColon();
  void Items(char close, const char* missing, const std::function<void()>& read_item);
  void ReadString(std::string* value);
  uint32_t Escape();
  uint32_t CodeUnit();

  std::string_view text_;
  size_t position_ = 0;
  int depth_ = 0;
};

// One value and nothing behind it; throws JsonError otherwise.
void CheckJson(std::string_view text);

// In quotes, with everything escaped that JSON wants escaped.
std::string JsonText(std::string_view text);
std::string JsonText(int64_t number);
// The shortest digits that read back as the same number, which must be finite.
std::string JsonText(double number);

}  // namespace nacue
