#include "framework/gradient_lab/row_gradients.h"

#include <cmath>

#include "framework/core/error.h"

namespace adder::lab {
namespace {

constexpr double kStill = 1e-24;  // of the coordinate's square: what rounding leaves of a variance that is 0

}  // namespace

void RowGradients::add(const Flat& gradient) {
  norms_.push_back(norm(gradient)), dots_.push_back(dot(gradient, mean_));
  for (size_t j = 0; j < mean_.size(); ++j) squares_[j] += (gradient[j] - mean_[j]) * (gradient[j] - mean_[j]);
}

RowFigures RowGradients::figures() const {
  RowFigures f;
  f.rows = int64_t(norms_.size()), f.size = int64_t(mean_.size());
  if (f.rows < 2) throw Error("[row_gradients] there is " + std::to_string(f.rows) + " row, expected at least 2: one alone has no spread");
  const double N = double(f.rows);
  f.square = dot(mean_, mean_);
  double spread = 0, along = 0, ratios = 0;
  for (size_t j = 0; j < mean_.size(); ++j) {
    spread += squares_[j];
    const double variance = squares_[j] / (N - 1), square = mean_[j] * mean_[j];
    if (variance <= kStill * square || variance == 0) ++f.still;
    else ratios += square / variance;
  }
  for (size_t n = 0; n < norms_.size(); ++n) {
    f.mean_square += norms_[n] * norms_[n] / N;
    f.projections.push_back(dots_[n] / f.square);
    along += std::pow(f.projections.back() - 1, 2);
  }
  f.norms = norms_;
  f.trace = spread / (N - 1);
  f.noise = gradient_noise(1, f.mean_square, f.rows, f.square);
  f.norm_test = std::sqrt(spread / (N * (N - 1) * f.square));
  f.inner_product_test = std::sqrt(along / (N * (N - 1)));
  f.orthogonality_test = std::sqrt(std::max(0.0, f.norm_test * f.norm_test - f.inner_product_test * f.inner_product_test));
  f.mean_gsnr = ratios / double(f.size - f.still);
  f.early_stopping = 1 - N * f.mean_gsnr;
  return f;
}

}  // namespace adder::lab
