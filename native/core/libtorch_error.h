// Turns what LibTorch throws into an Error: one readable line in front, LibTorch's long text as detail.
#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <string>

#include "error.h"

namespace nacue {

// `context` says what was being done: "the model failed on a batch of shape [8, 3, 32, 32]". An Error passes unchanged;
// an allocation failure that LibTorch reports by type becomes ERR_NACUE_OUT_OF_MEMORY; everything else gets `code`.
Error TranslateLibTorchError(const std::string& code, const std::string& context, const std::exception& failure);

// What `work` returns; memory of a device that it does not get is ERR_NACUE_OUT_OF_MEMORY.
template <typename Work>
auto WithinMemory(const std::string& context, const Work& work) {
  try {
    return work();
  } catch (const c10::OutOfMemoryError& failure) {
    throw TranslateLibTorchError("ERR_NACUE_OUT_OF_MEMORY", context, failure);
  }
}

}  // namespace nacue
