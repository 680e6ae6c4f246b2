// See failure.h.
#include "failure.h"

#include <new>

#include "core/error.h"

namespace nacue {

Failure CurrentFailure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what(), error.detail()};
  } catch (const std::bad_alloc&) {
    return {"ERR_NACUE_OUT_OF_MEMORY", "out of memory", ""};
  } catch (const std::exception& error) {
    return {"ERR_NACUE_INTERNAL", "unexpected failure in the native code", error.what()};
  } catch (...) {
    return {"ERR_NACUE_INTERNAL", "unexpected failure in the native code", "an exception that is no std::exception"};
  }
}

Napi::Object ToJs(Napi::Env env, const Failure& failure) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("code", failure.code);
  object.Set("message", failure.message);
  if (!failure.detail.empty()) object.Set("detail", failure.detail);
  return object;
}

}  // namespace nacue
