// UTF-8 (RFC 3629): no overlong form, no surrogate, nothing beyond U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace nacue {

// How many bytes the first character takes; 0 when the text, which is not empty, begins with none.
size_t Utf8Length(std::string_view text);

bool IsUtf8(std::string_view text);

void AppendUtf8(std::string& text, uint32_t character);

}  // namespace nacue
