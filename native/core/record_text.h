// Text of records out of columns: what NDJSON, JSON and CSV have in common. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace nacue {

// How NaN and infinity are written: as JSON has it, or by name.
enum class NonFiniteText { kNull, kName };

struct TextColumn {
  // Texts stand there as they are, bytes as true and false.
  std::variant<std::span<const float>, std::span<const double>, std::span<const uint8_t>, std::vector<std::string>>
      values;
  size_t width = 1;  // values per record, with commas between them
  std::string before, after;
};

// One record after the other, each with the columns in their order and `end`. Throws ERR_NACUE_INTERNAL when the
// columns are not all of the same number of records.
std::string RecordText(const std::vector<TextColumn>& columns, const std::string& end, NonFiniteText non_finite);

// As ECMAScript writes a number (ECMA-262, Number::toString), the shortest text that reads back as it; non-finite by
// name.
void AppendNumber(std::string& text, double value);

}  // namespace nacue
