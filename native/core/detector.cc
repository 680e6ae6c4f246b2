// See detector.h for the rules, pipeline.h for the stages.
#include "detector.h"

#include <ATen/Parallel.h>
#include <torch/version.h>

#include <cstdlib>
#include <mutex>
#include <utility>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "device.h"
#include "error.h"
#include "finite_rows.h"
#include "libtorch_error.h"
#include "pipeline.h"
#include "tapped_model.h"

namespace nacue {

namespace {

std::vector<std::string> Names(const std::vector<LayerOptions>& layers) {
  std::vector<std::string> names;
  for (const LayerOptions& layer : layers) names.push_back(layer.name);
  return names;
}

// OpenMP keeps the number of threads per calling thread, so every detector sets its own; the default is read before
// anyone does.
void SetThreads(int num_threads) {
  static const int default_threads = at::get_num_threads();
  at::set_num_threads(num_threads > 0 ? num_threads : default_threads);
}

// Activations of some 25 MB, two of which fill one of the 64 MB heaps of glibc's per-thread arenas, leave a third of
// each heap empty. Beyond this size they get pages of their own, which go back at once; measured: 0.3 GB less at the
// peak of a fit, no slower.
void TuneAllocator() {
#ifdef __GLIBC__
  static const bool is_tuned = [] {
    if (std::getenv("MALLOC_MMAP_THRESHOLD_") != nullptr || std::getenv("GLIBC_TUNABLES") != nullptr) return false;
    return mallopt(M_MMAP_THRESHOLD, 24 << 20) == 1 && mallopt(M_TRIM_THRESHOLD, 64 << 20) == 1;
  }();
  static_cast<void>(is_tuned);
#endif
}

std::vector<float> ToHost(const at::Tensor& tensor) {
  const at::Tensor host = tensor.to(at::kCPU, at::kFloat).contiguous();
  return {host.const_data_ptr<float>(), host.const_data_ptr<float>() + host.numel()};
}

struct Fit {
  std::vector<at::Tensor> counts;  // per layer (N, M) int64
  int64_t samples = 0;
};

}  // namespace

class Detector::Implementation {
 public:
  Implementation(const ModelSource& model, DetectorOptions options)
      : options_((TuneAllocator(), SetThreads(options.num_threads), std::move(options))),
        device_(ResolveDevice(options_.device)),
        forward_backward_(LoadModel(model), Names(options_.layers), options_.output) {
    status_.device = DeviceName(device_);
    for (const LayerOptions& layer : options_.layers)
      status_.layers.push_back({layer.name, std::nullopt, std::nullopt});
    if (device_.is_cuda()) forward_backward_.MoveTo(device_);
    MakeEdges();
    if (!options_.input_shape) return;
    std::vector<int64_t> shape = {1};
    shape.insert(shape.end(), options_.input_shape->begin(), options_.input_shape->end());
    Pass(at::zeros(shape, device_), [](size_t, const at::Tensor&) {});
  }

  void BeginFit(bool from_zero) {
    pending_.emplace();
    if (from_zero || !committed_) return;
    for (const at::Tensor& counts : committed_->counts) pending_->counts.push_back(counts.clone());
    pending_->samples = committed_->samples;
    samples_before_ = committed_->samples;
  }

  void FitBatch(const Batch& batch) {
    if (batch.shape[0] == 0) return;
    std::vector<at::Tensor> bins(options_.layers.size());
    Pass(Upload(batch), [&](size_t layer, const at::Tensor& indices) { bins[layer] = indices; });
    if (pending_->counts.empty()) {
      for (size_t layer = 0; layer < bins.size(); ++layer) {
        pending_->counts.push_back(NewCounts(bins[layer].size(1), options_.layers[layer].m_bins, device_));
      }
    }
    for (size_t layer = 0; layer < bins.size(); ++layer) {
      CheckNeurons(layer, pending_->counts[layer], bins[layer]);
      AddCounts(pending_->counts[layer], bins[layer]);
    }
    pending_->samples += batch.shape[0];
  }

  void CommitFit() {
    const bool is_empty = !pending_ || pending_->samples == samples_before_;
    if (is_empty) {
      AbortFit();
      throw Error("ERR_NACUE_EMPTY_FIT", "fit got no samples: the batches were empty; what was fitted before is kept");
    }
    auto fit = std::make_shared<const Fit>(std::move(*pending_));
    AbortFit();
    const std::lock_guard<std::mutex> lock(mutex_);
    committed_ = std::move(fit);
    status_.fitted = true;
    status_.samples = committed_->samples;
  }

  void AbortFit() {
    pending_.reset();
    samples_before_ = 0;
  }

  ScoreResult Score(const Batch& batch) {
    if (!committed_)
      throw Error("ERR_NACUE_NOT_FITTED", "the detector has no counts yet: call fit() before predict() or score()");
    ScoreResult result;
    result.batch_size = batch.shape[0];
    result.classes = classes_;
    if (result.batch_size == 0) return result;

    std::vector<at::Tensor> coverage(options_.layers.size());
    const Activations activations = Pass(Upload(batch), [&](size_t layer, const at::Tensor& bins) {
      CheckNeurons(layer, committed_->counts[layer], bins);
      coverage[layer] = LayerCoverage(committed_->counts[layer], bins, options_.layers[layer].o_star);
    });
    // The reference adds the layers in the order in which they run.
    std::vector<at::Tensor> in_execution_order;
    for (const size_t layer : activations.execution_order) in_execution_order.push_back(coverage[layer]);
    result.scores = ToHost(-at::stack(in_execution_order, 0).sum(0));
    result.layer_scores = ToHost(at::stack(coverage, 0));
    result.logits = ToHost(activations.logits);
    result.classes = classes_;
    return result;
  }

