// Finds submodules of a loaded module: by name, by value in its graph, or all. LibTorch's own walk does not end on a
// module that contains itself, as a damaged pickle can say.
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <optional>
#include <string>
#include <vector>

namespace nacue {

struct ModulePath {
  std::string path;  // dotted, "layer1.0.conv1"
  std::string type;  // the class without its module, "Conv2d"
  torch::jit::Module module;
};

// All submodules, depth first in declaration order; a shared module once per name. Throws ERR_NACUE_MODEL_FORMAT on a
// cycle.
std::vector<ModulePath> ListModules(const torch::jit::Module& root);

// The attribute `name` when it is a module.
std::optional<torch::jit::Module> Submodule(const torch::jit::Module& module, const std::string& name);

// The module at a dotted path.
std::optional<torch::jit::Module> FindModule(const torch::jit::Module& root, const std::string& path);

// The module that a value of forward()'s graph stands for: follows prim::GetAttr up to `self`. Nothing when it is
// chosen at run time.
std::optional<torch::jit::Module> ModuleOf(const torch::jit::Module& root, const torch::jit::Graph& graph,
                                           const torch::jit::Value* value);

}  // namespace nacue
