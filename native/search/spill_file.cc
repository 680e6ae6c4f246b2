// See spill_file.h.
#include "spill_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace nacue {

SpillFile::SpillFile(std::string folder) : folder_(std::move(folder)) {
  std::string path = folder_ + "/nacue-contributions-XXXXXX";
  file_ = mkostemp(path.data(), O_CLOEXEC);
  if (file_ < 0) Throw("cannot be kept");
  unlink(path.c_str());
}

SpillFile::~SpillFile() {
  close(file_);
}

int64_t SpillFile::Append(const at::Tensor& tensor) {
  const int64_t first = size_;
  const auto* bytes = static_cast<const char*>(tensor.const_data_ptr());
  for (size_t left = tensor.nbytes(); left > 0;) {
    const ssize_t written = pwrite(file_, bytes, left, size_);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) Throw("cannot be kept");
    bytes += written;
    size_ += written;
    left -= static_cast<size_t>(written);
  }
  return first;
}

void SpillFile::Read(int64_t offset, const at::Tensor& tensor) const {
  auto* bytes = static_cast<char*>(tensor.mutable_data_ptr());
  for (size_t left = tensor.nbytes(); left > 0;) {
    const ssize_t got = pread(file_, bytes, left, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) Throw("cannot be read back");
    bytes += got;
    offset += got;
    left -= static_cast<size_t>(got);
  }
}

void SpillFile::Throw(const std::string& what) const {
  const std::string reason = std::strerror(errno);
  throw Error("ERR_NACUE_SPILL", "the contributions " + what + " in the folder '" + folder_ + "': " + reason +
                                     "; give another folder or a larger memoryLimit");
}

}  // namespace nacue
