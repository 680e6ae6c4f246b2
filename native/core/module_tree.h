// Walks over a loaded module: its submodules by name, and every tensor it owns. LibTorch's own walks neither end on a module that
// contains itself (a damaged pickle can say so) nor see tensors inside lists and dicts.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace nacue {

struct ModulePath {
  std::string path;  // dotted, "layer1.0.conv1"
  std::string type;  // the class without its module, "Conv2d"
  torch::jit::Module module;
};

// All submodules, depth first in declaration order; a shared module once per name. Throws ERR_NACUE_MODEL_FORMAT on a cycle.
std::vector<ModulePath> ListModules(const torch::jit::Module& root);

// The attribute `name` when it is a module.
std::optional<torch::jit::Module> Submodule(const torch::jit::Module& module, const std::string& name);

// The module at a dotted path.
std::optional<torch::jit::Module> FindModule(const torch::jit::Module& root, const std::string& path);

// Every defined tensor reachable from the module's attributes, each once.
void ForEachTensor(const torch::jit::Module& root, const std::function<void(at::Tensor)>& visit);

}  // namespace nacue
