// The loops and parts of the stages after the backward pass against the operators of the reference, bit for bit, on the
// shapes, layouts and values where the two could part.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <thread>

#include "core/parallel_ranges.h"
#include "core/pipeline.h"
#include "core/pooled_product.h"

namespace nacue {

namespace {

LayerOptions LayerOf(Reduce reduce) {
  LayerOptions layer;
  layer.name = "layer";
  layer.reduce = reduce;
  return layer;
}

bool HasSameBits(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() != b.scalar_type() || a.sizes() != b.sizes()) return false;
  const at::Tensor left = a.contiguous();
  const at::Tensor right = b.contiguous();
  return left.numel() == 0 || std::memcmp(left.const_data_ptr(), right.const_data_ptr(), left.nbytes()) == 0;
}

class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }

 private:
  int before_;
};

enum class Layout { kContiguous, kChannelsLast, kEveryOther, kExpanded };

const std::vector<Layout> kLayouts = {Layout::kContiguous, Layout::kChannelsLast, Layout::kEveryOther,
                                      Layout::kExpanded};

at::Tensor Random(const std::vector<int64_t>& shape, Layout layout, at::ScalarType type) {
  if (layout == Layout::kExpanded) return at::randn({shape[0], shape[1], 1, 1}).to(type).expand(shape);
  if (layout == Layout::kEveryOther) {
    std::vector<int64_t> twice = shape;
    twice.back() *= 2;
    return at::randn(twice).to(type).slice(-1, 0, c10::nullopt, 2);
  }
  const at::Tensor value = at::randn(shape).to(type);
  return layout == Layout::kChannelsLast ? value.contiguous(at::MemoryFormat::ChannelsLast) : value;
}

TEST(ForEachRange, CoversAllOnLibTorchsThreadsAndPassesOnWhatTheyThrow) {
  const Threads scoped(2);
  std::vector<int> visits(1001);
  std::array<std::thread::id, 2> threads;
  ASSERT_EQ(RangeCount(1001, 100), 2);
  ForEachRange(1001, 100, [&](int64_t range, int64_t begin, int64_t end) {
    threads.at(static_cast<size_t>(range)) = std::this_thread::get_id();
    for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
  });
  EXPECT_EQ(visits, std::vector<int>(1001, 1));
  EXPECT_NE(threads[0], threads[1]);
  EXPECT_EQ(RangeCount(199, 100), 1);
  EXPECT_THROW(ForEachRange(1001, 100,
                            [](int64_t range, int64_t, int64_t) {
                              if (range == 1) throw std::bad_alloc();
                            }),
               std::bad_alloc);
}

const std::vector<std::vector<int64_t>> kShapes = {
    {1, 1, 1, 1},    {1, 1, 190, 190}, {2, 1, 200, 91}, {1, 64, 28, 28}, {3, 64, 28, 29},
    {5, 37, 27, 1},  {4, 576, 3, 3},   {2, 40, 1, 1},   {5, 2048, 1, 8}, {9, 8192, 1, 1},
    {7, 129, 33, 9}, {2, 33, 90, 7},   {1, 2048, 7, 7}, {33, 70, 5, 31},
};
// Several parts, from 1 MB on taken instead of the whole product.
const std::vector<std::vector<int64_t>> kLargeShapes = {
    {1, 64, 70, 71}, {3, 1, 310, 311}, {5, 96, 24, 25}, {1, 1, 520, 520}};

TEST(ExactPooledProduct, HasTheBitsOfTheWholeBatchAtOnce) {
  at::manual_seed(6);
  for (const int threads : {1, 2, 4}) {
    const Threads scoped(threads);
    for (const auto& shape : kShapes)
      for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16})
        for (const Layout layout : {Layout::kContiguous, Layout::kChannelsLast})
          for (const Reduce reduce : {Reduce::kMean, Reduce::kSum, Reduce::kChannelsLast}) {
            const at::Tensor z = Random(shape, layout, type);
            const at::Tensor gradient = Random(shape, layout, type);
            const auto operands = PooledOperandsOf(z, gradient, reduce);
            if (!operands) continue;
            const auto q = ExactPooledProduct(*operands);
            if (!q) continue;
            const at::Tensor expected = Reducer(LayerOf(reduce), "layer", Preset::kPytorchOod)(z * gradient);
            EXPECT_TRUE(HasSameBits(*q, expected)) << shape << ' ' << type << " layout " << static_cast<int>(layout)
                                                   << " reduce " << static_cast<int>(reduce) << " threads " << threads;
          }
  }
}

