// The kernels of native/cuda and what launches them, on the CPU (cuda_emulation.h), against the CPU's stages and slow
// arithmetic. What only a GPU can show, that the compiled kernels run there, is not in here.
#include "core/cuda_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "core/finite_rows.h"
#include "core/kernel_image.h"
#include "core/pipeline.h"
#include "cuda/kernels.cu"
#include "cuda_emulation.h"

namespace nacue {

namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN();
const float kInfinity = std::numeric_limits<float>::infinity();

bool HaveSameBits(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && a.is_contiguous() && b.is_contiguous() &&
         std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
}

// Runs it with the threads in both orders; the results must be the same to the bit.
template <typename Run>
at::Tensor InBothOrders(const Run& run, std::vector<std::string>* launched = nullptr) {
  EmulatedDevice ascending(ThreadOrder::kAscending);
  EmulatedDevice descending(ThreadOrder::kDescending);
  const std::optional<at::Tensor> result = run(&ascending);
  const std::optional<at::Tensor> other = run(&descending);
  if (launched != nullptr) *launched = ascending.launched();
  if (!result || !other) {
    ADD_FAILURE() << "no kernel took it";
    return {};
  }
  EXPECT_TRUE(HaveSameBits(*result, *other)) << "the order of the threads shows";
  return *result;
}

struct PoolCase {
  int64_t samples, neurons, pooled;
};
// Sizes around those of a warp, a block, a pack; and of real layers.
const std::vector<PoolCase> kPoolCases = {
    {1, 1, 2},   {1, 1, 1000}, {2, 3, 5},    {3, 8, 31},   {1, 32, 32},  {2, 33, 33},  {1, 7, 257},
    {2, 64, 49}, {1, 96, 196}, {3, 65, 100}, {1, 256, 56}, {2, 24, 784}, {1, 513, 16}, {5, 40, 4},
};

PooledOperands RandomOperands(const PoolCase& size, bool neurons_innermost, bool averages, at::ScalarType type) {
  const std::vector<int64_t> shape = neurons_innermost ? std::vector<int64_t>{size.samples, size.pooled, size.neurons}
                                                       : std::vector<int64_t>{size.samples, size.neurons, size.pooled};
  return {at::randn(shape).to(type), at::randn(shape).to(type), neurons_innermost, averages};
}

void ExpectPooled(const at::Tensor& q, const PooledOperands& operands) {
  const int64_t dimension = operands.neurons_innermost ? 1 : 2;
  const at::Tensor products = operands.z.to(at::kDouble) * operands.gradient.to(at::kDouble);
  const double count = operands.averages ? static_cast<double>(operands.pooled()) : 1.0;
  const at::Tensor error = (q.to(at::kDouble) - products.sum(dimension) / count).abs();
  const at::Tensor scale = products.abs().sum(dimension) / count;
  EXPECT_LE((error / scale).max().item<double>(), 1e-6);
  EXPECT_EQ(q.scalar_type(), at::kFloat);
  EXPECT_EQ(q.sizes(), (at::IntArrayRef{operands.samples(), operands.neurons()}));
}

TEST(PooledProductInKernel, AddsUpEveryLayoutTypeAndSize) {
  at::manual_seed(20);
  std::set<std::string> names;
  for (const PoolCase& size : kPoolCases)
    for (const bool neurons_innermost : {false, true})
      for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
        const bool averages = size.pooled % 2 == 0;
        const PooledOperands operands = RandomOperands(size, neurons_innermost, averages, type);
        std::vector<std::string> launched;
        const at::Tensor q =
            InBothOrders([&](KernelRunner* kernels) { return PooledProductInKernel(kernels, operands); }, &launched);
        ExpectPooled(q, operands);
        ASSERT_EQ(launched.size(), 1U);
        names.insert(launched.front());
      }
  EXPECT_EQ(names.size(), 8U) << "not every kernel ran";
}

TEST(PooledProductInKernel, HasTheValuesOfTheCpusFastProduct) {
  at::manual_seed(21);
  for (const bool neurons_innermost : {false, true}) {
    const PooledOperands operands = RandomOperands({3, 48, 81}, neurons_innermost, true, at::kBFloat16);
    EmulatedDevice device;
    EXPECT_TRUE(at::allclose(*PooledProductInKernel(&device, operands), FastPooledProduct(operands), 1e-5, 1e-6));
  }
}

