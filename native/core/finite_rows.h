// Finds the samples of a batch that hold NaN or infinity.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "options.h"

namespace nacue {

// Throws ERR_NACUE_NON_FINITE naming the rows of `batch` that are not finite. On the host, before anything runs.
void RefuseNonFinite(const Batch& batch);

// Which rows of a (B, ...) tensor are finite: (B,) bool on its device, no synchronisation.
at::Tensor FiniteRows(const at::Tensor& tensor);

// Throws ERR_NACUE_NON_FINITE naming the rows that are false; `what` names what they hold.
void RefuseRows(const at::Tensor& finite_rows, const std::string& what);

}  // namespace nacue
