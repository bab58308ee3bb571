// What Markov sources are made of: rows of probabilities, draws from them, stationary distributions.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "framework/core/random.h"

namespace adder {

// A row from the symmetric Dirichlet distribution: Gamma(concentration, 1) variates over their sum. Below 1
// few entries share most of a row, above it they are alike. From 0.1 on no entry is 0.
std::vector<double> dirichlet_row(int64_t entries, double concentration, const Random& random);

// Running sums, for choose().
std::vector<double> cumulative(std::span<const double> row);
// The entry that u in [0, 1) falls on.
int64_t choose(std::span<const double> cumulative_row, double u);

// -sum p log p, in nats.
double entropy(std::span<const double> row);

// The stationary distribution of an irreducible chain; `transitions` (n, n), row i the step from i. By the
// elimination of Grassmann, Taksar and Heyman (1985), which never subtracts: each entry has all its digits
// however slowly the chain mixes. n^3 / 3 multiplications.
std::vector<double> stationary(std::vector<double> transitions, int64_t n);

// The same by repeated steps from the uniform distribution, for chains too large for that: step(p) is p after
// one step. An empty result where 100,000 steps don't reach it to 1e-12.
std::vector<double> stationary_by_steps(
    int64_t n, const std::function<std::vector<double>(const std::vector<double>&)>& step);

}  // namespace adder
