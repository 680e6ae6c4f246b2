// Loader: opens shared libraries for the main addon, which carries no RPATH and binds to LibTorch by soname.
//
// It is an addon of its own, without LibTorch, because the main addon cannot be opened before LibTorch is there.
// RTLD_GLOBAL, so that the kernels of libtorch_cuda see the symbols of libtorch_cpu; RTLD_NOW, so that a library that
// does not fit fails here, with the dynamic linker's text, and not in the middle of a run.
// Runs on the JavaScript threads of all environments, one at a time. Libraries are never closed: LibTorch does not
// survive it.

#include <dlfcn.h>
#include <fcntl.h>
#include <napi.h>
#include <sys/stat.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

namespace {

std::string NameOf(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// What is mapped into this process under the name of `path` and is not that file; empty when nothing is. Two libraries
// of one name would bind to each other's symbols, and the linker takes a path it knows for the file it knew.
#ifdef __linux__
std::string OtherOfItsName(const std::string& path) {
  // Not stat(), of which glibc before 2.33 has no symbol.
  struct statx wanted = {};
  if (statx(AT_FDCWD, path.c_str(), /*flags=*/0, STATX_INO, &wanted) != 0) return "";
  char* const resolved = realpath(path.c_str(), nullptr);
  const std::string own = resolved == nullptr ? path : resolved;
  free(resolved);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    std::string address, permissions, offset, device, file;
    uint64_t inode = 0;
    fields >> address >> permissions >> offset >> device >> inode >> std::ws;
    std::getline(fields, file);
    const std::string gone = " (deleted)";
    const bool is_gone = file.ends_with(gone);
    const std::string name = NameOf(is_gone ? file.substr(0, file.size() - gone.size()) : file);
    // On overlayfs a file that is mapped may show the inode of another layer: the same path is the same file.
    const bool is_own = !is_gone && (file == own || inode == wanted.stx_ino);
    if (name == NameOf(path) && !is_own) return file;
  }
  return "";
}
#else
std::string OtherOfItsName(const std::string&) {
  return "";  // there is no such list of what is mapped
}
#endif

void Open(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<std::string> paths;
  for (size_t i = 0; i < info.Length(); ++i) {
    if (!info[i].IsString()) throw Napi::TypeError::New(env, "path must be a string");
    paths.push_back(info[i].As<Napi::String>());
  }
  // From the look at what is open until all is open: another thread may want another LibTorch.
  static std::mutex opening;
  const std::lock_guard<std::mutex> lock(opening);
  for (const std::string& path : paths) {
    const std::string other = OtherOfItsName(path);
    if (other.empty()) continue;
    Napi::Error error = Napi::Error::New(env, "another library of that name is open: " + other);
    error.Set("other", other);
    throw error;
  }
  for (const std::string& path : paths)
    if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) throw Napi::Error::New(env, dlerror());
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("open", Napi::Function::New<Open>(env, "open"));
  return exports;
}

}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Init)
