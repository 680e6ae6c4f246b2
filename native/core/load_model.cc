// Stage "load": archive bytes -> Module, in eval mode, on the CPU, and the hash of the bytes. Parameters require grad
// as they did when it was saved.
//
// The whole file is read before it is checked, so that what was checked is what is loaded. Runs on the detector's
// thread, whose stack is large: the loader recurses as deep as the source code in the archive nests.
#include <torch/csrc/jit/serialization/import.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "archive/archive_bytes.h"
#include "archive/check_archive.h"
#include "archive/check_attributes.h"
#include "error.h"
#include "libtorch_error.h"
#include "module_tree.h"
#include "pipeline.h"
#include "state/sha256.h"

namespace nacue {

namespace {

[[noreturn]] void ThrowUnreadable(const std::string& path, const std::string& reason) {
  throw Error("ERR_NACUE_MODEL_NOT_FOUND", "cannot read the model '" + path + "': " + reason);
}

std::vector<uint8_t> ReadFile(const std::string& path) {
  std::error_code failure;
  const auto status = std::filesystem::status(path, failure);
  if (failure || !std::filesystem::exists(status)) ThrowUnreadable(path, "no such file");
  if (!std::filesystem::is_regular_file(status)) {
    ThrowUnreadable(path, std::filesystem::is_directory(status) ? "it is a folder" : "it is not a regular file");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) ThrowUnreadable(path, std::strerror(errno));
  const auto size = std::filesystem::file_size(path, failure);
  if (failure) ThrowUnreadable(path, failure.message());
  std::vector<uint8_t> bytes(size);
  if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size))) {
    ThrowUnreadable(path, "it changed or failed while it was read");
  }
  return bytes;
}

}  // namespace

LoadedModel LoadModel(const ModelSource& source) {
  std::vector<uint8_t> file;
  if (const auto* path = std::get_if<std::string>(&source)) file = ReadFile(*path);
  const std::vector<uint8_t>& bytes = file.empty() && source.index() == 1 ? std::get<1>(source) : file;
  CheckArchive(bytes.data(), bytes.size());

  torch::jit::Module module = [&] {
    try {
      return torch::jit::load(std::make_shared<ArchiveBytes>(bytes), c10::Device(c10::kCPU));
    } catch (const std::exception& failure) {
      throw TranslateLibTorchError("ERR_NACUE_MODEL_FORMAT", "LibTorch cannot load the model", failure);
    }
  }();
  CheckAttributes(module);
  if (!module.find_method("forward")) {
    throw Error("ERR_NACUE_MODEL_FORMAT",
                "the model has no forward() method: export the classifier itself with torch.jit");
  }
  ListModules(module);  // throws on a cycle, in which eval() would not end
  module.eval();
  return {std::move(module), Sha256Hex(bytes)};
}

}  // namespace nacue