TEST(PooledProductInKernel, MultipliesWhereThereIsNothingToPool) {
  at::manual_seed(22);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16})
    for (const PoolCase& size : {PoolCase{1, 1, 1}, {3, 100, 1}, {2, 700, 1}}) {
      const PooledOperands operands = RandomOperands(size, true, false, type);
      std::vector<std::string> launched;
      const at::Tensor q =
          InBothOrders([&](KernelRunner* kernels) { return PooledProductInKernel(kernels, operands); }, &launched);
      EXPECT_TRUE(
          HaveSameBits(q, operands.z.to(at::kFloat).mul(operands.gradient.to(at::kFloat)).squeeze(1).contiguous()));
      EXPECT_EQ(launched.front(), std::string("multiply_") + (type == at::kFloat ? "float" : "bfloat16"));
    }
}

TEST(PooledProductInKernel, ReadsValueByValueWhatDoesNotLieOnAPack) {
  at::manual_seed(23);
  const at::Tensor z = at::randn({2 * 8 * 16 + 1}).slice(0, 1).view({2, 8, 16});
  const at::Tensor gradient = at::randn({2, 8, 16});
  for (const bool neurons_innermost : {false, true})
    for (const PooledOperands& operands :
         {PooledOperands{z, gradient, neurons_innermost, true}, PooledOperands{gradient, z, neurons_innermost, true}}) {
      std::vector<std::string> launched;
      const at::Tensor q =
          InBothOrders([&](KernelRunner* kernels) { return PooledProductInKernel(kernels, operands); }, &launched);
      ExpectPooled(q, operands);
      EXPECT_EQ(launched.front(), neurons_innermost ? "pool_columns_float" : "pool_rows_float");
    }
}

TEST(PooledProductInKernel, HandsOnNanAndInfinity) {
  for (const bool neurons_innermost : {false, true}) {
    PooledOperands operands = RandomOperands({2, 8, 8}, neurons_innermost, true, at::kFloat);
    operands.z.select(0, 0).flatten()[9] = kNan;
    operands.z.select(0, 1).flatten()[9] = kInfinity;
    operands.gradient.select(0, 1).flatten()[9] = 1.0F;
    EmulatedDevice device;
    const at::Tensor q = *PooledProductInKernel(&device, operands);
    EXPECT_TRUE(at::isnan(q[0][1]).item<bool>());
    EXPECT_TRUE(at::isinf(q[1][1]).item<bool>());
    EXPECT_EQ(at::isfinite(q).sum().item<int64_t>(), 14);
  }
}

TEST(PooledProductInKernel, LeavesToTheOperatorsWhatItDoesNotTake) {
  EmulatedDevice device;
  const PooledOperands operands = RandomOperands({2, 3, 4}, false, true, at::kFloat);
  EXPECT_FALSE(PooledProductInKernel(nullptr, operands));
  EXPECT_FALSE(PooledProductInKernel(&device, RandomOperands({2, 3, 4}, false, true, at::kDouble)));
  EXPECT_FALSE(PooledProductInKernel(&device, RandomOperands({2, 3, 4}, false, true, at::kHalf)));
  EXPECT_FALSE(PooledProductInKernel(&device, RandomOperands({0, 3, 4}, false, true, at::kFloat)));
  EXPECT_TRUE(device.launched().empty());
}

// sigmoid(alpha * q) by the C library, one value at a time, as the kernels do it.
at::Tensor SquashedOneByOne(const at::Tensor& q, float alpha) {
  const at::Tensor zhat = at::empty_like(q);
  std::transform(q.const_data_ptr<float>(), q.const_data_ptr<float>() + q.numel(), zhat.mutable_data_ptr<float>(),
                 [&](float value) { return 1.0F / (1.0F + std::exp(-(value * alpha))); });
  return zhat;
}

at::Tensor ExpectedBins(const at::Tensor& q, const BinRecipe& recipe) {
  constexpr double kEpsilon = 1e-6;
  const at::Tensor zhat = SquashedOneByOne(q, static_cast<float>(recipe.alpha));
  const int64_t m_bins = recipe.m_bins;
  if (recipe.binning == Binning::kGeometric) {
    return (at::bucketize(zhat.clamp(kEpsilon, 1 - kEpsilon), recipe.edges) - 1).clamp(0, m_bins - 1);
  }
  if (recipe.binning == Binning::kOpenOod) {
    return (at::bucketize(zhat.to(at::kDouble), recipe.edges, false, /*right=*/true) - 1).clamp(0, m_bins - 1);
  }
  at::Tensor place = zhat.clamp(0.0, 1.0) * m_bins;
  if (recipe.binning == Binning::kLogit) {
    const at::Tensor z = zhat.clamp(kEpsilon, 1 - kEpsilon);
    place = ((at::log(z) - at::log1p(-z)).clamp(-10, 10) + 10) / 20 * m_bins;
  }
  return at::nan_to_num(place.floor(), 0.0).to(at::kLong).clamp(0, m_bins - 1);
}

