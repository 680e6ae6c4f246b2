// Turns what LibTorch throws into an Error: one readable line in front, LibTorch's long text as detail.
#pragma once

#include <exception>
#include <string>

#include "error.h"

namespace nacue {

// `context` says what was being done: "the model failed on a batch of shape [8, 3, 32, 32]". An Error passes unchanged;
// an allocation failure that LibTorch reports by type becomes ERR_NACUE_OUT_OF_MEMORY; everything else gets `code`.
Error TranslateLibTorchError(const std::string& code, const std::string& context, const std::exception& failure);

}  // namespace nacue
