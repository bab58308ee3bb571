// The Hessian H of a loss, through its products with vectors. Backward is not recorded, so a product is a central difference
// of float64 gradients, two backward passes: H v = (grad L(theta + e v) - grad L(theta - e v)) / 2e + O(e^2).
#pragma once
#include <functional>

#include "framework/gradient_lab/batch_loss.h"

namespace adder::lab {

using Product = std::function<Flat(const Flat&)>;  // v -> H v

// At `at`, where the model stands again afterwards. The step is 1e-5 of the parameters' norm (or of 1, where that is less), along v.
Flat hessian_product(const BatchLoss& loss, const Flat& at, const Flat& v);

struct Eigenvalue {
  double value = 0;
  double residual = 0;     // |H v - value v|, |v| = 1: some eigenvalue lies that near
  int64_t products = 0;
  bool converged = false;  // the value moved by less than `tolerance` of itself
};

// The largest by power iteration, from a random start. Where the one of largest size is below 0, H is shifted by it, and the
// iteration begins again: at most `most` products each time.
Eigenvalue largest_eigenvalue(const Product& product, int64_t size, int64_t most, double tolerance = 1e-3, uint64_t seed = 1);

struct TraceEstimate {
  double value = 0, error = 0;  // the mean of v . H v over random signs v, and its standard error (Hutchinson 1990)
  int64_t products = 0;
};
TraceEstimate trace_estimate(const Product& product, int64_t size, int64_t probes, uint64_t seed = 1);

}  // namespace adder::lab
