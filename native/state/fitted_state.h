// What a fit leaves behind, and its file: docs/state-format.md. No LibTorch, no Node-API.
//
//   bytes -> safetensors.h (header, offsets) -> FittedState (metadata, counts, edges) -> bytes
//
// Reading trusts nothing and copies nothing but the header: the tensors stay views of the caller's bytes, which may lie
// at any address. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace nacue {

struct StateLayer {
  std::string name;
  int64_t m_bins = 0;   // M
  int64_t neurons = 0;  // N
  double alpha = 0.0;
  int64_t o_star = 0;
  std::string reduce;
  double weight = 1.0;
  std::span<const uint8_t> counts;  // (N, M) int64, little-endian
  std::span<const uint8_t> edges;   // (E,) float32, little-endian
};

struct StateThreshold {
  double value = 0.0;
  double tpr = 0.0;
};

struct FittedState {
  std::string preset;
  std::string binning;
  std::string aggregation;
  std::string mode = "parity";
  std::string precision;  // of the fast mode; empty in parity mode
  std::vector<StateLayer> layers;
  std::vector<size_t> execution_order;
  int64_t samples = 0;
  std::optional<std::vector<int64_t>> input_shape;
  std::optional<std::variant<int64_t, std::string>> output;
  std::string model_sha256;  // empty when unknown
  std::optional<StateThreshold> threshold;
  std::string libtorch_version;
  std::string nacue_version;
};

// E, the length of a layer's `edges`.
size_t EdgeCount(const std::string& binning, int64_t m_bins);

// Throws ERR_NACUE_STATE_FORMAT, _VERSION or _INVALID. The spans of the result point into `bytes`.
FittedState ReadState(std::span<const uint8_t> bytes);

// The same state gives the same bytes, always.
std::vector<uint8_t> WriteState(const FittedState& state);

// Adds the counts of states that differ in nothing but counts, samples, threshold and versions; the order does not
// matter, thresholds are dropped. Throws like ReadState, and ERR_NACUE_STATE_MISMATCH with the first difference.
std::vector<uint8_t> MergeStates(const std::vector<std::span<const uint8_t>>& states);

}  // namespace nacue
