// See separation.h. One walk over both classes, on which equal scores enter together.
#include "separation.h"

#include <vector>

namespace nacue {

namespace {

// Samples on this side of a threshold.
struct Seen {
  double positives = 0;
  double negatives = 0;
};

// Positives are what the walk looks for: OOD from the highest score down, or ID from the lowest up.
template <typename Visit>
void WalkDown(std::span<const float> id, std::span<const float> ood, const Visit& visit) {
  auto next_id = id.rbegin();
  auto next_ood = ood.rbegin();
  Seen seen;
  while (next_id != id.rend() || next_ood != ood.rend()) {
    const Seen before = seen;
    const bool takes_id = next_ood == ood.rend() || (next_id != id.rend() && *next_id >= *next_ood);
    const float threshold = takes_id ? *next_id : *next_ood;
    for (; next_id != id.rend() && !(*next_id < threshold); ++next_id) ++seen.negatives;
    for (; next_ood != ood.rend() && !(*next_ood < threshold); ++next_ood) ++seen.positives;
    if (!visit(before, seen)) return;
  }
}

double AreaUnderRoc(std::span<const float> id, std::span<const float> ood) {
  double area = 0;
  WalkDown(id, ood, [&](const Seen& before, const Seen& seen) {
    area += (seen.negatives - before.negatives) * (seen.positives + before.positives) / 2;
    return true;
  });
  return area / (static_cast<double>(id.size()) * static_cast<double>(ood.size()));
}

double AreaUnderPr(std::span<const float> negatives, std::span<const float> positives) {
  double area = 0;
  double precision_before = 1;
  WalkDown(negatives, positives, [&](const Seen& before, const Seen& seen) {
    const double precision = seen.positives / (seen.positives + seen.negatives);
    area += (seen.positives - before.positives) * (precision + precision_before) / 2;
    precision_before = precision;
    return true;
  });
  return area / static_cast<double>(positives.size());
}

double FalsePositiveRate(std::span<const float> id, std::span<const float> ood, double tpr) {
  double rate = 1;
  WalkDown(id, ood, [&](const Seen&, const Seen& seen) {
    if (seen.positives / static_cast<double>(ood.size()) < tpr) return true;
    rate = seen.negatives / static_cast<double>(id.size());
    return false;
  });
  return rate;
}

// Ascending, with the sign turned.
std::vector<float> Mirrored(std::span<const float> sorted) {
  std::vector<float> mirrored(sorted.rbegin(), sorted.rend());
  for (float& value : mirrored) value = -value;
  return mirrored;
}

}  // namespace

double Separation(std::span<const float> id, std::span<const float> ood, Metric metric) {
  constexpr double kTpr = 0.95;
  switch (metric) {
    case Metric::kAuroc:
      return AreaUnderRoc(id, ood);
    case Metric::kAuprOut:
      return AreaUnderPr(id, ood);
    case Metric::kAuprIn:
      return AreaUnderPr(Mirrored(ood), Mirrored(id));
    case Metric::kFpr95:
      return FalsePositiveRate(id, ood, kTpr);
  }
  return 0;
}

bool IsBetter(double a, double b, Metric metric) {
  return metric == Metric::kFpr95 ? a < b : a > b;
}

}  // namespace nacue