at::Tensor OddContributions(const std::vector<int64_t>& shape) {
  const at::Tensor q = at::randn(shape) * 0.03;
  const std::vector<float> odd = {0.0F,  -0.0F,  kNan,   kInfinity, -kInfinity,
                                  1e30F, -1e30F, 1e-30F, 0.138155F, -0.138155F};
  const int64_t count = std::min<int64_t>(q.numel(), static_cast<int64_t>(odd.size()));
  q.view(-1).slice(0, 0, count).copy_(at::tensor(odd).slice(0, 0, count));
  return q;
}

TEST(BinsInKernel, FindsTheBinsOfEveryBinning) {
  at::manual_seed(24);
  for (const Binning binning : {Binning::kGeometric, Binning::kUniform, Binning::kLogit, Binning::kOpenOod})
    for (const int64_t m_bins : {2, 3, 4, 7, 10, 50, 51, 1000}) {
      if (binning == Binning::kOpenOod && (m_bins < 4 || m_bins % 2 != 0)) continue;
      for (const double alpha : {100.0, 1.0, 3000.0, 0.1})
        for (const std::vector<int64_t>& shape : {std::vector<int64_t>{1, 1}, {3, 257}, {2, 1000}}) {
          const at::Tensor edges = BinEdges(binning, m_bins, at::kCPU);
          const at::Tensor q = OddContributions(shape);
          const BinRecipe recipe{alpha, m_bins, binning, edges};
          const at::Tensor bins = InBothOrders([&](KernelRunner* kernels) { return BinsInKernel(kernels, q, recipe); });
          ASSERT_EQ(bins.scalar_type(), at::kLong);
          ASSERT_GE(bins.min().item<int64_t>(), 0);
          ASSERT_LT(bins.max().item<int64_t>(), m_bins);
          const at::Tensor difference = (bins - ExpectedBins(q, recipe)).abs();
          if (binning != Binning::kLogit) {
            EXPECT_EQ(difference.max().item<int64_t>(), 0)
                << static_cast<int>(binning) << ' ' << m_bins << ' ' << alpha;
            continue;
          }
          // LibTorch's logarithms on the CPU may be one unit in the last place apart.
          EXPECT_LE(difference.max().item<int64_t>(), 1);
          EXPECT_LE(difference.sum().item<int64_t>(), q.numel() / 500);
        }
    }
}

TEST(BinsInKernel, AgreesWithTheCpusStage) {
  at::manual_seed(25);
  const at::Tensor q = at::randn({40, 500}) * 0.02;
  LayerOptions layer;
  layer.m_bins = 50;
  for (const Preset preset : {Preset::kPytorchOod, Preset::kOpenOod})
    for (const Binning binning : {Binning::kGeometric, Binning::kUniform, Binning::kLogit, Binning::kOpenOod}) {
      const at::Tensor edges = BinEdges(binning, layer.m_bins, at::kCPU);
      EmulatedDevice device;
      const at::Tensor bins = *BinsInKernel(&device, q, {layer.alpha, layer.m_bins, binning, edges});
      const at::Tensor difference = (bins - BinIndices(q, layer, preset, binning, edges)).abs();
      // Only where the last bit of the exponential decides.
      EXPECT_LE(difference.max().item<int64_t>(), 1);
      EXPECT_LE(difference.sum().item<int64_t>(), q.numel() / 1000);
    }
}

