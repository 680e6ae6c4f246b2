// What a detector is built from and works on, in plain C++ types: the binding fills these, the core reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace nacue {

// How a layer's output becomes (B, N); lib/options.ts says what each does. kAuto depends on the preset.
enum class Reduce { kAuto, kMean, kSum, kMaxAbs, kFlatten, kFirstToken, kMeanTokens, kChannelsLast, kModule };

struct LayerOptions {
  std::string name;
  int64_t m_bins = 50;
  double alpha = 100.0;
  int64_t o_star = 50;
  Reduce reduce = Reduce::kAuto;
  std::string reduce_module;  // path, with kModule
  double weight = 1.0;
};

// Whose numbers: (a) pytorch_ood.detector.NACUE or (b) the authors' BierOne/ood_coverage. They differ in the loss, in
// whether z and its gradient are pooled after the product or before, and in what Reduce::kAuto means.
enum class Preset { kPytorchOod, kOpenOod };

enum class Binning { kGeometric, kUniform, kLogit, kOpenOod };

enum class Aggregation { kSum, kMean };

// kParity has the reference's bits; kFast may change the last ones, see optimize_graph.h.
enum class Mode { kParity, kFast };

// What the model computes in. Bins, loss and sigmoid are float32 always; kTf32 rounds the operands of float32 products,
// on CUDA.
enum class Precision { kFloat32, kTf32, kBfloat16 };

// Which element of a tuple or dict output holds the logits.
using OutputKey = std::variant<int64_t, std::string>;

// A path, or the bytes of an archive.
using ModelSource = std::variant<std::string, std::vector<uint8_t>>;

// Samples that go through the model at once.
using ChunkSize = int64_t;
constexpr ChunkSize kWholeBatch = 0;
constexpr ChunkSize kAutoChunk = -1;  // as many as memory_limit allows

struct DetectorOptions {
  std::vector<LayerOptions> layers;
  Preset preset = Preset::kPytorchOod;
  Binning binning = Binning::kGeometric;
  Aggregation aggregation = Aggregation::kSum;
  Mode mode = Mode::kParity;
  std::optional<Precision> precision;  // of the fast mode; nothing: what suits the device
  ChunkSize chunk_size = kWholeBatch;
  int64_t memory_limit = 0;          // bytes, with kAutoChunk
  bool allow_mode_mismatch = false;  // with a state of another mode or precision
  std::string device = "cpu";
  int num_threads = 0;  // 0: LibTorch's own choice
  std::optional<std::vector<int64_t>> input_shape;
  std::optional<OutputKey> output;
  bool reject_non_finite = true;
  std::string expected_sha256;  // of the model file; empty: any
};

// Bytes on the host and what frees them, on any thread.
using HostMemory = std::unique_ptr<void, std::function<void(void*)>>;
using AllocateHost = std::function<HostMemory(size_t bytes)>;

// Kernels may round differently on other alignments than those of LibTorch's own memory.
inline HostMemory AllocateAligned(size_t bytes) {
  constexpr size_t kAlignment = 64;
  void* const data = std::aligned_alloc(kAlignment, (bytes + kAlignment) / kAlignment * kAlignment);
  if (data == nullptr) throw std::bad_alloc();
  return {data, std::free};
}

// float32 values on the host.
class HostBuffer {
 public:
  explicit HostBuffer(size_t count, const AllocateHost& allocate = AllocateAligned)
      : count_(count), memory_(allocate(count * sizeof(float))) {}
  float* data() { return static_cast<float*>(memory_.get()); }
  const float* data() const { return static_cast<const float*>(memory_.get()); }
  size_t count() const { return count_; }

 private:
  size_t count_;
  HostMemory memory_;
};

// A batch as it came over the boundary: row-major, the batch dimension first.
struct Batch {
  HostBuffer data;
  std::vector<int64_t> shape;
};

}  // namespace nacue
