// See detector.h for the rules, pipeline.h for the stages.
#include "detector.h"

#include <torch/version.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "batch_pass.h"
#include "detector_state.h"
#include "device.h"
#include "device_stream.h"
#include "error.h"
#include "finite_rows.h"
#include "fit.h"
#include "host_copies.h"
#include "libtorch_error.h"
#include "module_tree.h"
#include "pinned_memory.h"
#include "pipeline.h"
#include "process_settings.h"
#include "score_batch.h"
#include "search/search.h"
#include "tapped_model.h"

namespace nacue {

namespace {

// A name that is the path of a module means that module, whatever characters it has.
std::vector<LayerAddress> Addresses(const torch::jit::Module& module, const std::vector<LayerOptions>& layers) {
  std::vector<LayerAddress> addresses;
  for (const LayerOptions& layer : layers) {
    const std::string& name = layer.name;
    addresses.push_back(FindModule(module, name) ? LayerAddress{name, name, /*call=*/0, /*element=*/{}}
                                                 : ParseLayerAddress(name));
  }
  return addresses;
}

class LoadedDetector final : public Detector {
 public:
  LoadedDetector(LoadedModel model, DetectorOptions options)
      : options_(std::move(options)),
        model_sha256_(std::move(model.sha256)),
        device_(ResolveDevice(options_.device)),
        stream_(device_),
        addresses_(Addresses(model.module, options_.layers)),
        pass_(model.module, addresses_, options_, device_) {
    status_.device = DeviceName(device_);
    status_.model_sha256 = model_sha256_;
    status_.plan = pass_.plan();
    for (const LayerOptions& layer : options_.layers)
      status_.layers.push_back({layer.name, std::nullopt, std::nullopt});
    MakeEdges();
    if (!options_.input_shape) return;
    const BatchContributions tried = pass_.Try(*options_.input_shape);
    Remember(tried);
    execution_order_ = tried.execution_order;
  }

  HostMemory AllocateBatch(size_t bytes) const override {
    return IsOnHost() ? AllocateAligned(bytes) : AllocatePinned(bytes);
  }

  void BeginFit(bool from_zero) override {
    pending_.emplace();
    fit_masks_ = {};
    if (from_zero || !committed_) return;
    *pending_ = *committed_;
    for (at::Tensor& counts : pending_->counts) counts = counts.clone();
    samples_before_ = committed_->samples;
  }

  void FitBatch(const Batch& batch) override {
    if (batch.shape[0] == 0) return fit_masks_.Add({});
    const BatchContributions passed = Pass(batch);
    if (pending_->counts.empty()) {
      for (size_t layer = 0; layer < options_.layers.size(); ++layer) {
        pending_->counts.push_back(NewCounts(passed.layers[layer].size(1), options_.layers[layer].m_bins, device_));
      }
      pending_->execution_order = passed.execution_order;
    }
    CheckFits(*pending_, passed);
    WithinMemory("the bins of a batch", [&] {
      for (size_t layer = 0; layer < options_.layers.size(); ++layer)
        AddCounts(pending_->counts[layer], Bins(layer, passed.layers[layer]));
    });
    pending_->samples += batch.shape[0];
    stream_.KeepPace();
    fit_masks_.Add(passed.finite);
  }

  void CommitFit() override {
    const bool is_empty = !pending_ || pending_->samples == samples_before_;
    if (is_empty) {
      AbortFit();
      throw Error("ERR_NACUE_EMPTY_FIT", "fit got no samples: the batches were empty; what was fitted before is kept");
    }
    auto fit = std::make_shared<const Fit>(std::move(*pending_));
    FitMasks masks = std::move(fit_masks_);
    AbortFit();
    masks.Check();
    Commit(std::move(fit));
  }

  void AbortFit() override {
    pending_.reset();
    fit_masks_ = {};
    samples_before_ = 0;
  }

  ScoreResult Score(const Batch& batch, int64_t explain) override {
    const auto fit = Fitted("predict() or score()");
    if (batch.shape[0] == 0) return EmptyScore(*fit, explain);
    const BatchContributions passed = Pass(batch);
    CheckFits(*fit, passed);
    return WithinMemory("the scores of a batch", [&] { return ScoreBatch(passed, *fit, options_, edges_, explain); });
  }