TEST(BinsInKernel, PutsNanAndTheEndsWhereTheStageDoes) {
  const at::Tensor q = at::tensor({kNan, kInfinity, -kInfinity, 0.0F}).view({1, 4});
  const auto bins = [&](Binning binning) {
    EmulatedDevice device;
    const at::Tensor found = *BinsInKernel(&device, q, {100.0, 50, binning, BinEdges(binning, 50, at::kCPU)});
    return std::vector<int64_t>(found.const_data_ptr<int64_t>(), found.const_data_ptr<int64_t>() + 4);
  };
  EXPECT_EQ(bins(Binning::kGeometric), (std::vector<int64_t>{49, 49, 0, 25}));
  EXPECT_EQ(bins(Binning::kUniform), (std::vector<int64_t>{0, 49, 0, 25}));
  EXPECT_EQ(bins(Binning::kLogit), (std::vector<int64_t>{0, 49, 0, 25}));
  EXPECT_EQ(bins(Binning::kOpenOod), (std::vector<int64_t>{49, 47, 0, 24}));
}

TEST(BinsInKernel, LeavesToTheOperatorsWhatItDoesNotTake) {
  EmulatedDevice device;
  const at::Tensor edges = BinEdges(Binning::kGeometric, 50, at::kCPU);
  const BinRecipe recipe{100.0, 50, Binning::kGeometric, edges};
  const at::Tensor q = at::randn({4, 6});
  EXPECT_FALSE(BinsInKernel(nullptr, q, recipe));
  EXPECT_FALSE(BinsInKernel(&device, q.t(), recipe));
  EXPECT_FALSE(BinsInKernel(&device, q.to(at::kDouble), recipe));
  EXPECT_FALSE(BinsInKernel(&device, at::randn({0, 6}), recipe));
  const at::Tensor double_edges = edges.to(at::kDouble);
  EXPECT_FALSE(BinsInKernel(&device, q, {100.0, 50, Binning::kGeometric, double_edges}));
  EXPECT_TRUE(device.launched().empty());
}

struct CountCase {
  int64_t samples, neurons, m_bins;
};
const std::vector<CountCase> kCountCases = {{1, 1, 2}, {1, 256, 50}, {7, 257, 51}, {16, 100, 3}, {40, 3, 7}};

TEST(CountBinsInKernel, AddsToTheCounts) {
  at::manual_seed(26);
  for (const CountCase& size : kCountCases) {
    const at::Tensor bins = at::randint(size.m_bins, {size.samples, size.neurons}, at::kLong);
    const at::Tensor before = at::randint(9, {size.neurons, size.m_bins}, at::kLong);
    const at::Tensor counts = InBothOrders([&](KernelRunner* kernels) -> std::optional<at::Tensor> {
      at::Tensor added = before.clone();
      if (!CountBinsInKernel(kernels, added, bins)) return std::nullopt;
      return added;
    });
    at::Tensor expected = before.clone();
    AddCounts(expected, bins);
    EXPECT_TRUE(HaveSameBits(counts, expected));
  }
}

TEST(CoverageInKernel, IsTheMeanOfTheCappedCounts) {
  at::manual_seed(27);
  for (const CountCase& size : kCountCases)
    for (const int64_t o_star : {1, 50, 16777217}) {
      const at::Tensor bins = at::randint(size.m_bins, {size.samples, size.neurons}, at::kLong);
      at::Tensor counts = at::randint(100, {size.neurons, size.m_bins}, at::kLong);
      counts[0][0] = (int64_t{1} << 40) + 12345;
      const at::Tensor coverage =
          InBothOrders([&](KernelRunner* kernels) { return CoverageInKernel(kernels, counts, bins, o_star); });
      EXPECT_EQ(coverage.sizes(), at::IntArrayRef{size.samples});
      EXPECT_TRUE(at::allclose(coverage, LayerCoverage(counts, bins, o_star), 1e-6, 1e-7));
      EXPECT_LE(coverage.max().item<float>(), 1.000001F);
    }
}

TEST(LayerCoverage, IsTheSameInOneStepOnTheCpu) {
  at::manual_seed(28);
  const at::Tensor bins = at::randint(50, {9, 300}, at::kLong);
  const at::Tensor counts = at::randint(100, {300, 50}, at::kLong);
  EXPECT_TRUE(HaveSameBits(LayerCoverage(counts, bins, 50), LayerCoverage(NeuronCoverage(counts, bins, 50))));
}

