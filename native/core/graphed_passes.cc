// See graphed_passes.h.
#include "graphed_passes.h"

#include <algorithm>
#include <utility>

namespace nacue {

namespace {

constexpr int kUsesBeforeRecording = 2;
constexpr size_t kMostShapes = 64;  // that are remembered, recorded or not

// Queued, not awaited: the samples are in pinned memory, or the copy waits by itself.
void Fill(const at::Tensor& recorded, const at::Tensor& samples) {
  const int64_t count = samples.size(0);
  recorded.narrow(0, 0, count).copy_(samples, /*non_blocking=*/true);
  if (count < recorded.size(0)) recorded.narrow(0, count, recorded.size(0) - count).zero_();
}

// The recorded tensors are written to again by the next replay.
BatchContributions FirstRows(const BatchContributions& recorded, int64_t count) {
  const auto rows = [&](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.narrow(0, 0, count).clone() : tensor;
  };
  BatchContributions taken = recorded;
  taken.logits = rows(recorded.logits);
  taken.finite = rows(recorded.finite);
  for (at::Tensor& layer : taken.layers) layer = rows(layer);
  return taken;
}

}  // namespace

int64_t GraphedPasses::PaddedSize(int64_t batch_size) {
  int64_t power = 1;
  while (power < batch_size) power *= 2;
  const int64_t between = power / 4 * 3;
  return power > 8 && batch_size <= between ? between : power;
}

BatchContributions GraphedPasses::Run(const at::Tensor& samples, c10::Device device, const Pass& pass) {
  const auto as_it_is = [&] { return pass(samples.to(device, /*non_blocking=*/true)); };
  if (has_given_up_) return as_it_is();
  std::vector<int64_t> sizes = samples.sizes().vec();
  if (pads_) sizes[0] = PaddedSize(sizes[0]);
  Shape& shape = Use(std::move(sizes));
  if (!shape.recorded && !shape.is_refused && ++shape.uses > kUsesBeforeRecording) Record(shape, samples, device, pass);
  if (!shape.recorded) return as_it_is();
  Fill(shape.recorded->samples, samples);
  shape.recorded->recording->Replay();
  return FirstRows(shape.recorded->results, samples.size(0));
}

GraphedPasses::Shape& GraphedPasses::Use(std::vector<int64_t> sizes) {
  const auto known = std::find_if(shapes_.begin(), shapes_.end(), [&](const Shape& s) { return s.sizes == sizes; });
  if (known != shapes_.end()) {
    shapes_.splice(shapes_.begin(), shapes_, known);
    return shapes_.front();
  }
  Shape& shape = shapes_.emplace_front();
  shape.sizes = std::move(sizes);
  if (shapes_.size() > kMostShapes) shapes_.pop_back();
  return shape;
}

void GraphedPasses::Record(Shape& shape, const at::Tensor& samples, c10::Device device, const Pass& pass) {
  if (recorded() == kMostRecorded) {
    const auto last =
        std::find_if(shapes_.rbegin(), shapes_.rend(), [](const Shape& s) { return s.recorded != nullptr; });
    last->recorded.reset();
    last->uses = 0;
  }
  auto made = std::make_unique<Recorded>();
  made->samples = at::empty(shape.sizes, samples.options().device(device));
  Fill(made->samples, samples);
  Recorded& target = *made;
  made->recording = recorder_->Record([&target, &pass] { target.results = pass(target.samples); });
  shape.is_refused = made->recording == nullptr;
  if (made->recording) shape.recorded = std::move(made);
}

bool GraphedPasses::GiveUp() {
  const bool held_memory = recorded() > 0;
  shapes_.clear();
  has_given_up_ = true;
  return held_memory;
}

size_t GraphedPasses::recorded() const {
  return static_cast<size_t>(
      std::count_if(shapes_.begin(), shapes_.end(), [](const Shape& shape) { return shape.recorded != nullptr; }));
}

}  // namespace nacue
