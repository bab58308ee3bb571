// A hidden Markov model of N states over V symbols: s_t ~ A(. | s_(t-1)), x_t ~ B(. | s_t), s_0 stationary. Its
// entropy rate has no closed form. What the best predictor loses on given tokens has: by the forward algorithm
//   p(x_t | x_<t) = sum_s f_t(s) B(x_t | s),   f_(t+1) = A^T (f_t B(x_t)) / p(x_t | x_<t),   f_0 = pi
#pragma once
#include "framework/data/generated.h"

namespace adder {

class HiddenMarkov : public TextSource {
 public:
  // `transitions` (N, N) and `emissions` (N, V): positive rows that sum to 1. `seed`: of the streams.
  HiddenMarkov(int64_t states, int64_t symbols, std::vector<double> transitions, std::vector<double> emissions,
               uint64_t seed);
  // Dirichlet rows; with probability `persistence` the state stays, else it moves as its row says.
  static HiddenMarkov drawn(const GeneratedOptions& options);

  std::string description() const override;
  int64_t symbols() const override { return symbols_; }
  std::vector<int32_t> draw(const std::string& stream, int64_t count) const override;
  std::vector<double> losses(const TokenSpan& tokens) const override;
  std::optional<double> entropy_rate() const override { return std::nullopt; }

 private:
  int64_t states_, symbols_;
  std::vector<double> transitions_, emissions_;
  std::vector<double> start_;  // pi
  uint64_t seed_;
};

}  // namespace adder
