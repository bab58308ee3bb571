// Counts of |x| in bins that double: the same bins for every tensor of every run, so that histograms add and stand side by
// side over a training.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace adder {

struct Histogram {
  static constexpr int kLowest = -44, kBins = 64;  // from 6e-14 to 5e5
  // Bin i: 2^(kLowest + i) <= |x| < 2^(kLowest + i + 1). The first one has all below it, too, and 0; the last one all above
  // it, and what is not finite.
  std::array<int64_t, kBins> counts{};

  void add(double x);
  void add(const Histogram& other);
  int64_t total() const;
  static double edge(int i);  // where bin i begins

  // [power of two where the first bin that is not empty begins, its count, …, the last count that is not 0]; [] where all are 0.
  std::vector<int64_t> packed() const;
  // False where the list is none of these.
  static bool unpack(const std::vector<int64_t>& packed, Histogram& histogram);
};

using Histograms = std::vector<std::pair<std::string, Histogram>>;

}  // namespace adder
