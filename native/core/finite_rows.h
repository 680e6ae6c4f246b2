// Finds the samples of a batch that hold NaN or infinity.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "options.h"

namespace nacue {

// Throws ERR_NACUE_NON_FINITE naming the rows of `batch` that are not finite. On the host, before anything runs.
void RefuseNonFinite(const Batch& batch);

// What RefuseRows says of a pass.
constexpr const char* kNotFinite = "the logits or the contributions have";

// Which rows of a (B, ...) tensor are finite: (B,) bool on its device, no synchronisation.
at::Tensor FiniteRows(const at::Tensor& tensor);

// Throws ERR_NACUE_NON_FINITE naming the rows that are false; `what` names what they hold. Waits for the device.
void RefuseRows(const at::Tensor& finite_rows, const std::string& what);

// The masks of a fit's batches, looked at many at a time: one wait for the device, not one per batch.
class FitMasks {
 public:
  // Of the next batch; undefined where there is nothing to look at. Throws what Check() throws, every now and then.
  void Add(const at::Tensor& finite_rows);
  // Throws ERR_NACUE_NON_FINITE naming the first batch with rows that are not finite, and these.
  void Check();

 private:
  struct Mask {
    int64_t batch;  // counts from 0
    at::Tensor finite_rows;
  };
  std::vector<Mask> masks_;
  int64_t batches_ = 0;
};

}  // namespace nacue
