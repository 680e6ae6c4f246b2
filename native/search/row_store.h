// Rows of float32, appended batch by batch and read back in blocks: in memory, or after Spill() in a file.
//
// The file has no name (it is unlinked as soon as it is open): it goes away with the process, however that ends. One
// thread at a time; ForEachBlock may run beside itself.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace nacue {

class RowStore {
 public:
  RowStore() = default;
  ~RowStore();
  RowStore(RowStore&& other) noexcept;
  RowStore(const RowStore&) = delete;
  RowStore& operator=(const RowStore&) = delete;

  // (B, N) float32; every batch must have the same N. Throws ERR_NACUE_SHAPE, ERR_NACUE_SPILL.
  void Append(const at::Tensor& batch);

  // Moves all rows to a file in `folder`, and later ones as they come. Throws ERR_NACUE_SPILL.
  void Spill(const std::string& folder);

  // Calls `visit(first row, (b, N))` for consecutive rows, about 4 MB of them at a time from a file.
  void ForEachBlock(const std::function<void(int64_t, const at::Tensor&)>& visit) const;

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  size_t bytes_in_memory() const;

 private:
  void Write(const at::Tensor& batch);

  std::vector<at::Tensor> batches_;
  int64_t rows_ = 0;
  int64_t columns_ = 0;
  int file_ = -1;
};

}  // namespace nacue
