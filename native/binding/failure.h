// C++ exceptions -> what JavaScript sees: an object or an Error with `code`, `message` and, where there is one,
// `detail`.
#pragma once

#include <napi.h>

#include <exception>
#include <string>

namespace nacue {

struct Failure {
  std::string code;
  std::string message;
  std::string detail;
};

// Must be called from a catch block.
Failure CurrentFailure();

Napi::Object ToJs(Napi::Env env, const Failure& failure);

// Runs the body of a native method; any exception becomes a JavaScript exception with a code.
template <typename Body>
Napi::Value Guarded(Napi::Env env, const Body& body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    const Failure failure = CurrentFailure();
    Napi::Error error = Napi::Error::New(env, failure.message);
    error.Set("code", Napi::String::New(env, failure.code));
    if (!failure.detail.empty()) error.Set("detail", Napi::String::New(env, failure.detail));
    throw error;
  }
}

}  // namespace nacue
