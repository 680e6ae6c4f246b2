// See module_tree.h. Any thread.
#include "module_tree.h"

#include <algorithm>
#include <sstream>

#include "error.h"

namespace nacue {

namespace {

void ListBelow(const torch::jit::Module& module, const std::string& prefix,
               std::vector<const c10::ivalue::Object*>& ancestors, std::vector<ModulePath>& paths) {
  ancestors.push_back(module._ivalue().get());
  for (const auto& child : module.named_children()) {
    if (std::find(ancestors.begin(), ancestors.end(), child.value._ivalue().get()) != ancestors.end()) {
      throw Error("ERR_NACUE_MODEL_FORMAT",
                  "the model is damaged: module '" + prefix + child.name + "' contains itself");
    }
    paths.push_back({prefix + child.name, child.value.type()->name()->name(), child.value});
    ListBelow(child.value, prefix + child.name + ".", ancestors, paths);
  }
  ancestors.pop_back();
}

}  // namespace

std::vector<ModulePath> ListModules(const torch::jit::Module& root) {
  std::vector<const c10::ivalue::Object*> ancestors;
  std::vector<ModulePath> paths;
  ListBelow(root, "", ancestors, paths);
  return paths;
}

std::optional<torch::jit::Module> Submodule(const torch::jit::Module& module, const std::string& name) {
  if (!module.hasattr(name)) return std::nullopt;
  const c10::IValue value = module.attr(name);
  return value.isModule() ? std::optional<torch::jit::Module>(value.toModule()) : std::nullopt;
}

std::optional<torch::jit::Module> FindModule(const torch::jit::Module& root, const std::string& path) {
  if (path.empty() || path.back() == '.') return std::nullopt;
  std::optional<torch::jit::Module> module = root;
  std::istringstream names(path);
  for (std::string name; module && std::getline(names, name, '.');) module = Submodule(*module, name);
  return module;
}

std::optional<torch::jit::Module> ModuleOf(const torch::jit::Module& root, const torch::jit::Graph& graph,
                                           const torch::jit::Value* value) {
  if (value == graph.inputs().at(0)) return root;
  const torch::jit::Node* const node = value->node();
  if (node->kind() == c10::prim::unchecked_cast) return ModuleOf(root, graph, node->input(0));
  if (node->kind() != c10::prim::GetAttr) return std::nullopt;
  const auto parent = ModuleOf(root, graph, node->input(0));
  return parent ? Submodule(*parent, node->s(c10::attr::name)) : std::nullopt;
}

}  // namespace nacue
