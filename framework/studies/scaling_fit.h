// A scaling law fitted to runs (Hoffmann et al., 2022, approach 3):
//   L(N, D) = E + A N^-alpha + B D^-beta
// by the least sum of huber(log L(N_i, D_i) - log L_i), huber(r) = r^2 / 2 up to `huber`, linear beyond.
// N: parameters, D: tokens of training, L: nats. Either term may be left out. All five constants are above 0.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "framework/studies/statistics.h"

namespace adder::statistics {

struct ScalingPoint {
  double parameters, tokens, loss;
};
enum class ScalingLaw { parameters, tokens, both };  // the terms that it has beside E

struct ScalingConstants {
  double floor = 0, a = 0, alpha = 0, b = 0, beta = 0;  // 0: of a term that the law has not
  double at(double parameters, double tokens) const;
};

struct ScalingFit {
  ScalingConstants constants;
  Interval floor, alpha, beta;    // percentiles of the bootstrap; alpha or beta 0, 0 where there is no such term
  std::vector<double> residuals;  // log of loss over fit, in the order of the points
};

// By BFGS from a grid of starts; the intervals by fits to `draws` resamples of each size's runs among themselves, for the sizes
// are design and the seeds chance. Without end where a size has one run alone: nothing tells its scatter then.
// Error where a term has fewer than three different sizes, or the points are no more than the constants.
ScalingFit fit_scaling_law(const std::vector<ScalingPoint>& points, ScalingLaw law, double confidence = 0.95, int64_t draws = 1000,
                           double huber = 1e-3, uint64_t seed = 0);

// Why these sizes don't determine the law, in words; empty where they do.
std::string lacks_for_scaling(const std::vector<ScalingPoint>& points, ScalingLaw law);

}  // namespace adder::statistics
