// How a state is refused: one of the codes of docs/state-format.md and one readable line, whatever bytes the file
// holds.
#pragma once

#include <string>
#include <string_view>

#include "core/error.h"

namespace nacue {

// Text out of the file, fit for an error message: printable ASCII, at most 80 characters.
inline std::string Printable(std::string_view text) {
  std::string printable;
  for (const char c : text.substr(0, 80)) printable += c >= ' ' && c <= '~' ? c : '?';
  return printable + (text.size() > 80 ? "..." : "");
}

[[noreturn]] inline void RefuseFormat(const std::string& what) {
  throw Error("ERR_NACUE_STATE_FORMAT", "the state is damaged or no safetensors file: " + what + "; copy it again");
}

[[noreturn]] inline void RefuseVersion(const std::string& version) {
  throw Error("ERR_NACUE_STATE_VERSION",
              "the state has the format version " + version + ", this nacue knows version 1; install a newer nacue");
}

[[noreturn]] inline void RefuseInvalid(const std::string& what) {
  throw Error("ERR_NACUE_STATE_INVALID", "the state is no fit: " + what);
}

[[noreturn]] inline void RefuseMismatch(const std::string& what) {
  throw Error("ERR_NACUE_STATE_MISMATCH", what);
}

}  // namespace nacue