  ContributionsResult Contribute(const Batch& batch) override {
    ContributionsResult result;
    result.batch_size = batch.shape[0];
    result.layers.resize(options_.layers.size());
    if (result.batch_size == 0) {
      for (const LayerStatus& layer : CurrentStatus().layers) result.neurons.push_back(layer.neurons.value_or(0));
      return result;
    }
    const std::vector<at::Tensor> layers = OnHost(Pass(batch));
    for (size_t layer = 0; layer < options_.layers.size(); ++layer) {
      result.neurons.push_back(layers[layer].size(1));
      result.layers[layer] = Values(layers[layer]);
    }
    return result;
  }

  void Collect(const Batch& batch, Search& search, size_t set) override {
    if (batch.shape[0] == 0) return;
    const BatchContributions passed = Pass(batch);
    search.Collect(set, OnHost(passed), passed.execution_order);
  }

  std::vector<uint8_t> State(const Search& search, const SearchCandidate& candidate,
                             const std::string& nacue_version) const override {
    const DetectorOptions options = search.OptionsOf(candidate);
    std::vector<std::string> reduce_ids;
    for (size_t layer = 0; layer < options_.layers.size(); ++layer)
      if (candidate.choice[layer] != SearchCandidate::kAbsent) reduce_ids.push_back(pass_.reduce_ids()[layer]);
    return StateOf(search.FitOf(candidate), {options, reduce_ids, model_sha256_, pass_.plan()}, std::nullopt,
                   nacue_version);
  }

  std::vector<double> Coverage() const override {
    const auto fit = Fitted("coverage()");
    std::vector<double> coverage;
    for (size_t layer = 0; layer < options_.layers.size(); ++layer)
      coverage.push_back(ModelCoverage(fit->counts[layer], options_.layers[layer].o_star));
    return coverage;
  }

  void SetOStar(const std::vector<int64_t>& o_star) override {
    for (size_t layer = 0; layer < options_.layers.size(); ++layer) options_.layers[layer].o_star = o_star.at(layer);
  }

  std::vector<uint8_t> State(const std::optional<StateThreshold>& threshold,
                             const std::string& nacue_version) const override {
    return StateOf(*Fitted("save() or toBuffer()"), {options_, pass_.reduce_ids(), model_sha256_, pass_.plan()},
                   threshold, nacue_version);
  }

  void Restore(std::span<const uint8_t> state) override {
    auto fit = std::make_shared<Fit>(
        FitFromState(ReadState(state), {options_, pass_.reduce_ids(), model_sha256_, pass_.plan()}));
    for (size_t layer = 0; layer < options_.layers.size(); ++layer) {
      const std::optional<int64_t> neurons = CurrentStatus().layers[layer].neurons;
      if (neurons && *neurons != fit->counts[layer].size(0))
        ThrowNeurons("ERR_NACUE_STATE_MISMATCH", layer, *neurons, *fit);
      fit->counts[layer] = fit->counts[layer].to(device_);
    }
    if (!execution_order_.empty() && fit->execution_order != execution_order_) ThrowOrder();
    is_verified_ = false;
    Commit(std::move(fit));
  }

  void MoveTo(const std::string& name) override {
    const c10::Device target = ResolveDevice(name);
    if (target == device_) return;
    const c10::Device source = device_;
    try {
      Place(target);
    } catch (const std::exception& failure) {
      Place(source);
      throw TranslateLibTorchError("ERR_NACUE_DEVICE_UNAVAILABLE", "cannot move the detector to '" + name + "'",
                                   failure);
    }
  }

  CountsCopy CopyCounts(size_t layer) const override {
    const at::Tensor counts = Fitted("counts()")->counts.at(layer).cpu();
    const auto* data = counts.const_data_ptr<int64_t>();
    return {{data, data + counts.numel()}, counts.size(0), counts.size(1)};
  }

  DetectorStatus CurrentStatus() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return status_;
  }

 private:
  BatchContributions Pass(const Batch& batch) {
    BatchContributions passed = pass_.Run(batch);
    Remember(passed);
    return passed;
  }

  // Contributions, per layer.
  static std::vector<at::Tensor> OnHost(const BatchContributions& passed) {
    std::vector<at::Tensor> wanted = passed.layers;
    wanted.push_back(passed.finite);
    std::vector<at::Tensor> host = Download(wanted);
    if (host.back().defined()) RefuseRows(host.back(), kNotFinite);
    host.pop_back();
    return host;
  }

  // Of a batch of no samples.
  ScoreResult EmptyScore(const Fit& fit, int64_t explain) const {
    ScoreResult result;
    result.classes = classes_;
    for (size_t layer = 0; explain > 0 && layer < fit.counts.size(); ++layer)
      result.explanations.push_back({std::min(explain, fit.counts[layer].size(0)), {}, {}, {}, {}});
    return result;
  }

