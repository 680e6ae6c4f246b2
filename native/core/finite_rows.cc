// See finite_rows.h.
#include "finite_rows.h"

#include <cstring>

#include "cuda_kernels.h"
#include "error.h"

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
  const at::Tensor on_host = finite_rows.cpu();
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < on_host.size(0); ++row) {
    if (!on_host[row].item<bool>()) rows.push_back(row);
  }
  if (!rows.empty()) ThrowRows(what, rows, on_host.size(0));
}

}  // namespace nacue
