// A Markov chain of order k over V symbols: p(x_t | x_(t-k) … x_(t-1)) is a row of a table of V^k rows. The row of
// a context is its number in base V, the oldest symbol first. Contexts form a chain of order 1; with pi its
// stationary distribution the entropy rate is  H = sum_c pi(c) H(p(. | c)), exactly.
#pragma once
#include "framework/data/generated.h"

namespace adder {

class MarkovChain : public TextSource {
 public:
  // `rows` (V^k, V): each positive and summing to 1. `seed`: of the streams.
  MarkovChain(int64_t symbols, int64_t order, std::vector<double> rows, uint64_t seed);
  static MarkovChain drawn(const GeneratedOptions& options);  // the rows from Dirichlet(concentration)

  std::string description() const override;
  int64_t symbols() const override { return symbols_; }
  std::vector<int32_t> draw(const std::string& stream, int64_t count) const override;
  std::vector<double> losses(const TokenSpan& tokens) const override;
  std::optional<double> entropy_rate() const override { return entropy_rate_; }

  const std::vector<double>& contexts() const { return contexts_; }  // pi: how often each context comes

 private:
  std::vector<double> row(int64_t context) const;
  int64_t after(int64_t context, int32_t symbol) const;
  std::vector<double> stationary_contexts() const;
  double prefix(int64_t value, int64_t length) const;

  int64_t symbols_, order_, count_ = 1;  // count_: V^k
  std::vector<double> rows_, sums_;      // probabilities, and their running sums
  uint64_t seed_;
  std::vector<double> contexts_;
  double entropy_rate_ = 0;
};

}  // namespace adder
