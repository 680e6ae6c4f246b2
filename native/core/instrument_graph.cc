// Stage "instrument": Module -> TappedGraph.
//
// TorchScript modules have no hooks in C++, so the hook is a graph edit. forward()'s graph is copied and every call in
// it inlined; before a call of a wanted module goes, `enter` and `tap` (tap_op.h) are put around it. Call sites are
// edited, not types: scripted modules of one class share their type. A module is recognised by identity, not by path,
// because one module may have two names.
//
// Only calls of forward() are taps: scripted modules call further methods on themselves (_conv_forward). An overloaded
// forward is named forward__0 (nn.GRU); traced modules have their second and later calls recorded as forward1,
// forward2, ...
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <map>

#include "error.h"
#include "module_tree.h"
#include "name_suggestions.h"
#include "pipeline.h"
#include "tap_op.h"

namespace nacue {

namespace {

using c10::prim::CallFunction;
using c10::prim::CallMethod;
using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::GraphFunction;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;
using SiteOfModule = std::map<const c10::ivalue::Object*, size_t>;

constexpr int64_t kMaxInlinedCalls = 200'000;

// Where the layers are to be tapped: their targets, and the modules of the sites.
struct Plan {
  SiteOfModule sites;
  std::vector<TapTarget> targets;
};

void RefuseSameOutput(const std::vector<LayerAddress>& layers, const Plan& plan, size_t layer) {
  for (size_t other = 0; other < layer; ++other) {
    if (plan.targets[other].site != plan.targets[layer].site || !SameOutput(layers[other], layers[layer])) continue;
    throw Error("ERR_NACUE_LAYER_REPEATED",
                "layers '" + layers[other].name + "' and '" + layers[layer].name + "' are one and the same output");
  }
}

Plan FindLayers(const Module& root, const std::vector<LayerAddress>& layers) {
  std::vector<std::string> known;
  for (const ModulePath& module : ListModules(root)) known.push_back(module.path);
  if (known.empty() && !layers.empty()) {
    throw Error("ERR_NACUE_MODEL_FROZEN",
                "the model has no submodules left to tap: it was frozen or optimised for inference; export it with "
                "torch.jit.script or torch.jit.trace alone");
  }
  Plan plan;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    const auto module = FindModule(root, layers[layer].path);
    if (!module) {
      throw Error("ERR_NACUE_LAYER_NOT_FOUND", "layer '" + layers[layer].path + "' is not a submodule of the model" +
                                                   SuggestNames(layers[layer].path, known));
    }
    const size_t site = plan.sites.emplace(module->_ivalue().get(), plan.sites.size()).first->second;
    plan.targets.push_back({site, layers[layer].call, layers[layer].element});
    RefuseSameOutput(layers, plan, layer);
  }
  return plan;
}

bool IsNumbered(const std::string& name, const std::string& stem) {
  return name.size() > stem.size() && name.compare(0, stem.size(), stem) == 0 &&
         std::all_of(name.begin() + static_cast<int64_t>(stem.size()), name.end(),
                     [](char c) { return c >= '0' && c <= '9'; });
}

bool IsForward(const std::string& method, const c10::ClassType& type) {
  const std::string forward = "forward";
  if (method == forward || IsNumbered(method, forward + "__")) return true;
  const auto& methods = type.methods();
  return IsNumbered(method, forward) &&
         std::all_of(methods.begin(), methods.end(), [&](const torch::jit::Function* function) {
           return function->name() == forward || IsNumbered(function->name(), forward);
         });
}

class Instrumenter {
 public:
  Instrumenter(const Module& root, const SiteOfModule& site_of_module, Graph& graph)
      : root_(root), site_of_module_(site_of_module), graph_(graph), sites_(site_of_module.size()) {}

  std::vector<TapSites> Run() {
    Walk(graph_.block(), /*certain=*/true);
    return std::move(sites_);
  }

 private:
  void Walk(Block* block, bool certain) {
    for (Node* node = *block->nodes().begin(); node != block->return_node();) {
      Node* const previous = node->prev();
      if (node->kind() == CallMethod || node->kind() == CallFunction) {
        if (node->kind() == CallMethod) TapCall(node, certain);
        if (InlineCall(node)) {
          // The callee's nodes now stand where the call stood; they are walked next.
          node = NextOf(block, previous);
          continue;
        }
      }
      for (Block* inner : node->blocks()) Walk(inner, /*certain=*/false);
      node = node->next();
    }
  }

