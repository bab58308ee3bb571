#include "framework/studies/scaling_fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>

#include "framework/core/error.h"
#include "framework/core/random.h"

namespace adder::statistics {
namespace {

// log E; then of each term log of its size at the middle of the points, and log of its exponent.
constexpr size_t kMost = 5;
using Theta = std::array<double, kMost>;

struct Problem {
  std::vector<std::vector<double>> x;  // by term: log size, less its mean
  std::vector<double> y;               // log loss
  std::vector<double> weight;          // how often a point was drawn
  double huber = 1e-3;
  size_t size() const { return 1 + 2 * x.size(); }
};

// The sum over the points, in units of huber^2, and its gradient.
double objective(const Problem& p, const Theta& theta, Theta& gradient) {
  gradient = {};
  double sum = 0;
  for (size_t i = 0; i < p.y.size(); ++i) {
    if (p.weight[i] == 0) continue;
    std::array<double, 3> terms = {std::exp(theta[0]), 0, 0};
    double loss = terms[0];
    for (size_t k = 0; k < p.x.size(); ++k)
      loss += terms[k + 1] = std::exp(theta[1 + 2 * k] - std::exp(theta[2 + 2 * k]) * p.x[k][i]);
    const double r = (std::log(loss) - p.y[i]) / p.huber;
    const double slope = p.weight[i] * std::clamp(r, -1.0, 1.0) / (p.huber * loss);
    sum += p.weight[i] * (std::abs(r) <= 1 ? r * r / 2 : std::abs(r) - 0.5);
    gradient[0] += slope * terms[0];
    for (size_t k = 0; k < p.x.size(); ++k) {
      gradient[1 + 2 * k] += slope * terms[k + 1];
      gradient[2 + 2 * k] -= slope * terms[k + 1] * std::exp(theta[2 + 2 * k]) * p.x[k][i];
    }
  }
  return std::isfinite(sum) ? sum : std::numeric_limits<double>::infinity();
}

double dot(const Theta& a, const Theta& b) {
  double sum = 0;
  for (size_t i = 0; i < kMost; ++i) sum += a[i] * b[i];
  return sum;
}

Theta moved(const Theta& from, double step, const Theta& direction) {
  Theta to = from;
  for (size_t i = 0; i < kMost; ++i) to[i] += step * direction[i];
  return to;
}

struct Place {
  Theta theta{}, gradient{};
  double value = 0;
};

// A step along `direction` that falls enough and steepens no more (weak Wolfe), by bisection and doubling: what BFGS needs
// where a function has kinks (Lewis & Overton, 2013), as huber() nearly has. False where there is none.
bool search(const Problem& p, const Theta& direction, Place& at) {
  const double slope = dot(at.gradient, direction);
  double low = 0, high = std::numeric_limits<double>::infinity(), step = 1;
  Place next;
  for (int i = 0; i < 50; ++i) {
    next.theta = moved(at.theta, step, direction);
    next.value = objective(p, next.theta, next.gradient);
    if (next.value > at.value + 1e-4 * step * slope) high = step;
    else if (dot(next.gradient, direction) < 0.9 * slope) low = step;
    else break;
    step = std::isfinite(high) ? (low + high) / 2 : 2 * low;
  }
  if (!(next.value < at.value)) return false;
  at = next;
  return true;
}

using Matrix = std::array<Theta, kMost>;

Matrix identity() {
  Matrix m{};
  for (size_t i = 0; i < kMost; ++i) m[i][i] = 1;
  return m;
}

Theta times(const Matrix& m, const Theta& v) {
  Theta result{};
  for (size_t i = 0; i < kMost; ++i) result[i] = dot(m[i], v);
  return result;
}

// Nocedal & Wright (2006), 6.17: h estimates the inverse of the second derivative.
void update(Matrix& h, const Theta& s, const Theta& y) {
  const double sy = dot(s, y);
  if (!(sy > 1e-14)) return;
  const Theta hy = times(h, y);
  const double yhy = dot(y, hy);
  for (size_t i = 0; i < kMost; ++i)
    for (size_t j = 0; j < kMost; ++j) h[i][j] += (1 + yhy / sy) * s[i] * s[j] / sy - (hy[i] * s[j] + s[i] * hy[j]) / sy;
}

Place minimise(const Problem& p, const Theta& start, int iterations) {
  Place at;
  at.theta = start;
  at.value = objective(p, at.theta, at.gradient);
  Matrix h = identity();
  for (int i = 0; i < iterations; ++i) {
    Theta direction = times(h, at.gradient);
    for (double& d : direction) d = -d;
    if (!(dot(direction, at.gradient) < 0)) break;
    if (i == 0) {  // a gradient is no step yet: at most half a unit of a logarithm
      const double length = std::sqrt(dot(direction, direction));
      for (double& d : direction) d *= std::min(1.0, 0.5 / length);
    }
    const Place before = at;
    if (!search(p, direction, at)) break;
    Theta s = at.theta, y = at.gradient;
    for (size_t k = 0; k < kMost; ++k) s[k] -= before.theta[k], y[k] -= before.gradient[k];
    update(h, s, y);
    if (before.value - at.value < 1e-10 * (1 + at.value)) break;
  }
  return at;
}

// Every exponent and floor of a grid, the rest of the mean loss shared by the terms.
Place from_a_grid(const Problem& p) {
  double mean = 0;
  for (const double y : p.y) mean += std::exp(y) / double(p.y.size());
  const double least = std::exp(*std::min_element(p.y.begin(), p.y.end()));
  Place best;
  best.value = std::numeric_limits<double>::infinity();
  const std::vector<double> exponents = {0.1, 0.3, 0.7, 1.4};
  for (const double share : {0.3, 0.7, 0.95})
    for (const double first : exponents)
      for (const double second : p.x.size() > 1 ? exponents : std::vector<double>{1}) {
        const double term = std::log((mean - share * least) / double(p.x.size()));
        Theta start = {std::log(share * least), term, std::log(first), p.x.size() > 1 ? term : 0, p.x.size() > 1 ? std::log(second) : 0};
        const Place at = minimise(p, start, 200);
        if (at.value < best.value) best = at;
      }
  return best;
}

// A resample's fit: from the fit to all, and from either side of its floor.
Place from_near(const Problem& p, const Theta& near) {
  Place best = minimise(p, near, 200);
  for (const double shift : {-0.1, 0.1}) {
    Theta start = near;
    start[0] += shift;
    const Place at = minimise(p, start, 200);
    if (at.value < best.value) best = at;
  }
  return best;
}

std::vector<double ScalingPoint::*> sizes_of(ScalingLaw law) {
  if (law == ScalingLaw::parameters) return {&ScalingPoint::parameters};
  if (law == ScalingLaw::tokens) return {&ScalingPoint::tokens};
  return {&ScalingPoint::parameters, &ScalingPoint::tokens};
}

// The places of the runs of each size: the sizes are design, the seeds are chance.
std::vector<std::vector<size_t>> runs_of_a_size(const std::vector<ScalingPoint>& points) {
  std::map<std::pair<double, double>, std::vector<size_t>> sizes;
  for (size_t i = 0; i < points.size(); ++i) sizes[{points[i].parameters, points[i].tokens}].push_back(i);
  std::vector<std::vector<size_t>> list;
  for (const auto& [size, runs] : sizes) list.push_back(runs);
  return list;
}

}  // namespace

double ScalingConstants::at(double parameters, double tokens) const {
  return floor + (a > 0 ? a * std::pow(parameters, -alpha) : 0) + (b > 0 ? b * std::pow(tokens, -beta) : 0);
}

std::string lacks_for_scaling(const std::vector<ScalingPoint>& points, ScalingLaw law) {
  const auto sizes = sizes_of(law);
  std::set<std::pair<double, double>> different;
  for (const ScalingPoint& p : points) different.emplace(sizes.size() > 1 || sizes[0] == &ScalingPoint::parameters ? p.parameters : 0,
                                                         sizes.size() > 1 || sizes[0] == &ScalingPoint::tokens ? p.tokens : 0);
  const size_t constants = 1 + 2 * sizes.size();
  if (different.size() <= constants)
    return std::to_string(different.size()) + " different sizes can't tell its " + std::to_string(constants) + " constants, expected at least " + std::to_string(constants + 1);
  for (const auto size : sizes) {
    std::set<double> one;
    for (const ScalingPoint& p : points) one.insert(p.*size);
    if (one.size() < 3)
      return std::to_string(one.size()) + " different numbers of " + (size == &ScalingPoint::parameters ? "parameters" : "tokens") + " can't tell an exponent, expected at least 3";
  }
  return "";
}

ScalingFit fit_scaling_law(const std::vector<ScalingPoint>& points, ScalingLaw law, double confidence, int64_t draws, double huber,
                           uint64_t seed) {
  if (const std::string lacks = lacks_for_scaling(points, law); !lacks.empty()) throw Error("[scaling fit] " + lacks);
  const auto sizes = sizes_of(law);
  Problem p;
  p.huber = huber, p.weight.assign(points.size(), 1);
  for (const ScalingPoint& point : points) {
    if (!(point.loss > 0)) throw Error("[scaling fit] a loss is " + std::to_string(point.loss) + ", expected above 0");
    p.y.push_back(std::log(point.loss));
  }
  std::vector<double> middles;
  for (const auto size : sizes) {
    std::vector<double> x;
    for (const ScalingPoint& point : points) x.push_back(std::log(point.*size));
    middles.push_back(mean(x));
    for (double& v : x) v -= middles.back();
    p.x.push_back(std::move(x));
  }
  const Place best = from_a_grid(p);
  ScalingFit fit;
  ScalingConstants& c = fit.constants;
  c.floor = std::exp(best.theta[0]);
  for (size_t k = 0; k < sizes.size(); ++k) {
    const double exponent = std::exp(best.theta[2 + 2 * k]), factor = std::exp(best.theta[1 + 2 * k] + exponent * middles[k]);
    if (sizes[k] == &ScalingPoint::parameters) c.a = factor, c.alpha = exponent;
    else c.b = factor, c.beta = exponent;
  }
  for (const ScalingPoint& point : points) fit.residuals.push_back(std::log(point.loss / c.at(point.parameters, point.tokens)));

  const Random random(seed, "scaling bootstrap");
  std::vector<std::vector<double>> found(1 + sizes.size());
  const std::vector<std::vector<size_t>> alike = runs_of_a_size(points);
  const bool repeated = std::all_of(alike.begin(), alike.end(), [](const auto& runs) { return runs.size() > 1; });
  for (int64_t draw = 0; repeated && draw < draws; ++draw) {
    std::fill(p.weight.begin(), p.weight.end(), 0);
    uint64_t place = uint64_t(draw) * points.size();
    for (const std::vector<size_t>& runs : alike)
      for (size_t i = 0; i < runs.size(); ++i) p.weight[runs[random.below(place++, runs.size())]] += 1;
    const Place at = from_near(p, best.theta);
    found[0].push_back(std::exp(at.theta[0]));
    for (size_t k = 0; k < sizes.size(); ++k) found[k + 1].push_back(std::exp(at.theta[2 + 2 * k]));
  }
  const auto interval = [&](std::vector<double>& values) {
    if (values.empty()) return Interval{-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
    return Interval{quantile(values, (1 - confidence) / 2), quantile(values, (1 + confidence) / 2)};
  };
  fit.floor = interval(found[0]), fit.alpha = fit.beta = {0, 0};
  for (size_t k = 0; k < sizes.size(); ++k) (sizes[k] == &ScalingPoint::parameters ? fit.alpha : fit.beta) = interval(found[k + 1]);
  return fit;
}

}  // namespace adder::statistics
