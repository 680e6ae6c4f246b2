// Stage-independent: see libtorch_error.h. The text of a failure is only ever shown, never decided on.
#include "libtorch_error.h"

#include <c10/util/Exception.h>

#include <new>
#include <sstream>

namespace nacue {

namespace {

// A TorchScript failure quotes the source it was in; what went wrong stands on its last "SomethingError: ..." line.
std::string ReadableLine(const std::string& text) {
  std::istringstream lines(text);
  std::string first;
  std::string cause;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    if (first.empty()) first = line;
    const size_t colon = line.find("Error: ");
    if (colon != std::string::npos && line.find(' ') > colon) cause = line.substr(colon + 7);
  }
  constexpr size_t kLongest = 300;
  const std::string& readable = cause.empty() ? first : cause;
  return readable.size() > kLongest ? readable.substr(0, kLongest) + "..." : readable;
}

}  // namespace

Error TranslateLibTorchError(const std::string& code, const std::string& context, const std::exception& failure) {
  if (const auto* own = dynamic_cast<const Error*>(&failure)) return *own;
  if (dynamic_cast<const std::bad_alloc*>(&failure) != nullptr) {
    return Error("ERR_NACUE_OUT_OF_MEMORY", context + ": out of memory");
  }
  const auto* libtorch = dynamic_cast<const c10::Error*>(&failure);
  const std::string detail = libtorch != nullptr ? libtorch->what_without_backtrace() : failure.what();
  const bool out_of_memory = dynamic_cast<const c10::OutOfMemoryError*>(&failure) != nullptr;
  return Error(out_of_memory ? "ERR_NACUE_OUT_OF_MEMORY" : code, context + ": " + ReadableLine(detail), detail);
}

}  // namespace nacue