  // `previous` may be the sentinel in front of the block's first node.
  static Node* NextOf(Block* block, Node* previous) {
    return previous == block->param_node() || previous == block->return_node() ? *block->nodes().begin()
                                                                               : previous->next();
  }

  bool InlineCall(Node* call) {
    GraphFunction* callee = nullptr;
    if (call->kind() == CallFunction) {
      Node* const constant = call->input(0)->node();
      if (constant->kind() != c10::prim::Constant) return false;
      torch::jit::Function* function = call->input(0)->type()->expectRef<c10::FunctionType>().function();
      callee = torch::jit::tryToGraphFunction(*function);
      if (callee == nullptr) return false;
      call->removeInput(0);
    } else {
      const auto* type = call->input(0)->type()->castRaw<c10::ClassType>();
      if (type == nullptr) return false;
      callee = torch::jit::tryToGraphFunction(type->getMethod(call->s(c10::attr::name)));
      if (callee == nullptr) return false;
    }
    if (++inlined_calls_ > kMaxInlinedCalls) {
      throw Error("ERR_NACUE_MODEL_FORMAT",
                  "the model's forward() makes more than " + std::to_string(kMaxInlinedCalls) + " calls");
    }
    callee->ensure_defined();
    torch::jit::inlineCallTo(call, callee, callee->graph().get());
    return true;
  }

  void TapCall(Node* call, bool certain) {
    const auto* type = call->input(0)->type()->castRaw<c10::ClassType>();
    if (type == nullptr || !IsForward(call->s(c10::attr::name), *type)) return;
    const auto module = ModuleOf(root_, graph_, call->input(0));
    if (!module) return;
    const auto found = site_of_module_.find(module->_ivalue().get());
    if (found == site_of_module_.end()) return;

    TapSites& sites = sites_[found->second];
    ++sites.reachable;
    sites.certain += certain ? 1 : 0;
    Value* const output = call->output();
    if (!output->type()->isSubtypeOf(*c10::TensorType::get()) &&
        output->type()->kind() != c10::TypeKind::OptionalType) {
      sites.other_output_type = output->type()->repr_str();
    }
    InsertTap(call, static_cast<int64_t>(found->second));
  }

  void InsertTap(Node* call, int64_t site) {
    torch::jit::WithInsertPoint here(call);
    Value* const index = graph_.insertConstant(site);
    for (size_t i = 1; i < call->inputs().size(); ++i) {
      Value* const argument = call->input(i);
      if (!argument->type()->isSubtypeOf(*c10::TensorType::get())) continue;
      Node* const enter = graph_.create(RegisteredTapSymbols().enter, {argument, index}, /*num_outputs=*/1);
      enter->output()->setType(argument->type());
      graph_.insertNode(enter);
      call->replaceInput(i, enter->output());
    }
    Value* const output = call->output();
    Node* const tap = graph_.create(RegisteredTapSymbols().tap, {output, index}, /*num_outputs=*/1);
    tap->output()->setType(output->type());
    tap->insertAfter(call);
    output->replaceAllUsesAfterNodeWith(tap, tap->output());
  }

  const Module& root_;
  const SiteOfModule& site_of_module_;
  Graph& graph_;
  std::vector<TapSites> sites_;
  int64_t inlined_calls_ = 0;
};

}  // namespace

TappedGraph InstrumentGraph(const Module& module, const std::vector<LayerAddress>& layers) {
  Plan plan = FindLayers(module, layers);
  torch::jit::Function& forward = module.get_method("forward").function();
  forward.ensure_defined();

  TappedGraph tapped;
  tapped.graph = torch::jit::toGraphFunction(forward).graph()->copy();
  tapped.targets = std::move(plan.targets);
  tapped.sites = Instrumenter(module, plan.sites, *tapped.graph).Run();
  // The other elements of a tuple may have been computed from the tapped one, before the tap.
  const bool has_elements =
      std::any_of(layers.begin(), layers.end(), [](const LayerAddress& layer) { return !layer.element.empty(); });
  tapped.must_record_from_start = has_elements;
  return tapped;
}

}  // namespace nacue
