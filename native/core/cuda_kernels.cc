// See cuda_kernels.h.
#include "cuda_kernels.h"

#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>

#include "cuda/launch_sizes.h"
#include "cuda_driver.h"
#include "kernel_image.h"

namespace nacue {

namespace {

CUstream_st* LibTorchsStream(int device) {
  const c10::Device place(c10::kCUDA, static_cast<c10::DeviceIndex>(device));
  return static_cast<CUstream_st*>(c10::impl::VirtualGuardImpl(c10::kCUDA).getStream(place).native_handle());
}

bool AreKernelsWanted() {
  const char* const setting = std::getenv("NACUE_CUDA_KERNELS");
  return setting == nullptr || std::string_view(setting) != "0";
}

std::unique_ptr<KernelRunner> LoadKernels(int device) {
  const CudaDriver* const driver = InstalledCudaDriver();
  if (driver == nullptr || KernelImage() == nullptr || !AreKernelsWanted()) return nullptr;
  return DeviceKernels::Load(*driver, KernelImage(), KernelNames(), device, &LibTorchsStream);
}

// Kept until the process ends.
KernelRunner* KernelsOn(int device) {
  static std::mutex loading;
  static auto* const loaded = new std::map<int, std::unique_ptr<KernelRunner>>();
  const std::lock_guard<std::mutex> lock(loading);
  const auto known = loaded->find(device);
  if (known != loaded->end()) return known->second.get();
  return loaded->emplace(device, LoadKernels(device)).first->second.get();
}

template <typename... Arguments>
bool Launch(KernelRunner& kernels, std::string name, int64_t blocks, Arguments... arguments) {
  void* pointers[] = {&arguments...};
  return kernels.Run({std::move(name), blocks, pointers});
}

int64_t BlocksOf(int64_t count, int64_t per_block) {
  return (count + per_block - 1) / per_block;
}

// Of kernels whose blocks go on to further values.
int64_t BlocksInTurns(int64_t count, int64_t per_block) {
  constexpr int64_t kMostBlocks = int64_t{1} << 20;
  return std::min(BlocksOf(count, per_block), kMostBlocks);
}

// As the names of the kernels say it; null for a type that they do not take.
const char* TypeName(const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kFloat) return "float";
  return tensor.scalar_type() == at::kBFloat16 ? "bfloat16" : nullptr;
}

bool ArePlainBins(const at::Tensor& counts, const at::Tensor& bin_indices) {
  const auto is_plain = [](const at::Tensor& tensor) {
    return tensor.scalar_type() == at::kLong && tensor.dim() == 2 && tensor.is_contiguous() && tensor.numel() > 0;
  };
  return is_plain(counts) && is_plain(bin_indices) && counts.device() == bin_indices.device() &&
         bin_indices.size(1) == counts.size(0);
}

// Whether rows of `row_size` values can be read a pack at a time.
bool IsPacked(const at::Tensor& tensor, int64_t row_size) {
  const auto address = reinterpret_cast<uintptr_t>(tensor.const_data_ptr());
  return address % kPackBytes == 0 && row_size * tensor.element_size() % kPackBytes == 0;
}

bool PoolInKernel(KernelRunner& kernels, const PooledOperands& operands, const std::string& type, at::Tensor& q) {
  const void* z = operands.z.const_data_ptr();
  const void* gradient = operands.gradient.const_data_ptr();
  float* const sums = q.mutable_data_ptr<float>();
  const int64_t pooled = operands.pooled();
  if (pooled == 1) {
    return Launch(kernels, "multiply_" + type, BlocksInTurns(q.numel(), kThreadsPerBlock), z, gradient, sums,
                  q.numel());
  }
  // The factor of LibTorch's mean on CUDA.
  const float scale = operands.averages ? static_cast<float>(q.numel()) / static_cast<float>(operands.z.numel()) : 1.0F;
  const int64_t row_size = operands.neurons_innermost ? operands.neurons() : pooled;
  const bool is_packed = IsPacked(operands.z, row_size) && IsPacked(operands.gradient, row_size);
  const std::string kind = type + (is_packed ? "_packed" : "");
  if (!operands.neurons_innermost) {
    return Launch(kernels, "pool_rows_" + kind, BlocksInTurns(q.numel(), kThreadsPerBlock / kWarpLanes), z, gradient,
                  sums, q.numel(), pooled, scale);
  }
  const int64_t neurons_per_block =
      is_packed ? kPackedColumns * kPackBytes / static_cast<int64_t>(operands.z.element_size()) : kSingleColumns;
  const int64_t blocks = operands.samples() * BlocksOf(operands.neurons(), neurons_per_block);
  return Launch(kernels, "pool_columns_" + kind, blocks, z, gradient, sums, pooled, operands.neurons(), scale);
}

bool FindBins(KernelRunner& kernels, const at::Tensor& contributions, const BinRecipe& recipe, at::Tensor& bins) {
  const float* const q = contributions.const_data_ptr<float>();
  int64_t* const index = bins.mutable_data_ptr<int64_t>();
  const int64_t count = contributions.numel();
  const int64_t blocks = BlocksInTurns(count, kThreadsPerBlock);
  const auto alpha = static_cast<float>(recipe.alpha);
  const at::ScalarType edge_type = recipe.binning == Binning::kOpenOod ? at::kDouble : at::kFloat;
  const bool has_edges = recipe.edges.device() == contributions.device() && recipe.edges.is_contiguous() &&
                         recipe.edges.scalar_type() == edge_type;
  const auto launch = [&](const char* name, auto... rest) {
    return Launch(kernels, name, blocks, q, index, count, alpha, recipe.m_bins, rest...);
  };
  switch (recipe.binning) {
    case Binning::kGeometric:
      return has_edges && launch("bins_geometric", recipe.edges.const_data_ptr<float>(), recipe.edges.numel());
    case Binning::kOpenOod:
      return has_edges && launch("bins_openood", recipe.edges.const_data_ptr<double>(), recipe.edges.numel());
    case Binning::kUniform:
      return launch("bins_uniform");
    case Binning::kLogit:
      return launch("bins_logit");
  }
  return false;
}

}  // namespace

