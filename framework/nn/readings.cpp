#include "framework/nn/readings.h"

#include <algorithm>

namespace adder {

void Readings::mean(const std::string& name, double sum, double count) {
  Reading& r = readings_.try_emplace(name, Reading{0, 0}).first->second;
  r.value += sum, r.count += count;
}

void Readings::largest(const std::string& name, double value) {
  Reading& r = readings_.try_emplace(name, Reading{value, 1}).first->second;
  r.value = std::max(r.value, value);
}

void Readings::total(const std::string& name, double value) {
  readings_.try_emplace(name, Reading{0, 1}).first->second.value += value;
}

std::vector<std::pair<std::string, double>> Readings::values() const {
  std::vector<std::pair<std::string, double>> list;
  for (const auto& [name, r] : readings_) list.emplace_back(name, r.value / r.count);
  return list;
}

}  // namespace adder