  void MoveTo(const std::string& name) {
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

  CountsCopy CopyCounts(size_t layer) const {
    std::shared_ptr<const Fit> fit;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      fit = committed_;
    }
    if (!fit) throw Error("ERR_NACUE_NOT_FITTED", "the detector has no counts yet: call fit() first");
    const at::Tensor counts = fit->counts.at(layer).cpu();
    const auto* data = counts.const_data_ptr<int64_t>();
    return {{data, data + counts.numel()}, counts.size(0), counts.size(1)};
  }

  DetectorStatus CurrentStatus() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return status_;
  }

 private:
  // One forward, one backward, and the bin indices of every layer.
  template <typename Receive>
  Activations Pass(const at::Tensor& batch, const Receive& receive) {
    Activations activations = forward_backward_.Run(batch);
    const at::NoGradGuard no_gradients;
    at::Tensor finite;
    if (options_.reject_non_finite) finite = FiniteRows(activations.logits);
    std::vector<at::Tensor> contributions;
    for (size_t layer = 0; layer < options_.layers.size(); ++layer) {
      contributions.push_back(Contributions(activations.z[layer], activations.gradient[layer]));
      if (options_.reject_non_finite) finite = finite.logical_and(FiniteRows(contributions[layer]));
      Remember(layer, activations.z[layer].sizes(), contributions[layer].size(1));
      activations.z[layer].reset();
      activations.gradient[layer].reset();
    }
    if (options_.reject_non_finite) RefuseRows(finite, "the logits or the contributions have");
    for (size_t layer = 0; layer < options_.layers.size(); ++layer) {
      receive(layer, BinIndices(contributions[layer], options_.layers[layer], options_.binning, edges_[layer]));
    }
    classes_ = activations.logits.size(1);
    return activations;
  }

  at::Tensor Upload(const Batch& batch) const {
    if (options_.reject_non_finite) RefuseNonFinite(batch);
    // LibTorch only ever reads the host buffer: ForwardBackward runs the model on a copy.
    return at::from_blob(const_cast<float*>(batch.data.data()), batch.shape, at::kFloat).to(device_);
  }

  void Remember(size_t layer, at::IntArrayRef z_shape, int64_t neurons) {
    const std::lock_guard<std::mutex> lock(mutex_);
    status_.layers[layer].neurons = neurons;
    status_.layers[layer].output_shape = z_shape.slice(1).vec();
  }

  void CheckNeurons(size_t layer, const at::Tensor& counts, const at::Tensor& bins) const {
    if (counts.size(0) == bins.size(1)) return;
    throw Error("ERR_NACUE_SHAPE", "layer '" + options_.layers[layer].name + "' has " + std::to_string(bins.size(1)) +
                                       " neurons for this batch's shape, the fit has " +
                                       std::to_string(counts.size(0)));
  }

  void MakeEdges() {
    edges_.assign(options_.layers.size(), {});
    if (options_.binning != Binning::kGeometric) return;
    for (size_t layer = 0; layer < edges_.size(); ++layer)
      edges_[layer] = GeometricEdges(options_.layers[layer].m_bins, device_);
  }

  void Place(c10::Device device) {
    forward_backward_.MoveTo(device);
    std::shared_ptr<Fit> moved;
    if (committed_) {
      moved = std::make_shared<Fit>(*committed_);
      for (at::Tensor& counts : moved->counts) counts = counts.to(device);
    }
    device_ = device;
    MakeEdges();
    const std::lock_guard<std::mutex> lock(mutex_);
    committed_ = std::move(moved);
    status_.device = DeviceName(device);
  }

  const DetectorOptions options_;
  c10::Device device_;
  ForwardBackward forward_backward_;
  std::vector<at::Tensor> edges_;  // per layer, undefined where the binning has none
  int64_t classes_ = 0;
  std::optional<Fit> pending_;
  int64_t samples_before_ = 0;

  mutable std::mutex mutex_;  // guards what other threads read: committed_ and status_
  std::shared_ptr<const Fit> committed_;
  DetectorStatus status_;
};

Detector::Detector(const ModelSource& model, DetectorOptions options)
    : implementation_(std::make_unique<Implementation>(model, std::move(options))) {}
Detector::~Detector() = default;

void Detector::BeginFit(bool from_zero) {
  implementation_->BeginFit(from_zero);
}
void Detector::FitBatch(const Batch& batch) {
  implementation_->FitBatch(batch);
}
void Detector::CommitFit() {
  implementation_->CommitFit();
}
void Detector::AbortFit() {
  implementation_->AbortFit();
}
ScoreResult Detector::Score(const Batch& batch) {
  return implementation_->Score(batch);
}
void Detector::MoveTo(const std::string& device) {
  implementation_->MoveTo(device);
}
CountsCopy Detector::CopyCounts(size_t layer) const {
  return implementation_->CopyCounts(layer);
}
DetectorStatus Detector::CurrentStatus() const {
  return implementation_->CurrentStatus();
}

std::string LibTorchVersion() {
  return TORCH_VERSION;
}

}  // namespace nacue
