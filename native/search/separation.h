// How well scores tell OOD from ID samples, for the search. The same definitions as lib/metrics.ts, which has the
// sources; native/test/search_test.cc and test/72.tune.test.ts hold the two together. No LibTorch.
#pragma once

#include <span>

namespace nacue {

enum class Metric { kAuroc, kAuprIn, kAuprOut, kFpr95 };

// Both classes in ascending order, neither empty, without NaN; larger = more out-of-distribution.
double Separation(std::span<const float> id, std::span<const float> ood, Metric metric);

// Whether `a` is the better value.
bool IsBetter(double a, double b, Metric metric);

}  // namespace nacue
