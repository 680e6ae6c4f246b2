// How well scores tell OOD from ID samples, for the search. The same definitions as lib/metrics.ts, which has the sources;
// test/72.tune.test.ts holds the two together. No LibTorch.
#pragma once

#include <vector>

namespace nacue {

enum class Metric { kAuroc, kAuprIn, kAuprOut, kFpr95 };

// Both classes in ascending order, neither empty; larger = more out-of-distribution.
double Separation(const std::vector<float>& id, const std::vector<float>& ood, Metric metric);

// Whether `a` is the better value.
bool IsBetter(double a, double b, Metric metric);

}  // namespace nacue