const std::vector<const char*>& KernelNames() {
  static const std::vector<const char*> names = {
      "pool_rows_float",
      "pool_rows_float_packed",
      "pool_rows_bfloat16",
      "pool_rows_bfloat16_packed",
      "pool_columns_float",
      "pool_columns_float_packed",
      "pool_columns_bfloat16",
      "pool_columns_bfloat16_packed",
      "multiply_float",
      "multiply_bfloat16",
      "bins_geometric",
      "bins_openood",
      "bins_uniform",
      "bins_logit",
      "count_bins",
      "cover_sample",
      "check_row_float",
      "check_row_bfloat16",
  };
  return names;
}

KernelRunner* KernelsOf(const at::Tensor& tensor) {
  return tensor.is_cuda() ? KernelsOn(tensor.device().index()) : nullptr;
}

std::optional<at::Tensor> PooledProductInKernel(KernelRunner* kernels, const PooledOperands& operands) {
  const char* const type = TypeName(operands.z);
  if (kernels == nullptr || type == nullptr || operands.z.numel() == 0) return std::nullopt;
  at::Tensor q = at::empty({operands.samples(), operands.neurons()}, operands.z.options().dtype(at::kFloat));
  if (!PoolInKernel(*kernels, operands, type, q)) return std::nullopt;
  return q;
}

std::optional<at::Tensor> BinsInKernel(KernelRunner* kernels, const at::Tensor& contributions,
                                       const BinRecipe& recipe) {
  if (kernels == nullptr || contributions.scalar_type() != at::kFloat || !contributions.is_contiguous() ||
      contributions.numel() == 0)
    return std::nullopt;
  at::Tensor bins = at::empty(contributions.sizes(), contributions.options().dtype(at::kLong));
  if (!FindBins(*kernels, contributions, recipe, bins)) return std::nullopt;
  return bins;
}

bool CountBinsInKernel(KernelRunner* kernels, at::Tensor& counts, const at::Tensor& bin_indices) {
  if (kernels == nullptr || !ArePlainBins(counts, bin_indices)) return false;
  return Launch(*kernels, "count_bins", BlocksInTurns(bin_indices.numel(), kThreadsPerBlock),
                bin_indices.const_data_ptr<int64_t>(), counts.mutable_data_ptr<int64_t>(), bin_indices.size(0),
                bin_indices.size(1), counts.size(1));
}

std::optional<at::Tensor> CoverageInKernel(KernelRunner* kernels, const at::Tensor& counts,
                                           const at::Tensor& bin_indices, int64_t o_star) {
  if (kernels == nullptr || !ArePlainBins(counts, bin_indices)) return std::nullopt;
  const int64_t samples = bin_indices.size(0);
  const int64_t neurons = bin_indices.size(1);
  at::Tensor coverage = at::empty({samples}, counts.options().dtype(at::kFloat));
  // LibTorch's operators on CUDA multiply by these too.
  const float per_o_star = 1.0F / static_cast<float>(o_star);
  const float per_neuron = static_cast<float>(samples) / static_cast<float>(bin_indices.numel());
  const bool is_started =
      Launch(*kernels, "cover_sample", samples, counts.const_data_ptr<int64_t>(), bin_indices.const_data_ptr<int64_t>(),
             coverage.mutable_data_ptr<float>(), neurons, counts.size(1), per_o_star, per_neuron);
  if (!is_started) return std::nullopt;
  return coverage;
}

std::optional<at::Tensor> FiniteRowsInKernel(KernelRunner* kernels, const at::Tensor& tensor) {
  const char* const type = TypeName(tensor);
  if (kernels == nullptr || type == nullptr || tensor.dim() < 2 || !tensor.is_contiguous() || tensor.numel() == 0)
    return std::nullopt;
  at::Tensor is_finite = at::empty({tensor.size(0)}, tensor.options().dtype(at::kBool));
  if (!Launch(*kernels, std::string("check_row_") + type, tensor.size(0), tensor.const_data_ptr(),
              is_finite.mutable_data_ptr<bool>(), tensor.numel() / tensor.size(0)))
    return std::nullopt;
  return is_finite;
}

}  // namespace nacue
