// See tapped_model.h. The graph is run by the plain interpreter: the profiling executor would fuse operators and move
// bits.
#include "tapped_model.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <sstream>
#include <utility>

#include "error.h"
#include "execution_plan.h"
#include "fuse_operators.h"
#include "libtorch_error.h"
#include "match_reference.h"
#include "optimize_graph.h"
#include "recordable_graph.h"
#include "recurrent_layers.h"
#include "row_places.h"

namespace nacue {

namespace {

void CheckInputs(const c10::FunctionSchema& schema) {
  const auto& arguments = schema.arguments();
  size_t required = 0;
  std::string names;
  for (size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i].default_value()) continue;
    ++required;
    names += (names.empty() ? "" : ", ") + arguments[i].name();
  }
  if (arguments.size() >= 2 && required <= 1) return;
  throw Error("ERR_NACUE_MODEL_FORMAT", "the model's forward() must take one batch, it takes " +
                                            std::to_string(required) + " inputs" +
                                            (names.empty() ? "" : " (" + names + ")"));
}

void MoveConstants(torch::jit::Block* block, c10::Device device) {
  for (torch::jit::Node* node : block->nodes()) {
    for (torch::jit::Block* inner : node->blocks()) MoveConstants(inner, device);
    if (node->kind() != c10::prim::Constant || !node->hasAttribute(c10::attr::value)) continue;
    if (node->kindOf(c10::attr::value) == torch::jit::AttributeKind::t) {
      node->t_(c10::attr::value, node->t(c10::attr::value).to(device));
    }
  }
}

}  // namespace

TappedModel::TappedModel(torch::jit::Module module, const std::vector<LayerAddress>& layers, const ExecutionPlan& plan)
    : module_(std::move(module)), plan_(plan) {
  CheckInputs(module_.get_method("forward").function().getSchema());
  tapped_ = InstrumentGraph(module_, layers);
  if (plan_.mode == Mode::kParity && plan_.splits_batches) KeepRowPlaces(*tapped_.graph);
  if (plan_.mode == Mode::kFast) OptimizeGraph(module_, tapped_, plan_);
  tapped_.must_record_from_start |= MatchReference(module_, *tapped_.graph);
  TrainRecurrentLayersOnCuda(*tapped_.graph);
  FuseOperators(*tapped_.graph, plan_.mode);
  is_recordable_ = IsRecordable(*tapped_.graph);
  code_ = torch::jit::Code(tapped_.graph, "forward");
}

c10::IValue TappedModel::Run(const at::Tensor& batch) const {
  const torch::jit::GraphOptimizerEnabledGuard no_optimizer(false);
  const PrecisionScope precision(plan_.precision, batch.device());
  torch::jit::Stack stack = {c10::IValue(module_._ivalue()), c10::IValue(batch)};
  try {
    module_.get_method("forward").function().getSchema().checkAndNormalizeInputs(stack, {});
    torch::jit::InterpreterState(code_).run(stack);
  } catch (const std::exception& failure) {
    throw TranslateLibTorchError("ERR_NACUE_MODEL_RUN",
                                 "the model failed on a batch of shape " + ShapeText(batch.sizes()), failure);
  }
  return std::move(stack.back());
}

void TappedModel::MoveTo(c10::Device device) {
  module_.to(device);
  MoveConstants(tapped_.graph->block(), device);
  code_ = torch::jit::Code(tapped_.graph, "forward");
}

std::string ShapeText(at::IntArrayRef shape) {
  std::ostringstream text;
  text << shape;
  return text.str();
}

std::string TensorText(const at::Tensor& tensor) {
  if (!tensor.defined()) return "an undefined tensor";
  return std::string(c10::toString(tensor.scalar_type())) + " " + ShapeText(tensor.sizes());
}

}  // namespace nacue
