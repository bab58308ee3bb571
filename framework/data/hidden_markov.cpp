#include "framework/data/hidden_markov.h"

#include <cmath>

#include "framework/core/error.h"
#include "framework/data/stochastic.h"

namespace adder {
namespace {

std::vector<double> rows(int64_t count, int64_t entries, double concentration, uint64_t seed,
                         const char* purpose) {
  std::vector<double> all;
  for (int64_t i = 0; i < count; ++i) {
    const auto row = dirichlet_row(entries, concentration, Random(seed, purpose, uint64_t(i)));
    all.insert(all.end(), row.begin(), row.end());
  }
  return all;
}

// Row by row.
std::vector<double> running_sums(const std::vector<double>& table, int64_t columns) {
  std::vector<double> sums;
  for (size_t at = 0; at < table.size(); at += size_t(columns)) {
    const auto row = cumulative(std::span(table).subspan(at, size_t(columns)));
    sums.insert(sums.end(), row.begin(), row.end());
  }
  return sums;
}

}  // namespace

HiddenMarkov::HiddenMarkov(int64_t states, int64_t symbols, std::vector<double> transitions,
                           std::vector<double> emissions, uint64_t seed)
    : states_(states),
      symbols_(symbols),
      transitions_(std::move(transitions)),
      emissions_(std::move(emissions)),
      start_(stationary(transitions_, states)),
      seed_(seed) {}

HiddenMarkov HiddenMarkov::drawn(const GeneratedOptions& o) {
  std::vector<double> moves = rows(o.states, o.states, o.concentration, o.seed, "hmm transitions");
  for (double& p : moves) p *= 1 - o.persistence;
  for (int64_t s = 0; s < o.states; ++s) moves[size_t(s * o.states + s)] += o.persistence;
  return HiddenMarkov(o.states, o.symbols, std::move(moves),
                      rows(o.states, o.symbols, o.emission_concentration, o.seed, "hmm emissions"), o.seed);
}

std::string HiddenMarkov::description() const {
  return "hidden Markov model of " + std::to_string(states_) + " states over " + std::to_string(symbols_) +
         " symbols";
}

std::vector<int32_t> HiddenMarkov::draw(const std::string& stream, int64_t count) const {
  const Random moves(seed_, "hmm states " + stream), shown(seed_, "hmm symbols " + stream);
  const std::vector<double> next = running_sums(transitions_, states_), emit = running_sums(emissions_, symbols_);
  const auto row = [](const std::vector<double>& table, int64_t i, int64_t columns) {
    return std::span(table).subspan(size_t(i * columns), size_t(columns));
  };
  std::vector<int32_t> tokens;
  tokens.reserve(size_t(count));
  int64_t state = choose(cumulative(start_), moves.uniform(0));
  for (int64_t t = 0; t < count; ++t) {
    if (t > 0) state = choose(row(next, state, states_), moves.uniform(uint64_t(t)));
    tokens.push_back(int32_t(choose(row(emit, state, symbols_), shown.uniform(uint64_t(t)))));
  }
  return tokens;
}

std::vector<double> HiddenMarkov::losses(const TokenSpan& tokens) const {
  std::vector<double> losses;
  losses.reserve(size_t(tokens.size()));
  std::vector<double> expected = start_, next(start_.size());
  for (int64_t t = 0; t < tokens.size(); ++t) {
    const int32_t symbol = tokens[t];
    if (symbol < 0 || symbol >= symbols_)
      throw Error("[hmm] token " + std::to_string(t) + " is " + std::to_string(symbol) + ", expected 0 to " +
                  std::to_string(symbols_ - 1));
    double p = 0;
    for (int64_t s = 0; s < states_; ++s)
      p += expected[size_t(s)] *= emissions_[size_t(s * symbols_ + symbol)];
    losses.push_back(-std::log(p));
    std::fill(next.begin(), next.end(), 0.0);
    for (int64_t s = 0; s < states_; ++s) {
      const double share = expected[size_t(s)] / p;
      const double* from = transitions_.data() + s * states_;
      for (int64_t to = 0; to < states_; ++to) next[size_t(to)] += share * from[to];
    }
    expected.swap(next);
  }
  return losses;
}

}  // namespace adder