TEST(ExactPooledProduct, LeavesWhatThreadsShareOutOtherwise) {
  const Threads scoped(2);
  const auto is_taken = [](const std::vector<int64_t>& shape, Layout layout) {
    const at::Tensor value = Random(shape, layout, at::kFloat);
    return ExactPooledProduct(*PooledOperandsOf(value, value, Reduce::kMean)).has_value();
  };
  EXPECT_TRUE(is_taken({1, 64, 56, 56}, Layout::kContiguous));
  EXPECT_FALSE(is_taken({1, 1, 300, 300}, Layout::kContiguous));
  EXPECT_TRUE(is_taken({2, 64, 56, 56}, Layout::kChannelsLast));
  EXPECT_FALSE(is_taken({1, 64, 56, 56}, Layout::kChannelsLast));
}

TEST(Contributions, HasTheBitsOfTheReferenceInEveryLayout) {
  at::manual_seed(7);
  const Reducer reduce(LayerOf(Reduce::kAuto), "layer", Preset::kPytorchOod);
  for (const int threads : {1, 2, 4}) {
    const Threads scoped(threads);
    for (const auto& shape : kLargeShapes)
      for (const Layout z_layout : kLayouts)
        for (const Layout gradient_layout : kLayouts) {
          const at::Tensor z = Random(shape, z_layout, at::kFloat);
          const at::Tensor gradient = Random(shape, gradient_layout, at::kFloat);
          EXPECT_TRUE(HasSameBits(Contributions(z, gradient, Preset::kPytorchOod, reduce), reduce(z * gradient)))
              << shape << ' ' << static_cast<int>(z_layout) << ' ' << static_cast<int>(gradient_layout);
        }
  }
}

TEST(Contributions, HasTheBitsOfTheReferenceForTokens) {
  at::manual_seed(8);
  for (const int threads : {1, 2, 4}) {
    const Threads scoped(threads);
    for (const Reduce kind : {Reduce::kAuto, Reduce::kMean, Reduce::kMeanTokens, Reduce::kChannelsLast}) {
      const Reducer reduce(LayerOf(kind), "layer", Preset::kPytorchOod);
      for (const std::vector<int64_t>& shape : {std::vector<int64_t>{1, 197, 768}, {3, 197, 768}, {8, 50, 1000}}) {
        const at::Tensor z = at::randn(shape);
        const at::Tensor gradient = at::randn(shape);
        EXPECT_TRUE(HasSameBits(Contributions(z, gradient, Preset::kPytorchOod, reduce), reduce(z * gradient)));
      }
    }
  }
}

void ExpectClose(const at::Tensor& z, const at::Tensor& gradient, Reduce kind) {
  const Reducer reduce(LayerOf(kind), "layer", Preset::kPytorchOod);
  const at::Tensor q = Contributions(z, gradient, Preset::kPytorchOod, reduce, Mode::kFast);
  const at::Tensor product = z.to(at::kDouble) * gradient.to(at::kDouble);
  ASSERT_EQ(q.scalar_type(), at::kFloat);
  ASSERT_EQ(q.sizes(), reduce(product).sizes());
  EXPECT_TRUE(((q - reduce(product)).abs() <= reduce(product.abs()) * 3e-7 + 1e-30).all().item<bool>())
      << z.sizes() << ' ' << z.scalar_type() << ' ' << z.strides() << gradient.strides() << static_cast<int>(kind);
}

TEST(FastContributions, AreCloseToFloat64) {
  at::manual_seed(9);
  for (const int threads : {1, 2, 4}) {
    const Threads scoped(threads);
    for (const auto& shape : kShapes)
      for (const at::ScalarType type : {at::kFloat, at::kBFloat16})
        for (const Layout layout : {Layout::kContiguous, Layout::kChannelsLast})
          ExpectClose(Random(shape, layout, type), Random(shape, layout, type), Reduce::kAuto);
  }
}

TEST(FastContributions, AreCloseToFloat64InEveryLayoutAndReduce) {
  at::manual_seed(9);
  for (const Layout z_layout : kLayouts)
    for (const Layout gradient_layout : kLayouts)
      for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf})
        for (const Reduce kind : {Reduce::kAuto, Reduce::kSum, Reduce::kChannelsLast, Reduce::kMaxAbs})
          ExpectClose(Random({3, 70, 9, 11}, z_layout, type), Random({3, 70, 9, 11}, gradient_layout, type), kind);
}

TEST(FastContributions, AreExactWhereNothingIsPooled) {
  at::manual_seed(10);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf})
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{1, 1}, {5, 77}, {3, 197, 70}, {2, 3, 4, 5, 6}}) {
      const at::Tensor z = at::randn(shape).to(type);
      const at::Tensor gradient = at::randn(shape).to(type);
      const Reducer reduce(LayerOf(Reduce::kAuto), "layer", Preset::kPytorchOod);
      EXPECT_TRUE(HasSameBits(Contributions(z, gradient, Preset::kPytorchOod, reduce, Mode::kFast),
                              reduce(z.to(at::kFloat) * gradient.to(at::kFloat))));
    }
}

