// The kernels of the image that the addon carries, by name. native/core/cuda_kernels.cc launches them.
#include "bin_indices.cuh"
#include "coverage.cuh"
#include "finite_rows.cuh"
#include "pooled_product.cuh"

using nacue::Bfloat16;

constexpr int kFloatsPerPack = nacue::kPackBytes / sizeof(float);
constexpr int kBfloat16sPerPack = nacue::kPackBytes / sizeof(Bfloat16);

// Loads of 16 bytes where the sizes allow it, of one value elsewhere.
NACUE_KERNEL(pool_rows_float_packed,
             (const float* z, const float* gradient, float* q, int64_t rows, int64_t pooled, float scale),
             (nacue::PoolRows<float, kFloatsPerPack>(z, gradient, q, rows, pooled, scale)))
NACUE_KERNEL(pool_rows_float,
             (const float* z, const float* gradient, float* q, int64_t rows, int64_t pooled, float scale),
             (nacue::PoolRows<float, 1>(z, gradient, q, rows, pooled, scale)))
NACUE_KERNEL(pool_rows_bfloat16_packed,
             (const Bfloat16* z, const Bfloat16* gradient, float* q, int64_t rows, int64_t pooled, float scale),
             (nacue::PoolRows<Bfloat16, kBfloat16sPerPack>(z, gradient, q, rows, pooled, scale)))
NACUE_KERNEL(pool_rows_bfloat16,
             (const Bfloat16* z, const Bfloat16* gradient, float* q, int64_t rows, int64_t pooled, float scale),
             (nacue::PoolRows<Bfloat16, 1>(z, gradient, q, rows, pooled, scale)))

NACUE_KERNEL(pool_columns_float_packed,
             (const float* z, const float* gradient, float* q, int64_t pooled, int64_t neurons, float scale),
             (nacue::PoolColumns<float, kFloatsPerPack, nacue::kPackedColumns>(z, gradient, q, pooled, neurons, scale)))
NACUE_KERNEL(pool_columns_float,
             (const float* z, const float* gradient, float* q, int64_t pooled, int64_t neurons, float scale),
             (nacue::PoolColumns<float, 1, nacue::kSingleColumns>(z, gradient, q, pooled, neurons, scale)))
NACUE_KERNEL(pool_columns_bfloat16_packed,
             (const Bfloat16* z, const Bfloat16* gradient, float* q, int64_t pooled, int64_t neurons, float scale),
             (nacue::PoolColumns<Bfloat16, kBfloat16sPerPack, nacue::kPackedColumns>(z, gradient, q, pooled, neurons,
                                                                                     scale)))
NACUE_KERNEL(pool_columns_bfloat16,
             (const Bfloat16* z, const Bfloat16* gradient, float* q, int64_t pooled, int64_t neurons, float scale),
             (nacue::PoolColumns<Bfloat16, 1, nacue::kSingleColumns>(z, gradient, q, pooled, neurons, scale)))

NACUE_KERNEL(multiply_float, (const float* z, const float* gradient, float* q, int64_t count),
             (nacue::Multiply(z, gradient, q, count)))
NACUE_KERNEL(multiply_bfloat16, (const Bfloat16* z, const Bfloat16* gradient, float* q, int64_t count),
             (nacue::Multiply(z, gradient, q, count)))

NACUE_KERNEL(bins_geometric,
             (const float* q, int64_t* bins, int64_t count, float alpha, int64_t m_bins, const float* edges,
              int64_t edge_count),
             (nacue::FindBins(q, bins, count, alpha, m_bins, nacue::GeometricBin{edges, edge_count})))
NACUE_KERNEL(bins_openood,
             (const float* q, int64_t* bins, int64_t count, float alpha, int64_t m_bins, const double* edges,
              int64_t edge_count),
             (nacue::FindBins(q, bins, count, alpha, m_bins, nacue::OpenOodBin{edges, edge_count})))
NACUE_KERNEL(bins_uniform, (const float* q, int64_t* bins, int64_t count, float alpha, int64_t m_bins),
             (nacue::FindBins(q, bins, count, alpha, m_bins, nacue::UniformBin{})))
NACUE_KERNEL(bins_logit, (const float* q, int64_t* bins, int64_t count, float alpha, int64_t m_bins),
             (nacue::FindBins(q, bins, count, alpha, m_bins, nacue::LogitBin{})))

NACUE_KERNEL(count_bins, (const int64_t* bins, int64_t* counts, int64_t samples, int64_t neurons, int64_t m_bins),
             (nacue::CountBins(bins, counts, samples, neurons, m_bins)))
NACUE_KERNEL(cover_sample,
             (const int64_t* counts, const int64_t* bins, float* coverage, int64_t neurons, int64_t m_bins,
              float per_o_star, float per_neuron),
             (nacue::CoverSample(counts, bins, coverage, neurons, m_bins, per_o_star, per_neuron)))

NACUE_KERNEL(check_row_float, (const float* values, bool* is_finite, int64_t row_size),
             (nacue::CheckRow(values, is_finite, row_size)))
NACUE_KERNEL(check_row_bfloat16, (const Bfloat16* values, bool* is_finite, int64_t row_size),
             (nacue::CheckRow(values, is_finite, row_size)))
