// See name_suggestions.h: Levenshtein distance, the three nearest within half of the name's length.
#include "name_suggestions.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace nacue {

namespace {

size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string SuggestNames(const std::string& wanted, const std::vector<std::string>& known) {
  constexpr size_t kMostSuggestions = 3;
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& name : known) {
    const size_t distance = EditDistance(wanted, name);
    if (distance <= std::max<size_t>(2, wanted.size() / 2)) near.emplace_back(distance, name);
  }
  std::sort(near.begin(), near.end());
  if (near.empty()) return "; inspect() lists its " + std::to_string(known.size()) + " submodules";
  std::string text = "; did you mean ";
  for (size_t i = 0; i < std::min(near.size(), kMostSuggestions); ++i) text += (i ? ", '" : "'") + near[i].second + "'";
  return text + "?";
}

}  // namespace nacue
