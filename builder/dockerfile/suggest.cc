#include "builder/dockerfile/suggest.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <vector>

namespace acetate::dockerfile {

namespace {

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

// Optimal string alignment: insert, delete, replace, swap two neighbours.
std::size_t distance(std::string_view a, std::string_view b, Case letters) {
  const auto equal = [letters](char x, char y) { return letters == Case::counts ? x == y : lower(x) == lower(y); };
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = equal(a[i - 1], b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && equal(a[i - 1], b[j - 2]) && equal(a[i - 2], b[j - 1]))
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view typed, std::span<const std::string_view> candidates, Case letters) {
  std::string_view best;
  std::size_t best_distance = 3;
  for (const std::string_view candidate : candidates) {
    const std::size_t d = distance(typed, candidate, letters);
    // Of so few letters two are most of the word, unless it only was not typed to its end.
    if (d >= best_distance || (d > 1 && typed.size() < 4 && !candidate.starts_with(typed))) continue;
    best = candidate;
    best_distance = d;
  }
  return best;
}

std::string did_you_mean(std::string_view typed, std::span<const std::string_view> candidates) {
  const std::string_view best = nearest(typed, candidates);
  return best.empty() ? "" : " (did you mean " + std::string(best) + "?)";
}

}  // namespace acetate::dockerfile
