// See record_text.h.
#include "core/record_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "core/error.h"

namespace nacue {

namespace {

// Between these the fixed notation of the standard library is that of ECMAScript.
constexpr double kFixedFrom = 1e-6;
constexpr double kFixedBelow = 9007199254740992.0;  // 2^53

// What a record may be longer than the first one before the text is moved.
constexpr size_t kSpareChars = 8;

// As std::to_chars writes it; nothing here takes more than 25 characters.
template <typename Number, typename... Format>
void AppendChars(std::string& text, Number number, Format... format) {
  std::array<char, 32> buffer;
  text.append(buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, format...).ptr);
}

// The shortest digits of a number, which is 0.d1d2d3... times ten to the power of `point`.
struct Digits {
  std::string digits;
  int point;
};

// Out of scientific notation: "5e-324", "1.25e+22".
Digits ToDigits(const std::string& text) {
  const size_t e = text.find('e');
  Digits found{text.substr(0, 1), 1 + std::stoi(text.substr(e + 1))};
  if (e > 1) found.digits += text.substr(2, e - 2);
  return found;
}

// ECMA-262, 6.1.6.1.20: `point` is its n, the number of digits its k.
void AppendDigits(std::string& text, const Digits& number) {
  const auto& [digits, point] = number;
  const int count = static_cast<int>(digits.size());
  if (count <= point && point <= 21) {
    text += digits;
    text.append(static_cast<size_t>(point - count), '0');
  } else {
    text += digits[0];
    if (count > 1) text.append(".").append(digits, 1);
    text += point > 0 ? "e+" : "e-";
    text += std::to_string(std::abs(point - 1));
  }
}

void Append(std::string& text, double value, NonFiniteText non_finite) {
  if (non_finite == NonFiniteText::kNull && !std::isfinite(value)) {
    text += "null";
  } else {
    AppendNumber(text, value);
  }
}
void Append(std::string& text, uint8_t value, NonFiniteText /*non_finite*/) {
  text += value != 0 ? "true" : "false";
}
void Append(std::string& text, const std::string& value, NonFiniteText /*non_finite*/) {
  text += value;
}

size_t CountOf(const TextColumn& column) {
  return std::visit([](const auto& values) { return values.size(); }, column.values);
}

size_t RecordsOf(const std::vector<TextColumn>& columns) {
  const size_t records = columns.empty() ? 0 : CountOf(columns[0]) / std::max<size_t>(1, columns[0].width);
  for (const TextColumn& column : columns) {
    if (CountOf(column) != records * column.width)
      throw Error("ERR_NACUE_INTERNAL", "the native addon got columns of different lengths");
  }
  return records;
}

}  // namespace

std::string RecordText(const std::vector<TextColumn>& columns, const std::string& end, NonFiniteText non_finite) {
  std::string text;
  const size_t records = RecordsOf(columns);
  for (size_t record = 0; record < records; ++record) {
    for (const TextColumn& column : columns) {
      text += column.before;
      std::visit(
          [&](const auto& values) {
            for (size_t i = 0; i < column.width; ++i) {
              if (i > 0) text += ',';
              Append(text, values[record * column.width + i], non_finite);
            }
          },
          column.values);
      text += column.after;
    }
    text += end;
    if (record == 0) text.reserve(records * (text.size() + kSpareChars));
  }
  return text;
}

void AppendNumber(std::string& text, double value) {
  if (std::isnan(value)) {
    text += "NaN";
    return;
  }
  if (std::signbit(value) && value != 0) text += '-';
  value = std::fabs(value);
  if (std::isinf(value)) {
    text += "Infinity";
    return;
  }
  if (value < kFixedBelow && value == std::trunc(value)) {
    AppendChars(text, static_cast<int64_t>(value));  // a third of the time
  } else if (kFixedFrom <= value && value < kFixedBelow) {
    AppendChars(text, value, std::chars_format::fixed);
  } else {
    std::string scientific;
    AppendChars(scientific, value, std::chars_format::scientific);
    AppendDigits(text, ToDigits(scientific));
  }
}

}  // namespace nacue
