// See finite_rows.h.
#include "finite_rows.h"

#include <cstring>
#include <utility>

#include "cuda_kernels.h"
#include "error.h"
#include "host_copies.h"

namespace nacue {

namespace {

[[noreturn]] void ThrowRows(const std::string& what, const std::vector<int64_t>& rows, int64_t batch_size) {
  constexpr size_t kMostNamed = 10;
  std::string names;
  for (size_t i = 0; i < std::min(rows.size(), kMostNamed); ++i) names += (i ? ", " : "") + std::to_string(rows[i]);
  if (rows.size() > kMostNamed) names += ", ...";
  throw Error("ERR_NACUE_NON_FINITE", what + " NaN or infinity in " + std::to_string(rows.size()) + " of " +
                                          std::to_string(batch_size) + " rows: " + names);
}

// Bits, not comparisons: an OR over integers vectorises.
bool IsFinite(const float* values, size_t count) {
  constexpr uint32_t kExponent = 0x7F800000U;
  uint32_t any = 0;
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, values + i, sizeof(bits));
    any |= static_cast<uint32_t>((bits & kExponent) == kExponent);
  }
  return any == 0;
}

}  // namespace

void RefuseNonFinite(const Batch& batch) {
  if (IsFinite(batch.data.data(), batch.data.count())) return;
  const size_t row_size = batch.data.count() / static_cast<size_t>(batch.shape[0]);
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < batch.shape[0]; ++row) {
    if (!IsFinite(batch.data.data() + static_cast<size_t>(row) * row_size, row_size)) rows.push_back(row);
  }
  ThrowRows("the batch has", rows, batch.shape[0]);
}

at::Tensor FiniteRows(const at::Tensor& tensor) {
  if (auto rows = FiniteRowsInKernel(KernelsOf(tensor), tensor)) return *std::move(rows);
  return at::isfinite(tensor).flatten(1).all(1);
}

void RefuseRows(const at::Tensor& finite_rows, const std::string& what) {
  const at::Tensor on_host = Download({finite_rows}).front();
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < on_host.size(0); ++row) {
    if (!on_host[row].item<bool>()) rows.push_back(row);
  }
  if (!rows.empty()) ThrowRows(what, rows, on_host.size(0));
}

void FitMasks::Add(const at::Tensor& finite_rows) {
  constexpr size_t kMostUnchecked = 64;
  const int64_t batch = batches_++;
  if (!finite_rows.defined()) return;
  masks_.push_back({batch, finite_rows});
  if (masks_.size() >= kMostUnchecked) Check();
}

void FitMasks::Check() {
  std::vector<at::Tensor> on_device;
  for (const Mask& mask : masks_) on_device.push_back(mask.finite_rows);
  const std::vector<at::Tensor> on_host = Download(on_device);
  const std::vector<Mask> checked = std::exchange(masks_, {});
  for (size_t i = 0; i < checked.size(); ++i) {
    RefuseRows(on_host[i], "batch " + std::to_string(checked[i].batch) + " of the fit, counted from 0: " + kNotFinite);
  }
}

}  // namespace nacue
