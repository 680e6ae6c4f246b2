// See chunk_planner.h. Runs on the detector's thread.
#include "chunk_planner.h"

#include <ATen/Parallel.h>
#include <c10/util/accumulate.h>

#include <algorithm>

namespace nacue {

namespace {

// What the estimate does not see: rounding to pages, what kernels allocate beside LibTorch's allocator.
constexpr double kUsableShare = 0.85;

// A single sample runs through other kernels than two, with other bits.
constexpr int64_t kFewestSamples = 2;

std::vector<int64_t> SampleShape(at::IntArrayRef batch_shape) {
  return batch_shape.slice(1).vec();
}

double BytesOf(at::IntArrayRef batch_shape) {
  return static_cast<double>(c10::multiply_integers(batch_shape)) * sizeof(float);
}

}  // namespace

ChunkPlanner::ChunkPlanner(const DetectorOptions& options)
    : chunk_size_(options.chunk_size), memory_limit_(options.memory_limit), threads_(at::get_num_threads()) {}

bool ChunkPlanner::MustMeasure(at::IntArrayRef batch_shape) const {
  return chunk_size_ == kAutoChunk && batch_shape[0] > 1 && !memory_.contains(SampleShape(batch_shape));
}

void ChunkPlanner::Remember(at::IntArrayRef batch_shape, size_t peak_of_one, size_t peak_of_two) {
  const auto one = static_cast<double>(peak_of_one);
  const double per_sample = std::max(static_cast<double>(peak_of_two) - one, one / 4);
  memory_[SampleShape(batch_shape)] = {one - per_sample, per_sample};
}

int64_t ChunkPlanner::WithinLimit(at::IntArrayRef batch_shape) const {
  const auto known = memory_.find(SampleShape(batch_shape));
  if (known == memory_.end()) return 1;
  const auto& [fixed, per_sample] = known->second;
  const double available = kUsableShare * static_cast<double>(memory_limit_) - BytesOf(batch_shape) - fixed;
  return static_cast<int64_t>(std::clamp(available / per_sample, 1.0, static_cast<double>(batch_shape[0])));
}

int64_t ChunkPlanner::SamplesAtOnce(at::IntArrayRef batch_shape) const {
  const int64_t batch_size = batch_shape[0];
  if (chunk_size_ == kWholeBatch) return batch_size;
  const int64_t allowed = std::min(most_, chunk_size_ == kAutoChunk ? WithinLimit(batch_shape) : chunk_size_);
  const int64_t wanted = std::max(allowed, kFewestSamples);
  if (wanted >= batch_size) return batch_size;
  return wanted < threads_ ? wanted : wanted / threads_ * threads_;
}

std::vector<BatchPart> ChunkPlanner::Parts(at::IntArrayRef batch_shape) const {
  const int64_t batch_size = batch_shape[0];
  const int64_t at_once = SamplesAtOnce(batch_shape);
  std::vector<BatchPart> parts;
  for (int64_t first = 0; first < batch_size; first += at_once) {
    const int64_t count = std::min(at_once, batch_size - first);
    const int64_t even = std::max((count + threads_ - 1) / threads_ * threads_, kFewestSamples);
    const int64_t skipped = first > 0 && count < at_once ? std::min(first, even - count) : 0;
    parts.push_back({first - skipped, count + skipped, skipped});
  }
  return parts;
}

bool ChunkPlanner::Halve(at::IntArrayRef batch_shape) {
  const int64_t at_once = SamplesAtOnce(batch_shape);
  if (chunk_size_ != kAutoChunk || at_once <= kFewestSamples) return false;
  most_ = at_once / 2;
  return true;
}

}  // namespace nacue