TEST(CoverageInKernel, LeavesToTheOperatorsWhatItDoesNotTake) {
  EmulatedDevice device;
  const at::Tensor bins = at::randint(5, {4, 6}, at::kLong);
  at::Tensor counts = at::zeros({6, 5}, at::kLong);
  EXPECT_FALSE(CoverageInKernel(nullptr, counts, bins, 50));
  EXPECT_FALSE(CountBinsInKernel(nullptr, counts, bins));
  const at::Tensor transposed = bins.t().contiguous().t();
  EXPECT_FALSE(CoverageInKernel(&device, counts, transposed, 50));
  EXPECT_FALSE(CountBinsInKernel(&device, counts, transposed));
  EXPECT_FALSE(CoverageInKernel(&device, counts, at::zeros({0, 6}, at::kLong), 50));
  EXPECT_FALSE(CoverageInKernel(&device, at::zeros({7, 5}, at::kLong), bins, 50));
  EXPECT_TRUE(device.launched().empty());
}

TEST(FiniteRowsInKernel, FindsWhatIsNotFiniteWhereverItStands) {
  at::manual_seed(29);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16})
    for (const std::vector<int64_t>& shape :
         {std::vector<int64_t>{1, 1}, {4, 1000}, {5, 255}, {3, 256}, {4, 257}, {6, 3, 5, 7}}) {
      at::Tensor values = at::randn(shape).to(type);
      const int64_t row_size = values.numel() / shape[0];
      const std::vector<float> odd = {kNan, kInfinity, -kInfinity};
      for (int64_t row = 1; row < shape[0]; row += 2)
        values.view({shape[0], -1})[row][(row * 131) % row_size] = odd[static_cast<size_t>(row) % odd.size()];
      const at::Tensor rows = InBothOrders([&](KernelRunner* kernels) { return FiniteRowsInKernel(kernels, values); });
      EXPECT_TRUE(HaveSameBits(rows, FiniteRows(values)));
      EXPECT_EQ(rows.sum().item<int64_t>(), (shape[0] + 1) / 2);
    }
}

TEST(FiniteRowsInKernel, TakesTheLargestFloatsForFinite) {
  EmulatedDevice device;
  const float largest = std::numeric_limits<float>::max();
  const at::Tensor values = at::tensor({largest, -largest, 1e-45F, 0.0F}).view({2, 2});
  EXPECT_TRUE(FiniteRowsInKernel(&device, values)->all().item<bool>());
  EXPECT_FALSE(FiniteRowsInKernel(&device, values.t()));
  EXPECT_FALSE(FiniteRowsInKernel(&device, values.to(at::kDouble)));
  EXPECT_FALSE(FiniteRowsInKernel(&device, at::empty({2, 0})));
  EXPECT_FALSE(FiniteRowsInKernel(nullptr, values));
}

class BrokenDevice final : public KernelRunner {
 public:
  bool Run(const KernelLaunch& /*launch*/) override { return false; }
};

TEST(Kernels, LeaveToTheOperatorsWhatCouldNotBeStarted) {
  BrokenDevice device;
  const at::Tensor edges = BinEdges(Binning::kGeometric, 5, at::kCPU);
  const at::Tensor bins = at::zeros({4, 6}, at::kLong);
  at::Tensor counts = at::zeros({6, 5}, at::kLong);
  EXPECT_FALSE(PooledProductInKernel(&device, RandomOperands({2, 3, 4}, false, true, at::kFloat)));
  EXPECT_FALSE(BinsInKernel(&device, at::randn({4, 6}), {100.0, 5, Binning::kGeometric, edges}));
  EXPECT_FALSE(CountBinsInKernel(&device, counts, bins));
  EXPECT_FALSE(CoverageInKernel(&device, counts, bins, 50));
  EXPECT_FALSE(FiniteRowsInKernel(&device, at::randn({4, 6})));
}

TEST(Kernels, AreNotAskedForOnTheCpu) {
  EXPECT_EQ(KernelsOf(at::ones({2, 2})), nullptr);
}

TEST(Kernels, AreThoseThatTheSourceHas) {
  const std::set<std::string> wanted(KernelNames().begin(), KernelNames().end());
  std::set<std::string> present;
  for (const auto& [name, kernel] : EmulatedKernels()) present.insert(name);
  EXPECT_EQ(wanted, present);
}

TEST(KernelImage, IsAFatbinWhereItWasCompiled) {
  if (KernelImage() == nullptr) GTEST_SKIP() << "built without a CUDA compiler";
  uint32_t magic = 0;
  std::memcpy(&magic, KernelImage(), sizeof(magic));
  EXPECT_EQ(magic, 0xBA55ED50U);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(KernelImage()) % 64, 0U);
}

}  // namespace

}  // namespace nacue
