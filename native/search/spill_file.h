// Tensors that do not fit in memory, one after the other in a file.
//
// The file has no name (it is unlinked as soon as it is open): it goes away with the process, however that ends.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

namespace nacue {

class SpillFile {
 public:
  // Throws ERR_NACUE_SPILL, like the others.
  explicit SpillFile(std::string folder);
  ~SpillFile();
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;

  // Writes a contiguous tensor and returns the offset of its first byte. One thread at a time.
  int64_t Append(const at::Tensor& tensor);

  // Fills a contiguous tensor from an offset on. Any thread.
  void Read(int64_t offset, const at::Tensor& tensor) const;

 private:
  [[noreturn]] void Throw(const std::string& what) const;

  std::string folder_;
  int file_ = -1;
  int64_t size_ = 0;
};

}  // namespace nacue
