// The one exception type that nacue's core throws on purpose.
//
// `code` is one of the keys of errorCodes in lib/errors.ts and is stable; `what()` is one readable line that says what
// to do next; `detail` is the long text of LibTorch where there is one. Whatever else escapes the core is translated at
// the boundary (native/binding/failure.cc).
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace nacue {

class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message, std::string detail = {})
      : std::runtime_error(message), code_(std::move(code)), detail_(std::move(detail)) {}

  const std::string& code() const { return code_; }
  const std::string& detail() const { return detail_; }

 private:
  std::string code_;
  std::string detail_;
};

}  // namespace nacue
