// How far a model is from the source that drew its text: the difference of their losses on the same tokens.
#pragma once
#include <span>

namespace adder {

// d_t = the model's loss of token t - the source's. Given what came before, the expectation of d_t is a
// Kullback-Leibler divergence and thus no less than 0; what is left of d_t is uncorrelated from token to token, so
// that its mean has the standard error of independent differences.
struct Excess {
  double floor = 0;           // the source's mean loss, nats a token
  double mean = 0;            // of d_t
  double standard_error = 0;  // of that mean; NaN for a single token
};

// Losses of the same tokens in the same order. An Error where these are not as many, or none.
Excess excess_over(std::span<const double> floor, std::span<const double> losses);

}  // namespace adder
