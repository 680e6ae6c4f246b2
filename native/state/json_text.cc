// The writing half of json.h.
#include <array>
#include <charconv>

#include "json.h"

namespace nacue {

namespace {

template <typename Number>
std::string Digits(Number number) {
  std::array<char, 32> digits;  // the longest double, -1.2345678901234567e-308, has 24
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  return {digits.data(), end};
}

}  // namespace

std::string JsonText(std::string_view text) {
  static constexpr std::string_view kHexadecimal = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < ' ') {
      quoted += "\\u00";
      quoted += kHexadecimal[c >> 4];
      quoted += kHexadecimal[c & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string JsonText(int64_t number) {
  return Digits(number);
}

std::string JsonText(double number) {
  return Digits(number);
}

}  // namespace nacue
