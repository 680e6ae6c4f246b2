// See module_tree.h. Any thread.
#include "module_tree.h"

#include <algorithm>
#include <sstream>
#include <unordered_set>

#include "error.h"

namespace nacue {

namespace {

void ListBelow(const torch::jit::Module& module, const std::string& prefix,
               std::vector<const c10::ivalue::Object*>& ancestors, std::vector<ModulePath>& paths) {
  ancestors.push_back(module._ivalue().get());
  for (const auto& child : module.named_children()) {
    if (std::find(ancestors.begin(), ancestors.end(), child.value._ivalue().get()) != ancestors.end()) {
      throw Error("ERR_NACUE_MODEL_FORMAT", "the model is damaged: module '" + prefix + child.name + "' contains itself");
    }
    paths.push_back({prefix + child.name, child.value.type()->name()->name(), child.value});
    ListBelow(child.value, prefix + child.name + ".", ancestors, paths);
  }
  ancestors.pop_back();
}

// Values that can contain others are remembered by address, so that shared and cyclic ones are walked once.
void VisitTensors(const c10::IValue& root, const std::function<void(at::Tensor)>& visit) {
  std::unordered_set<const void*> seen;
  std::vector<c10::IValue> open = {root};
  const auto is_new = [&](const void* address) { return seen.insert(address).second; };
  while (!open.empty()) {
    const c10::IValue value = std::move(open.back());
    open.pop_back();
    if (value.isTensor()) {
      if (value.toTensor().defined() && is_new(value.toTensor().unsafeGetTensorImpl())) visit(value.toTensor());
    } else if (value.isObject()) {
      if (!is_new(value.toObject().get())) continue;
      for (const c10::IValue& slot : value.toObject()->slots()) open.push_back(slot);
    } else if (value.isTuple()) {
      if (!is_new(value.toTuple().get())) continue;
      for (const c10::IValue& element : value.toTuple()->elements()) open.push_back(element);
    } else if (value.isList()) {
      const auto list = value.toList();
      for (size_t i = 0; i < list.size(); ++i) open.push_back(list.get(i));
    } else if (value.isGenericDict()) {
      for (const auto& entry : value.toGenericDict()) open.push_back(entry.value());
    }
  }
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

void ForEachTensor(const torch::jit::Module& root, const std::function<void(at::Tensor)>& visit) {
  VisitTensors(c10::IValue(root._ivalue()), visit);
}

}  // namespace nacue