  at::Tensor Bins(size_t layer, const at::Tensor& contributions) const {
    return BinIndices(contributions, options_.layers[layer], options_.preset, options_.binning, edges_[layer]);
  }

  // Any thread.
  bool IsOnHost() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return status_.device == "cpu";
  }

  std::shared_ptr<const Fit> Fitted(const std::string& before) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (committed_) return committed_;
    throw Error("ERR_NACUE_NOT_FITTED", "the detector has no counts yet: call fit() before " + before);
  }

  void Commit(std::shared_ptr<const Fit> fit) {
    stream_.Synchronize();
    const std::lock_guard<std::mutex> lock(mutex_);
    committed_ = std::move(fit);
    status_.fitted = true;
    status_.samples = committed_->samples;
  }

  void Remember(const BatchContributions& passed) {
    classes_ = passed.logits.size(1);
    const std::lock_guard<std::mutex> lock(mutex_);
    status_.plan = pass_.plan();
    for (size_t layer = 0; layer < status_.layers.size(); ++layer) {
      status_.layers[layer].neurons = passed.layers[layer].size(1);
      status_.layers[layer].output_shape = passed.output_shapes[layer];
    }
  }

  // Counts and the neurons of a batch belong together. The first batch after a restore also shows whether the state is
  // one of this model.
  void CheckFits(const Fit& fit, const BatchContributions& passed) {
    const bool is_unverified = fit.is_restored && !is_verified_;
    const char* const code = is_unverified ? "ERR_NACUE_STATE_MISMATCH" : "ERR_NACUE_SHAPE";
    for (size_t layer = 0; layer < options_.layers.size(); ++layer) {
      const int64_t neurons = passed.layers[layer].size(1);
      if (fit.counts[layer].size(0) != neurons) ThrowNeurons(code, layer, neurons, fit);
    }
    if (is_unverified && fit.execution_order != passed.execution_order) ThrowOrder();
    is_verified_ |= is_unverified;
  }

  [[noreturn]] static void ThrowOrder() {
    throw Error("ERR_NACUE_STATE_MISMATCH",
                "the state was fitted on layers that run in another order than this model's");
  }

  [[noreturn]] void ThrowNeurons(const char* code, size_t layer, int64_t neurons, const Fit& fit) const {
    throw Error(code, "layer '" + options_.layers[layer].name + "' has " + std::to_string(neurons) +
                          " neurons for this batch's shape, the fit has " + std::to_string(fit.counts[layer].size(0)));
  }

  void MakeEdges() {
    edges_.clear();
    for (const LayerOptions& layer : options_.layers)
      edges_.push_back(BinEdges(options_.binning, layer.m_bins, device_));
  }

  void Place(c10::Device device) {
    stream_.Synchronize();
    stream_ = DeviceStream(device);
    pass_.MoveTo(device);
    std::shared_ptr<Fit> moved;
    if (committed_) {
      moved = std::make_shared<Fit>(*committed_);
      for (at::Tensor& counts : moved->counts) counts = counts.to(device);
    }
    device_ = device;
    MakeEdges();
    stream_.Synchronize();
    const std::lock_guard<std::mutex> lock(mutex_);
    committed_ = std::move(moved);
    status_.device = DeviceName(device);
  }

  DetectorOptions options_;
  const std::string model_sha256_;
  c10::Device device_;
  DeviceStream stream_;
  const std::vector<LayerAddress> addresses_;  // per layer
  BatchPass pass_;
  std::vector<at::Tensor> edges_;        // per layer
  std::vector<size_t> execution_order_;  // of the layers, empty when no sample was tried at load
  int64_t classes_ = 0;
  std::optional<Fit> pending_;
  FitMasks fit_masks_;  // of what is pending
  int64_t samples_before_ = 0;
  bool is_verified_ = false;  // a batch has met the restored counts

  mutable std::mutex mutex_;  // guards what other threads read: committed_ and status_
  std::shared_ptr<const Fit> committed_;
  DetectorStatus status_;
};

}  // namespace

std::unique_ptr<Detector> Detector::Load(const ModelSource& model, DetectorOptions options) {
  TuneAllocator();
  SetThreads(options.num_threads);
  LoadedModel loaded = LoadModel(model);
  if (!options.expected_sha256.empty()) CheckModelHash(options.expected_sha256, loaded.sha256);
  return std::make_unique<LoadedDetector>(std::move(loaded), std::move(options));
}

std::string LibTorchVersion() {
  return TORCH_VERSION;
}

}  // namespace nacue
