// See sha256_blocks.h. FIPS 180-4, sections 4.1.2, 4.2.2 and 6.2.2; the names of variables are the standard's.
#include "sha256_blocks.h"

#include <cpuid.h>
#include <immintrin.h>

#include <bit>
#include <cstring>

namespace nacue {

namespace {

constexpr std::array<uint32_t, 64> kRoundConstants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

using Schedule = std::array<uint32_t, 64>;

Schedule MakeSchedule(const uint8_t* block) {
  Schedule w;
  std::memcpy(w.data(), block, kSha256BlockSize);
  for (size_t t = 0; t < 16; ++t) w[t] = __builtin_bswap32(w[t]);
  for (size_t t = 16; t < w.size(); ++t) {
    const uint32_t sigma0 = std::rotr(w[t - 15], 7) ^ std::rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
    const uint32_t sigma1 = std::rotr(w[t - 2], 17) ^ std::rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = sigma1 + w[t - 7] + sigma0 + w[t - 16];
  }
  return w;
}

}  // namespace

void HashBlocksPortable(Sha256State& state, const uint8_t* data, size_t blocks) {
  for (size_t block = 0; block < blocks; ++block) {
    const Schedule w = MakeSchedule(data + block * kSha256BlockSize);
    auto [a, b, c, d, e, f, g, h] = state;
    for (size_t t = 0; t < w.size(); ++t) {
      const uint32_t sum1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
      const uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + kRoundConstants[t] + w[t];
      const uint32_t sum0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
      const uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1;
      d = c, c = b, b = a, a = t1 + t2;
    }
    const Sha256State added = {a, b, c, d, e, f, g, h};
    for (size_t i = 0; i < state.size(); ++i) state[i] += added[i];
  }
}

// The instructions take the state as (a, b, e, f) and (c, d, g, h), highest lane first, and do two rounds each.
__attribute__((target("sha,sse4.1,ssse3"))) void HashBlocksAccelerated(Sha256State& state, const uint8_t* data,
                                                                       size_t blocks) {
  const auto lanes = [](auto... words) { return _mm_set_epi32(static_cast<int>(words)...); };
  const __m128i byte_order = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const auto [a, b, c, d, e, f, g, h] = state;
  __m128i abef = lanes(a, b, e, f);
  __m128i cdgh = lanes(c, d, g, h);
  for (size_t block = 0; block < blocks; ++block) {
    const auto* words = reinterpret_cast<const __m128i*>(data + block * kSha256BlockSize);
    // The four words of the schedule that are next, and the twelve after them.
    __m128i w0 = _mm_shuffle_epi8(_mm_loadu_si128(words), byte_order);
    __m128i w1 = _mm_shuffle_epi8(_mm_loadu_si128(words + 1), byte_order);
    __m128i w2 = _mm_shuffle_epi8(_mm_loadu_si128(words + 2), byte_order);
    __m128i w3 = _mm_shuffle_epi8(_mm_loadu_si128(words + 3), byte_order);
    const __m128i abef_before = abef;
    const __m128i cdgh_before = cdgh;
    for (size_t t = 0; t < kRoundConstants.size(); t += 4) {
      const auto* constants = reinterpret_cast<const __m128i*>(kRoundConstants.data() + t);
      const __m128i addends = _mm_add_epi32(w0, _mm_loadu_si128(constants));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, addends);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_unpackhi_epi64(addends, addends));
      const __m128i w4 =
          _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4)), w3);
      w0 = w1, w1 = w2, w2 = w3, w3 = w4;
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  std::array<uint32_t, 4> feba;
  std::array<uint32_t, 4> hgdc;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(feba.data()), abef);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(hgdc.data()), cdgh);
  state = {feba[3], feba[2], hgdc[3], hgdc[2], feba[1], feba[0], hgdc[1], hgdc[0]};
}

bool HasShaInstructions() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned kNeededInLeaf1 = bit_SSSE3 | bit_SSE4_1;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & kNeededInLeaf1) != kNeededInLeaf1) return false;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & bit_SHA) != 0;
}

}  // namespace nacue
