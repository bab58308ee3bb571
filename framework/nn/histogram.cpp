#include "framework/nn/histogram.h"

#include <algorithm>
#include <cmath>

namespace adder {

void Histogram::add(double x) {
  const double size = std::abs(x);
  if (size < edge(0)) return void(++counts.front());
  if (!(size < edge(kBins))) return void(++counts.back());
  ++counts[size_t(std::ilogb(size) - kLowest)];
}

void Histogram::add(const Histogram& other) {
  for (size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
}

int64_t Histogram::total() const {
  int64_t sum = 0;
  for (const int64_t n : counts) sum += n;
  return sum;
}

double Histogram::edge(int i) { return std::ldexp(1.0, kLowest + i); }

std::vector<int64_t> Histogram::packed() const {
  const auto filled = [](int64_t n) { return n != 0; };
  const auto first = std::find_if(counts.begin(), counts.end(), filled);
  if (first == counts.end()) return {};
  const auto last = std::find_if(counts.rbegin(), counts.rend(), filled).base();
  std::vector<int64_t> list = {kLowest + (first - counts.begin())};
  list.insert(list.end(), first, last);
  return list;
}

bool Histogram::unpack(const std::vector<int64_t>& packed, Histogram& histogram) {
  histogram = {};
  if (packed.empty()) return true;
  const int64_t first = packed[0] - kLowest, count = int64_t(packed.size()) - 1;
  if (first < 0 || first > kBins || count < 1 || first + count > kBins) return false;
  for (int64_t i = 0; i < count; ++i) {
    if (packed[size_t(i + 1)] < 0) return false;
    histogram.counts[size_t(first + i)] = packed[size_t(i + 1)];
  }
  return true;
}

}  // namespace adder
