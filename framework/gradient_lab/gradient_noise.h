// How noisy a gradient is, from its norm at two batch sizes (McCandlish et al. 2018, "An Empirical Model of Large-Batch
// Training", appendix A.1). Both are free of bias:
//   |G|^2     = (B_big |G_big|^2 - B_small |G_small|^2) / (B_big - B_small)
//   tr(Sigma) = (|G_small|^2 - |G_big|^2) / (1 / B_small - 1 / B_big)
// Sigma is the covariance of one row's gradient. Their ratio, B_simple, is the batch, in rows, at which noise and gradient
// are alike: far below it more rows pay, far above they do not.
#pragma once
#include <cstdint>

namespace adder::lab {

struct GradientNoise {
  double square = 0, trace = 0;              // |G|^2, tr(Sigma); an estimate may fall below 0
  double scale() const { return trace / square; }
};

// small_square: the mean of |G_small|^2 over the parts of the batch. An Error unless 0 < small < big.
GradientNoise gradient_noise(int64_t small, double small_square, int64_t big, double big_square);

}  // namespace adder::lab
