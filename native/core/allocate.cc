// See allocate.h. Any thread.
#include "allocate.h"

#include "error.h"
#include "tapped_model.h"

namespace nacue {

at::Tensor Zeros(at::IntArrayRef shape, const at::TensorOptions& options, const std::string& what) {
  try {
    return at::zeros(shape, options);
  } catch (const std::exception& failure) {
    throw Error("ERR_NACUE_OUT_OF_MEMORY", what + ", " + ShapeText(shape) + ", do not fit into memory", failure.what());
  }
}

}  // namespace nacue
