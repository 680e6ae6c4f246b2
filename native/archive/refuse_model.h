// How the archive check refuses a file: always ERR_NACUE_MODEL_FORMAT, always one readable line, whatever bytes the
// file holds.
#pragma once

#include <string>
#include <string_view>

#include "core/error.h"

namespace nacue {

// `reason` continues "the model ...": says what the file is and what to do.
[[noreturn]] inline void RefuseModel(const std::string& reason) {
  throw Error("ERR_NACUE_MODEL_FORMAT", "the model " + reason);
}

[[noreturn]] inline void RefuseDamaged(const std::string& what) {
  RefuseModel("is damaged: " + what + "; copy it again or export it again");
}

// A name out of the file, fit for an error message: quoted, printable ASCII, at most 80 characters.
inline std::string Quoted(std::string_view name) {
  std::string quoted = "'";
  for (const char c : name.substr(0, 80)) quoted += c >= ' ' && c <= '~' ? c : '?';
  return quoted + (name.size() > 80 ? "...'" : "'");
}

}  // namespace nacue
