// Stage "forward and backward": batch (B, ...) -> logits (B, C) and, per layer, z and d loss / d z.
//
// Matches predict() of the reference up to the gradients, but with one backward for all layers and nothing recorded
// before the earliest tap; the bits are the same. Gradients of parameters are never computed. Runs on the detector's
// thread.
#include <torch/csrc/autograd/autograd.h>

#include <utility>

#include "error.h"
#include "libtorch_error.h"
#include "match_reference.h"
#include "pipeline.h"
#include "select_logits.h"
#include "tap_op.h"
#include "tapped_model.h"

namespace nacue {

namespace {

[[noreturn]] void ThrowRepeated(const LayerAddress& address, int64_t calls) {
  const std::string& layer = address.path;
  throw Error("ERR_NACUE_LAYER_REPEATED", "layer '" + layer + "' runs " + std::to_string(calls) +
                                              " times per forward(): choose a call, '" + layer + "#1' to '" + layer +
                                              "#" + std::to_string(calls) + "'");
}

[[noreturn]] void ThrowOutput(const std::string& layer, const std::string& what) {
  throw Error("ERR_NACUE_LAYER_OUTPUT",
              "the output of layer '" + layer + "' must be one floating point tensor (B, ...), it is " + what);
}

// A type that has elements, as far as its static type tells.
void CheckStaticOutput(const LayerAddress& layer, const std::string& other_type) {
  if (other_type == "NoneType")
    ThrowOutput(layer.name, "not in the trace, because the module only hands its input through; tap the one before it");
  if (other_type.empty() && !layer.element.empty())
    ThrowOutput(layer.path, "one already: leave " + ElementText(layer.element) + " away");
  if (other_type.starts_with("Dict["))
    ThrowOutput(layer.name, "of type " + other_type + ", whose elements have no numbers; tap another module");
  if (!other_type.empty() && layer.element.empty())
    ThrowOutput(layer.name, "of type " + other_type + "; choose an element, '" + layer.name + "[0]' is the first");
}

void CheckCalls(const LayerAddress& layer, int64_t calls) {
  if (calls == 0) {
    throw Error("ERR_NACUE_LAYER_NOT_EXECUTED",
                "layer '" + layer.name + "' was not executed: this batch took another branch of the model");
  }
  if (layer.call == 0 && calls > 1) ThrowRepeated(layer, calls);
  if (layer.call <= calls) return;
  const std::string times = calls == 1 ? "once" : std::to_string(calls) + " times";
  throw Error("ERR_NACUE_LAYER_NOT_EXECUTED",
              "layer '" + layer.name + "' does not exist: '" + layer.path + "' runs " + times + " per forward()");
}

void CheckSites(const TappedGraph& tapped, const std::vector<LayerAddress>& layers) {
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    const TapSites& sites = tapped.sites[tapped.targets[layer].site];
    if (sites.reachable == 0) {
      throw Error("ERR_NACUE_LAYER_NOT_EXECUTED",
                  "layer '" + layers[layer].path + "' is never called by the model's forward()");
    }
    if (sites.certain > 1 && layers[layer].call == 0) ThrowRepeated(layers[layer], sites.certain);
    if (sites.certain == sites.reachable) CheckCalls(layers[layer], sites.certain);
    CheckStaticOutput(layers[layer], sites.other_output_type);
  }
}

void CheckTapped(const TapCapture::Slot& slot, const LayerAddress& layer, const std::string& other_type,
                 int64_t batch_size) {
  CheckCalls(layer, slot.calls);
  if (!slot.is_tensor)
    ThrowOutput(layer.name, "no tensor" + (other_type.empty() ? "" : ": '" + layer.path + "' returns " + other_type));
  const at::Tensor& z = slot.value;
  if (!z.is_floating_point() || z.dim() < 2 || z.size(0) != batch_size) {
    ThrowOutput(layer.name, TensorText(z) + " for a batch of " + std::to_string(batch_size));
  }
}

// A copy of the batch. To cast and lay out in one step takes LibTorch twice as long.
at::Tensor InPlan(const at::Tensor& batch, const ExecutionPlan& plan) {
  const at::Tensor cast = plan.precision == Precision::kBfloat16 ? batch.to(at::kBFloat16) : batch;
  if (plan.channels_last && batch.dim() == 4) return cast.clone(at::MemoryFormat::ChannelsLast);
  return cast.is_same(batch) ? batch.clone(at::MemoryFormat::Contiguous) : cast;
}

at::Tensor Loss(const at::Tensor& logits, Preset preset) {
  if (preset == Preset::kPytorchOod) {
    const at::Tensor p = at::softmax(logits, 1);
    return (-(at::log(p + 1e-12)).mean(1)).sum();
  }
  const at::Tensor targets = at::ones_like(logits) / logits.size(1);
  return (-targets * at::log_softmax(logits, 1)).sum(1).sum();
}

}  // namespace

