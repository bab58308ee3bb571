#include "framework/data/markov_chain.h"

#include <cmath>

#include "framework/core/error.h"
#include "framework/data/stochastic.h"

namespace adder {
namespace {
constexpr int64_t kEliminated = 1024;  // so many contexts are solved for directly
}

MarkovChain::MarkovChain(int64_t symbols, int64_t order, std::vector<double> rows, uint64_t seed)
    : symbols_(symbols), order_(order), rows_(std::move(rows)), seed_(seed) {
  for (int64_t i = 0; i < order; ++i) count_ *= symbols;
  if (int64_t(rows_.size()) != count_ * symbols)
    throw Error("[markov] " + std::to_string(rows_.size()) + " probabilities, expected " +
                std::to_string(count_ * symbols));
  for (int64_t c = 0; c < count_; ++c) {
    const std::vector<double> sums = cumulative(row(c));
    sums_.insert(sums_.end(), sums.begin(), sums.end());
  }
  contexts_ = stationary_contexts();
  for (int64_t c = 0; c < count_; ++c) entropy_rate_ += contexts_[size_t(c)] * entropy(row(c));
}

MarkovChain MarkovChain::drawn(const GeneratedOptions& o) {
  int64_t count = 1;
  for (int64_t i = 0; i < o.order; ++i) count *= o.symbols;
  std::vector<double> rows;
  for (int64_t c = 0; c < count; ++c) {
    const auto row = dirichlet_row(o.symbols, o.concentration, Random(o.seed, "markov rows", uint64_t(c)));
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return MarkovChain(o.symbols, o.order, std::move(rows), o.seed);
}

std::string MarkovChain::description() const {
  return "Markov chain of order " + std::to_string(order_) + " over " + std::to_string(symbols_) + " symbols";
}

std::vector<double> MarkovChain::row(int64_t context) const {
  const auto first = rows_.begin() + context * symbols_;
  return {first, first + symbols_};
}

int64_t MarkovChain::after(int64_t context, int32_t symbol) const {
  return order_ ? context % (count_ / symbols_) * symbols_ + symbol : 0;
}

std::vector<double> MarkovChain::stationary_contexts() const {
  if (count_ <= kEliminated) {
    std::vector<double> transitions(size_t(count_ * count_), 0.0);
    for (int64_t c = 0; c < count_; ++c)
      for (int32_t v = 0; v < symbols_; ++v)
        transitions[size_t(c * count_ + after(c, v))] += rows_[size_t(c * symbols_ + v)];
    return stationary(std::move(transitions), count_);
  }
  const auto step = [&](const std::vector<double>& p) {
    std::vector<double> next(p.size(), 0.0);
    for (int64_t c = 0; c < count_; ++c)
      for (int32_t v = 0; v < symbols_; ++v)
        next[size_t(after(c, v))] += p[size_t(c)] * rows_[size_t(c * symbols_ + v)];
    return next;
  };
  std::vector<double> contexts = stationary_by_steps(count_, step);
  if (contexts.empty())
    throw UsageError("data.generated: a " + description() +
                     " was drawn that mixes too slowly for its entropy rate to be known; raise concentration, or "
                     "take at most " + std::to_string(kEliminated) + " contexts (symbols to the power of order)");
  return contexts;
}

std::vector<int32_t> MarkovChain::draw(const std::string& stream, int64_t count) const {
  const Random random(seed_, "markov " + stream);
  int64_t context = choose(cumulative(contexts_), random.uniform(0));
  std::vector<int32_t> tokens;
  tokens.reserve(size_t(count));
  for (int64_t i = 0, digit = count_; i < std::min(order_, count); ++i) {
    digit /= symbols_;
    tokens.push_back(int32_t(context / digit % symbols_));
  }
  while (int64_t(tokens.size()) < count) {
    const std::span<const double> sums(sums_.data() + context * symbols_, size_t(symbols_));
    tokens.push_back(int32_t(choose(sums, random.uniform(tokens.size()))));
    context = after(context, tokens.back());
  }
  return tokens;
}

// How often a stretch of `length` < k symbols comes that is `value` in base V: contexts that begin with it.
double MarkovChain::prefix(int64_t value, int64_t length) const {
  int64_t width = count_;
  for (int64_t i = 0; i < length; ++i) width /= symbols_;
  double sum = 0;
  for (int64_t c = value * width; c < (value + 1) * width; ++c) sum += contexts_[size_t(c)];
  return sum;
}

std::vector<double> MarkovChain::losses(const TokenSpan& tokens) const {
  std::vector<double> losses;
  losses.reserve(size_t(tokens.size()));
  int64_t context = 0;  // of the tokens so far, k at most
  double seen = 1;      // how often the first k tokens so far come
  for (int64_t t = 0; t < tokens.size(); ++t) {
    const int32_t symbol = tokens[t];
    if (symbol < 0 || symbol >= symbols_)
      throw Error("[markov] token " + std::to_string(t) + " is " + std::to_string(symbol) + ", expected 0 to " +
                  std::to_string(symbols_ - 1));
    if (t < order_) {
      context = context * symbols_ + symbol;
      const double now = prefix(context, t + 1);
      losses.push_back(std::log(seen / now));
      seen = now;
    } else {
      losses.push_back(-std::log(rows_[size_t(context * symbols_ + symbol)]));
      context = after(context, symbol);
    }
  }
  return losses;
}

}  // namespace adder
