// Second half of the archive check, after LibTorch's loader: every attribute has a value of its declared type.
//
// The unpickler stores whatever the pickle says in an attribute, and the interpreter then reads an object's attributes
// by the position that the declared type gives them, unchecked: an object of another class in that place is read past
// its end.
#pragma once

#include <torch/csrc/jit/api/module.h>

namespace nacue {

// Throws ERR_NACUE_MODEL_FORMAT naming the attribute. Must run before anything else touches the module. Any thread.
void CheckAttributes(const torch::jit::Module& module);

}  // namespace nacue
