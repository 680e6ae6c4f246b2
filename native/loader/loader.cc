// Loader: opens shared libraries for the main addon, which carries no RPATH and binds to LibTorch by soname.
//
// It is an addon of its own, without LibTorch, because the main addon cannot be opened before LibTorch is there.
// RTLD_GLOBAL, so that the kernels of libtorch_cuda see the symbols of libtorch_cpu; RTLD_NOW, so that a library that
// does not fit fails here, with the dynamic linker's text, and not in the middle of a run.
// Runs on the JavaScript thread. Libraries are never closed: LibTorch does not survive it.

#include <dlfcn.h>
#include <napi.h>

#include <string>

namespace {

void Open(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsString()) throw Napi::TypeError::New(env, "path must be a string");
  const std::string path = info[0].As<Napi::String>();
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) throw Napi::Error::New(env, dlerror());
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("open", Napi::Function::New<Open>(env, "open"));
  return exports;
}

}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Init)
