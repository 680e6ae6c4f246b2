// See held_bytes.h.
#include "held_bytes.h"

#include "core/error.h"

namespace nacue {

std::span<const uint8_t> ViewBytes(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    throw Error("ERR_NACUE_INTERNAL", "the native addon got bytes that are no Uint8Array");
  const auto bytes = value.As<Napi::Uint8Array>();
  return {bytes.Data(), bytes.ElementLength()};
}

}  // namespace nacue