TEST(FastContributions, PoolBeforeTheProductUnderTheOtherPreset) {
  at::manual_seed(11);
  const Reducer reduce(LayerOf(Reduce::kAuto), "layer", Preset::kOpenOod);
  const at::Tensor z = at::randn({3, 16, 14, 14}).to(at::kBFloat16);
  const at::Tensor gradient = at::randn({3, 16, 14, 14}).to(at::kBFloat16);
  EXPECT_TRUE(HasSameBits(Contributions(z, gradient, Preset::kOpenOod, reduce, Mode::kFast),
                          reduce(z.to(at::kFloat)) * reduce(gradient.to(at::kFloat))));
}

TEST(FastContributions, KeepNaN) {
  const Reducer reduce(LayerOf(Reduce::kAuto), "layer", Preset::kPytorchOod);
  for (const Layout layout : {Layout::kContiguous, Layout::kChannelsLast}) {
    at::Tensor z = Random({2, 9, 6, 6}, layout, at::kBFloat16);
    z[1][8][5][5] = std::numeric_limits<double>::quiet_NaN();
    const at::Tensor q = Contributions(z, at::ones_like(z), Preset::kPytorchOod, reduce, Mode::kFast);
    EXPECT_EQ(q.isnan().nonzero().flatten().equal(at::tensor({1L, 8L}, at::kLong)), true);
  }
}

// The operators of the reference, one after the other.
at::Tensor SlowBinIndices(const at::Tensor& q, const LayerOptions& layer, Preset preset, Binning binning,
                          const at::Tensor& edges) {
  const at::Tensor zhat =
      preset == Preset::kPytorchOod ? at::sigmoid(q * layer.alpha) : 1 / (1 + at::exp(q * -layer.alpha));
  at::Tensor index;
  if (binning == Binning::kGeometric) index = at::bucketize(zhat.clamp(1e-6, 1 - 1e-6), edges, false, false) - 1;
  if (binning == Binning::kUniform) index = at::floor(zhat.clamp(0.0, 1.0) * layer.m_bins).to(at::kLong);
  if (binning == Binning::kOpenOod) index = at::bucketize(zhat.to(at::kDouble), edges, false, true) - 1;
  if (binning == Binning::kLogit) {
    const at::Tensor z = zhat.clamp(1e-6, 1 - 1e-6);
    const at::Tensor u = (at::log(z) - at::log1p(-z)).clamp(-10.0, 10.0);
    index = (((u + 10.0) / 20.0) * layer.m_bins).floor().to(at::kLong);
  }
  return index.clamp(0, layer.m_bins - 1);
}

// Contributions around each edge, far from all of them, and those that are no number.
at::Tensor OddContributions(const at::Tensor& edges, double alpha) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const at::Tensor inside = edges.to(at::kDouble).clamp(1e-12, 1 - 1e-12);
  const at::Tensor on_edge = (at::logit(inside) / alpha).to(at::kFloat);
  const at::Tensor special = at::tensor({0.0F, -0.0F, std::nanf(""), kInfinity, -kInfinity, 1e-38F, -1e-45F, 1e38F});
  return at::cat({on_edge, at::nextafter(on_edge, at::full_like(on_edge, kInfinity)),
                  at::nextafter(on_edge, at::full_like(on_edge, -kInfinity)), special, at::randn({997}) * 0.05,
                  at::randn({100}) * 10});
}

TEST(BinIndices, EqualsTheOperatorsOfTheReference) {
  at::manual_seed(12);
  for (const Preset preset : {Preset::kPytorchOod, Preset::kOpenOod})
    for (const Binning binning : {Binning::kGeometric, Binning::kUniform, Binning::kLogit, Binning::kOpenOod})
      for (const int64_t m_bins : {2, 3, 4, 7, 50, 51, 128, 1000, 10001})
        for (const double alpha : {1.0, 100.0, 3000.5}) {
          if (binning == Binning::kOpenOod && (m_bins < 4 || m_bins % 2 != 0)) continue;
          LayerOptions layer = LayerOf(Reduce::kAuto);
          layer.m_bins = m_bins;
          layer.alpha = alpha;
          const at::Tensor edges = BinEdges(binning, m_bins, at::kCPU);
          const at::Tensor q = OddContributions(edges, alpha).unsqueeze(0).repeat({3, 1});
          EXPECT_TRUE(HasSameBits(BinIndices(q, layer, preset, binning, edges),
                                  SlowBinIndices(q, layer, preset, binning, edges)))
              << "binning " << static_cast<int>(binning) << " M " << m_bins << " alpha " << alpha;
        }
}

