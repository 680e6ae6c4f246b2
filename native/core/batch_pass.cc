// See batch_pass.h. Runs on the detector's thread.
#include "batch_pass.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>

#include "allocate.h"
#include "device_memory.h"
#include "error.h"
#include "finite_rows.h"
#include "libtorch_error.h"
#include "pass_graphs.h"
#include "pinned_memory.h"
#include "precision_trial.h"
#include "row_places.h"
#include "tf32_gate.h"

namespace nacue {

namespace {

// Tensors along the batch, without the first `skipped` rows of each part.
class Joined {
 public:
  explicit Joined(const std::vector<BatchPart>& parts) : parts_(parts) {}

  void Add(const at::Tensor& rows) {
    const BatchPart& part = parts_[rows_.size()];
    rows_.push_back(part.skipped == 0 ? rows : rows.narrow(0, part.skipped, part.count - part.skipped));
  }
  at::Tensor Whole() const { return rows_.size() == 1 ? rows_.front() : at::cat(rows_); }

 private:
  const std::vector<BatchPart>& parts_;
  std::vector<at::Tensor> rows_;
};

std::vector<Reducer> Reducers(const std::vector<LayerAddress>& addresses, const DetectorOptions& options) {
  std::vector<Reducer> reducers;
  for (size_t layer = 0; layer < options.layers.size(); ++layer)
    reducers.emplace_back(options.layers[layer], addresses[layer].path, options.preset);
  return reducers;
}

}  // namespace

BatchPass::BatchPass(const torch::jit::Module& module, const std::vector<LayerAddress>& addresses,
                     const DetectorOptions& options, c10::Device device)
    : options_(options),
      module_(module),
      addresses_(addresses),
      device_(device),
      forward_backward_(MakeForwardBackward(ChoosePlan(options, device))),
      is_settled_(options.precision || forward_backward_->plan().precision != Precision::kBfloat16),
      reducers_(Reducers(addresses, options)),
      chunks_(options) {
  for (const Reducer& reducer : reducers_) reduce_ids_.push_back(reducer.id());
  if (device.is_cuda()) MoveTo(device);
}

std::unique_ptr<ForwardBackward> BatchPass::MakeForwardBackward(const ExecutionPlan& plan) const {
  return std::make_unique<ForwardBackward>(module_, addresses_, options_.preset, options_.output, plan);
}

void BatchPass::SettlePrecision(at::IntArrayRef batch_shape) {
  if (std::exchange(is_settled_, true)) return;
  ExecutionPlan precise_plan = ChoosePlan(options_, device_);
  precise_plan.precision = device_.is_cuda() ? Precision::kTf32 : Precision::kFloat32;
  std::unique_ptr<ForwardBackward> precise = MakeForwardBackward(precise_plan);
  if (device_.is_cuda()) precise->MoveTo(device_);
  const at::Tensor batch = TrialBatch(batch_shape.slice(1).vec(), device_);
  const auto wanted = TrialContributions(*precise, batch);
  if (!wanted) return;
  const auto contributions = TrialContributions(*forward_backward_, batch);
  if (contributions && AgreesWell(*contributions, *wanted)) return;
  graphs_.reset();
  forward_backward_ = std::move(precise);
  OpenGraphs();
}

// A limit of memory leaves no room for what recorded passes keep; what a module that reduces does, nobody has looked
// at.
void BatchPass::OpenGraphs() {
  const auto has_module = [](const Reducer& reducer) { return reducer.reduce() == Reduce::kModule; };
  const bool is_unknown = std::any_of(reducers_.begin(), reducers_.end(), has_module);
  if (options_.chunk_size == kAutoChunk || is_unknown || !forward_backward_->is_recordable()) return;
  if (auto recorder = OpenPassGraphs(device_))
    graphs_.emplace(std::move(recorder), /*pads=*/options_.mode == Mode::kFast);
}

std::optional<std::vector<at::Tensor>> BatchPass::TrialContributions(ForwardBackward& model, const at::Tensor& batch) {
  try {
    return RunSamples(model, batch).layers;
  } catch (const Error&) {  // of noise nobody asked for; the caller's batch will say what is wrong
    return std::nullopt;
  }
}

BatchContributions BatchPass::Run(const Batch& batch) {
  if (options_.reject_non_finite) RefuseNonFinite(batch);
  SettlePrecision(batch.shape);
  if (chunks_.MustMeasure(batch.shape)) Measure(batch);
  std::optional<BatchContributions> passed;
  while (!passed) passed = TryRun(batch);
  return std::move(*passed);
}

// Nothing when memory ran out and smaller parts can be tried. What failed holds memory until the exception is gone.
std::optional<BatchContributions> BatchPass::TryRun(const Batch& batch) {
  try {
    return RunParts(batch);
  } catch (const Error& failure) {
    if (failure.code() != "ERR_NACUE_OUT_OF_MEMORY" || !CanTryAgain(batch)) throw;
  } catch (const c10::OutOfMemoryError& failure) {
    if (!CanTryAgain(batch)) throw TranslateLibTorchError("ERR_NACUE_OUT_OF_MEMORY", "a pass over the batch", failure);
  }
  ReleaseMemory(device_);
  return std::nullopt;
}

// What recorded passes keep goes first.
bool BatchPass::CanTryAgain(const Batch& batch) {
  return (graphs_ && graphs_->GiveUp()) || chunks_.Halve(batch.shape);
}

BatchContributions BatchPass::RunParts(const Batch& batch) {
  const std::vector<BatchPart> parts = chunks_.Parts(batch.shape);
  if (options_.chunk_size != kWholeBatch) plan_chunk_ = parts.front().count;
  Joined logits(parts);
  Joined finite(parts);
  std::vector<Joined> layers(options_.layers.size(), Joined(parts));
  BatchContributions whole;
  for (const BatchPart& part : parts) {
    BatchContributions passed = RunPart(batch, part);
    logits.Add(passed.logits);
    if (passed.finite.defined()) finite.Add(passed.finite);
    for (size_t layer = 0; layer < layers.size(); ++layer) layers[layer].Add(passed.layers[layer]);
    whole.output_shapes = std::move(passed.output_shapes);
    whole.execution_order = std::move(passed.execution_order);
  }
  if (options_.reject_non_finite && device_.is_cpu()) RefuseRows(finite.Whole(), kNotFinite);
  if (options_.reject_non_finite && device_.is_cuda()) whole.finite = finite.Whole();
  whole.logits = logits.Whole();
  for (const Joined& layer : layers) whole.layers.push_back(layer.Whole());
  return whole;
}

// Rows that keep their places in a batch make a part another computation than a batch of its size.
bool BatchPass::MayRecord(const Batch& batch, const BatchPart& part) const {
  return graphs_ && (part.count == batch.shape[0] || options_.mode == Mode::kFast);
}

BatchContributions BatchPass::RunPart(const Batch& batch, const BatchPart& part) {
  std::vector<int64_t> shape = batch.shape;
  const size_t sample_size = batch.data.count() / static_cast<size_t>(shape[0]);
  // LibTorch only ever reads the host buffer: ForwardBackward runs the model on a copy.
  float* const data = const_cast<float*>(batch.data.data()) + static_cast<size_t>(part.first) * sample_size;
  shape[0] = part.count;
  std::optional<PartOfBatch> place;
  if (part.count < batch.shape[0]) place.emplace(part.first, part.count, batch.shape[0]);
  const at::Tensor samples = at::from_blob(data, shape, at::kFloat);
  const auto pass = [&](const at::Tensor& on_device) { return RunSamples(*forward_backward_, on_device); };
  BatchContributions passed =
      MayRecord(batch, part) ? graphs_->Run(samples, device_, pass) : pass(samples.to(device_, /*non_blocking=*/true));
  KeepUntilCopied(batch.data.data(), device_);
  return passed;
}

BatchContributions BatchPass::RunSamples(ForwardBackward& model, const at::Tensor& batch) {
  const BlockCache::Scope memory(cache_);
  const Tf32Turn turn(model.plan().precision, device_);  // also for modules that reduce
  Activations activations = model.Run(batch);
  const at::NoGradGuard no_gradients;
  BatchContributions passed;
  passed.logits = activations.logits;
  passed.execution_order = std::move(activations.execution_order);
  if (options_.reject_non_finite) passed.finite = FiniteRows(activations.logits);
  for (size_t layer = 0; layer < options_.layers.size(); ++layer) {
    passed.output_shapes.push_back(activations.z[layer].sizes().slice(1).vec());
    const at::Tensor& contributions = passed.layers.emplace_back(Contributions(
        activations.z[layer], activations.gradient[layer], options_.preset, reducers_[layer], options_.mode));
    if (options_.reject_non_finite) passed.finite = passed.finite.logical_and(FiniteRows(contributions));
    activations.z[layer].reset();
    activations.gradient[layer].reset();
  }
  return passed;
}

// The results of both passes are dropped: which kernels run may depend on the number of samples.
void BatchPass::Measure(const Batch& batch) {
  const auto peak_of = [&](int64_t samples) {
    const PeakMemory peak(device_, cache_);
    RunPart(batch, {/*first=*/0, /*count=*/samples, /*skipped=*/0});
    return peak.bytes();
  };
  const size_t peak_of_one = peak_of(1);
  chunks_.Remember(batch.shape, peak_of_one, peak_of(2));
}

BatchContributions BatchPass::Try(const std::vector<int64_t>& sample_shape) {
  std::vector<int64_t> shape = {1};
  shape.insert(shape.end(), sample_shape.begin(), sample_shape.end());
  SettlePrecision(shape);
  const auto options = at::TensorOptions().device(device_);
  BatchContributions passed =
      RunSamples(*forward_backward_, Zeros(shape, options, "the values of a sample of inputShape"));
  if (options_.reject_non_finite) RefuseRows(passed.finite, kNotFinite);
  return passed;
}

void BatchPass::MoveTo(c10::Device device) {
  graphs_.reset();  // they point to where the model is
  forward_backward_->MoveTo(device);
  for (Reducer& reducer : reducers_) reducer.MoveTo(device);
  device_ = device;
  OpenGraphs();
}

ExecutionPlan BatchPass::plan() const {
  ExecutionPlan plan = forward_backward_->plan();
  plan.chunk_size = plan_chunk_ ? plan_chunk_ : plan.chunk_size;
  return plan;
}

}  // namespace nacue