struct ForwardBackward::State {
  std::vector<LayerAddress> layers;
  Preset preset;
  std::optional<OutputKey> output;
  TappedModel model;
  Recording recording = Recording::kFromFirstTap;

  std::vector<at::Tensor> Gradients(const at::Tensor& loss, const std::vector<at::Tensor>& z) const;
};

ForwardBackward::ForwardBackward(const torch::jit::Module& module, const std::vector<LayerAddress>& layers,
                                 Preset preset, std::optional<OutputKey> output, const ExecutionPlan& plan)
    : state_(new State{layers, preset, std::move(output), TappedModel(module, layers, plan)}) {
  CheckSites(state_->model.tapped(), layers);
  if (state_->model.tapped().must_record_from_start) state_->recording = Recording::kFromStart;
}

ForwardBackward::~ForwardBackward() = default;

const ExecutionPlan& ForwardBackward::plan() const {
  return state_->model.plan();
}

bool ForwardBackward::is_recordable() const {
  return state_->model.is_recordable();
}

void ForwardBackward::MoveTo(c10::Device device) {
  state_->model.MoveTo(device);
}

std::vector<at::Tensor> ForwardBackward::State::Gradients(const at::Tensor& loss,
                                                          const std::vector<at::Tensor>& z) const {
  const auto check_path = [&](size_t layer, bool is_on_path) {
    if (is_on_path) return;
    throw Error("ERR_NACUE_LAYER_NOT_ON_PATH", "no gradient flows from the logits to layer '" + layers[layer].name +
                                                   "': it is not on the path to them");
  };
  for (size_t layer = 0; layer < z.size(); ++layer) check_path(layer, loss.requires_grad() && z[layer].requires_grad());
  std::vector<at::Tensor> gradients;
  try {
    gradients = torch::autograd::grad({loss}, z, /*grad_outputs=*/{}, /*retain_graph=*/false, /*create_graph=*/false,
                                      /*allow_unused=*/true);
  } catch (const std::exception& failure) {
    throw TranslateLibTorchError("ERR_NACUE_MODEL_RUN", "the model's backward pass failed", failure);
  }
  for (size_t layer = 0; layer < z.size(); ++layer) check_path(layer, gradients[layer].defined());
  return gradients;
}

Activations ForwardBackward::Run(const at::Tensor& batch) {
  State& state = *state_;
  const Recording agreed = state.recording;
  std::optional<Error> first_failure;
  for (;;) {
    try {
      return RunOnce(batch);
    } catch (const Error& failure) {
      // Views that were made while nothing was recorded must not be changed in place later, says autograd; in the
      // reference everything is recorded and they may. A batch that fails either way fails with what it said first.
      if (failure.code() != "ERR_NACUE_MODEL_RUN") throw;
      if (!first_failure) first_failure = failure;
      if (state.recording == Recording::kFromInput) {
        state.recording = agreed;
        throw *first_failure;
      }
      state.recording = state.recording == Recording::kFromFirstTap ? Recording::kFromStart : Recording::kFromInput;
    }
  }
}

Activations ForwardBackward::RunOnce(const at::Tensor& batch) {
  State& state = *state_;
  const at::AutoGradMode with_gradients(true);
  TapCapture capture(state.model.tapped().targets, state.recording);
  // A copy, because the model may change its input in place and the run may have to be repeated. Of a leaf once more,
  // which must not be changed in place.
  at::Tensor input = InPlan(batch, state.model.plan());
  if (state.recording == Recording::kFromInput) input = input.requires_grad_(true).clone();
  const c10::IValue output = state.model.Run(input);
  if (!capture.training_operator().empty()) ThrowTraining(capture.training_operator());
  const auto repeat = [&](Recording recording) {
    state.recording = recording;
    return RunOnce(batch);
  };
  if (capture.must_record_from_start() && state.recording == Recording::kFromFirstTap)
    return repeat(Recording::kFromStart);
  if (capture.must_record_from_input()) return repeat(Recording::kFromInput);

  Activations result;
  result.logits = SelectLogits(output, state.output, batch.size(0));
  if (state.model.plan().precision == Precision::kBfloat16) result.logits = result.logits.to(at::kFloat);
  for (size_t layer = 0; layer < state.layers.size(); ++layer) {
    const TappedGraph& tapped = state.model.tapped();
    const std::string& other_type = tapped.sites[tapped.targets[layer].site].other_output_type;
    CheckTapped(capture.slots()[layer], state.layers[layer], other_type, batch.size(0));
    result.z.push_back(capture.slots()[layer].value);
  }
  result.gradient = state.Gradients(Loss(result.logits, state.preset), result.z);
  result.execution_order = capture.execution_order();
  for (at::Tensor& z : result.z) z = z.detach();
  result.logits = result.logits.detach();
  return result;
}

}  // namespace nacue