TEST(BinIndices, EqualsTheOperatorsForEveryZhat) {
  const at::Tensor zhat = at::arange(0, 0x3F800001, 97, at::kInt).view(at::kFloat);  // 0 to 1, every 97th float
  const at::Tensor q = at::logit(zhat.to(at::kDouble)).to(at::kFloat).unsqueeze(0);
  LayerOptions layer = LayerOf(Reduce::kAuto);
  layer.alpha = 1;
  for (const Binning binning : {Binning::kGeometric, Binning::kUniform, Binning::kOpenOod}) {
    const at::Tensor edges = BinEdges(binning, layer.m_bins, at::kCPU);
    EXPECT_TRUE(HasSameBits(BinIndices(q, layer, Preset::kPytorchOod, binning, edges),
                            SlowBinIndices(q, layer, Preset::kPytorchOod, binning, edges)));
  }
}

TEST(BinIndices, EqualsTheOperatorsForOtherTypesAndLayouts) {
  at::manual_seed(13);
  const LayerOptions layer = LayerOf(Reduce::kAuto);
  const at::Tensor edges = BinEdges(Binning::kGeometric, layer.m_bins, at::kCPU);
  const auto expect_same = [&](const at::Tensor& q) {
    EXPECT_TRUE(HasSameBits(BinIndices(q, layer, Preset::kPytorchOod, Binning::kGeometric, edges),
                            SlowBinIndices(q, layer, Preset::kPytorchOod, Binning::kGeometric, edges)));
  };
  expect_same(at::randn({40, 30}).t() * 0.02);
  expect_same((at::randn({4, 7, 30}) * 0.02).select(1, 0));
  expect_same((at::randn({4, 1}) * 0.02).expand({4, 9}));
  expect_same(at::randn({0, 9}));
}

at::Tensor SlowHits(const at::Tensor& counts, const at::Tensor& bins) {
  return counts.gather(1, bins.transpose(0, 1)).transpose(0, 1).to(at::kFloat);
}

at::Tensor SlowCoverage(const at::Tensor& hits, int64_t o_star) {
  return at::clamp(hits / static_cast<double>(o_star), std::nullopt, 1.0);
}

struct Sizes {
  int64_t samples, neurons, m_bins;
};
const std::vector<Sizes> kSizes = {{1, 1, 2}, {1, 64, 50}, {4, 576, 50}, {16, 512, 51}, {3, 70000, 3}, {200, 33, 7}};

TEST(AddCounts, EqualsScatter) {
  at::manual_seed(14);
  for (const int threads : {1, 2, 4}) {
    const Threads scoped(threads);
    for (const Sizes& size : kSizes) {
      const at::Tensor bins = at::randint(size.m_bins, {size.samples, size.neurons}, at::kLong);
      at::Tensor counts = at::randint(9, {size.neurons, size.m_bins}, at::kLong);
      at::Tensor expected = counts.clone();
      expected.scatter_add_(1, bins.t(), at::ones_like(bins.t()));
      at::Tensor from_view = counts.clone();
      AddCounts(counts, bins);
      AddCounts(from_view, bins.t().contiguous().t());
      EXPECT_TRUE(counts.equal(expected));
      EXPECT_TRUE(from_view.equal(expected));
    }
  }
}

TEST(Hits, EqualTheGatheredCountsInBitsAndLayout) {
  at::manual_seed(15);
  for (const int threads : {1, 2, 4}) {
    const Threads scoped(threads);
    for (const Sizes& size : kSizes) {
      const at::Tensor bins = at::randint(size.m_bins, {size.samples, size.neurons}, at::kLong);
      at::Tensor counts = at::randint(200, {size.neurons, size.m_bins}, at::kLong);
      counts[0][0] = (int64_t{1} << 40) + 12345;  // no float32
      const at::Tensor hits = SlowHits(counts, bins);
      EXPECT_TRUE(HasSameBits(Hits(counts, bins), hits));
      EXPECT_TRUE(Hits(counts, bins).t().is_contiguous());
      for (const int64_t o_star : {1, 3, 50, 16777217}) {
        const at::Tensor expected = SlowCoverage(hits, o_star);
        for (const at::Tensor& phi : {NeuronCoverage(hits, o_star), NeuronCoverage(counts, bins, o_star)}) {
          EXPECT_TRUE(HasSameBits(phi, expected));
          EXPECT_EQ(phi.t().is_contiguous(), expected.t().is_contiguous());
          EXPECT_TRUE(HasSameBits(LayerCoverage(phi), expected.mean(1)));
        }
      }
    }
  }
}

}  // namespace

}  // namespace nacue
