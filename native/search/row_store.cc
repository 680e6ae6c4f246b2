// See row_store.h.
#include "row_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace nacue {

namespace {

constexpr int64_t kBlockBytes = 4 << 20;

[[noreturn]] void ThrowSpill(const std::string& what) {
  throw Error("ERR_NACUE_SPILL", "the contributions " + what + ": " + std::strerror(errno));
}

int OpenUnnamed(const std::string& folder) {
  std::string path = folder + "/nacue-contributions-XXXXXX";
  const int file = mkostemp(path.data(), O_CLOEXEC);
  if (file < 0) ThrowSpill("cannot be kept in the folder '" + folder + "'");
  unlink(path.c_str());
  return file;
}

}  // namespace

RowStore::~RowStore() {
  if (file_ >= 0) close(file_);
}

RowStore::RowStore(RowStore&& other) noexcept
    : batches_(std::move(other.batches_)),
      rows_(other.rows_),
      columns_(other.columns_),
      file_(std::exchange(other.file_, -1)) {}

void RowStore::Append(const at::Tensor& batch) {
  if (rows_ > 0 && batch.size(1) != columns_) {
    throw Error("ERR_NACUE_SHAPE", "a layer has " + std::to_string(batch.size(1)) +
                                       " neurons for this batch's shape, it had " + std::to_string(columns_) +
                                       " before");
  }
  columns_ = batch.size(1);
  // A tensor of its own: a view would keep all of what it looks at.
  const at::Tensor rows = batch.to(at::kCPU, at::kFloat).clone(at::MemoryFormat::Contiguous);
  file_ >= 0 ? Write(rows) : batches_.push_back(rows);
  rows_ += rows.size(0);
}

void RowStore::Spill(const std::string& folder) {
  if (file_ >= 0) return;
  file_ = OpenUnnamed(folder);
  for (const at::Tensor& batch : std::exchange(batches_, {})) Write(batch);
}

void RowStore::Write(const at::Tensor& batch) {
  const auto* bytes = static_cast<const char*>(batch.const_data_ptr());
  for (size_t left = batch.nbytes(); left > 0;) {
    const ssize_t written = write(file_, bytes, left);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) ThrowSpill("cannot be kept on disk");
    bytes += written;
    left -= static_cast<size_t>(written);
  }
}

void RowStore::ForEachBlock(const std::function<void(int64_t, const at::Tensor&)>& visit) const {
  if (file_ < 0) {
    int64_t first = 0;
    for (const at::Tensor& batch : batches_) {
      visit(first, batch);
      first += batch.size(0);
    }
    return;
  }
  const auto row_bytes = static_cast<int64_t>(sizeof(float)) * columns_;
  const int64_t block = std::max<int64_t>(1, kBlockBytes / std::max<int64_t>(row_bytes, 1));
  for (int64_t first = 0; first < rows_; first += block) {
    const at::Tensor rows = at::empty({std::min(block, rows_ - first), columns_}, at::kFloat);
    auto* bytes = static_cast<char*>(rows.mutable_data_ptr());
    off_t offset = first * row_bytes;
    for (size_t left = rows.nbytes(); left > 0;) {
      const ssize_t got = pread(file_, bytes, left, offset);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) ThrowSpill("cannot be read back from disk");
      bytes += got;
      offset += got;
      left -= static_cast<size_t>(got);
    }
    visit(first, rows);
  }
}

size_t RowStore::bytes_in_memory() const {
  size_t bytes = 0;
  for (const at::Tensor& batch : batches_) bytes += batch.nbytes();
  return bytes;
}

}  // namespace nacue
