#include "framework/inference/excess.h"

#include <cmath>
#include <string>

#include "framework/core/error.h"

namespace adder {

Excess excess_over(std::span<const double> floor, std::span<const double> losses) {
  if (floor.size() != losses.size() || losses.empty())
    throw Error("[excess] " + std::to_string(losses.size()) + " losses, " + std::to_string(floor.size()) +
                " of the source; expected as many, and some");
  const double n = double(losses.size());
  Excess result;
  for (size_t i = 0; i < losses.size(); ++i) result.floor += floor[i], result.mean += losses[i] - floor[i];
  result.floor /= n, result.mean /= n;
  double squares = 0;
  for (size_t i = 0; i < losses.size(); ++i) {
    const double away = losses[i] - floor[i] - result.mean;
    squares += away * away;
  }
  result.standard_error = std::sqrt(squares / (n - 1) / n);
  return result;
}

}  // namespace adder
