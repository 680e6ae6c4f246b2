// A strict reader of small JSON texts (RFC 8259) out of untrusted bytes, and the pieces a writer needs.
//
// Refused beyond the grammar: nesting deeper than kMaxJsonDepth, an object with a key twice, text that is not UTF-8, a
// lone surrogate, a number beyond double. The tree takes at most some 50 bytes per byte of the text, the stack a few
// frames per level. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

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

struct JsonValue;
struct JsonMember;
using JsonArray = std::vector<JsonValue>;
using JsonObject = std::vector<JsonMember>;  // sorted by key

struct JsonValue {
  std::variant<std::monostate /* null */, bool, JsonNumber, std::string, JsonArray, JsonObject> held;

  // nullptr when it is of another type.
  template <typename Type>
  const Type* As() const {
    return std::get_if<Type>(&held);
  }
};

struct JsonMember {
  std::string key;
  JsonValue value;
};

// Throws JsonError.
JsonValue ParseJson(std::string_view text);

// In quotes, with everything escaped that JSON wants escaped.
std::string JsonText(std::string_view text);
std::string JsonText(int64_t number);
// The shortest digits that read back as the same number, which must be finite.
std::string JsonText(double number);

}  // namespace nacue
