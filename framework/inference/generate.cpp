#include "framework/inference/generate.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <string>

#include "framework/core/error.h"
#include "framework/core/random.h"

namespace adder {
namespace {

// Logits of a whole prompt are (1, length, vocabulary): in pieces of this length their memory stays bounded.
// The state makes the pieces one text, to the bit.
constexpr int64_t kPromptPiece = 512;

void check(const SamplingOptions& options) {
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature))
    throw UsageError("[sample] temperature is " + std::to_string(options.temperature) +
                     ", expected 0 or more");
  if (options.top_k < 0)
    throw UsageError("[sample] top_k is " + std::to_string(options.top_k) + ", expected 0 (all) or more");
  if (!(options.top_p > 0 && options.top_p <= 1))
    throw UsageError("[sample] top_p is " + std::to_string(options.top_p) +
                     ", expected above 0 and at most 1");
}

int32_t likeliest(const std::vector<double>& row) {
  return int32_t(std::max_element(row.begin(), row.end()) - row.begin());  // the first of several
}

// The row as doubles. Minus infinity is a token that can't come; other values that aren't finite are errors.
std::vector<double> values_of(const Tensor& logits) {
  if (!logits.defined() || logits.size() == 0 || logits.rows() != 1)
    throw Error("[sample] logits has shape " +
                (logits.defined() ? to_string(logits.shape()) : "(undefined)") + ", expected one row");
  std::vector<double> row(size_t(logits.columns()));
  by_dtype(logits.dtype(), [&](auto zero) {
    const auto* values = logits.data<decltype(zero)>();
    for (size_t i = 0; i < row.size(); ++i) row[i] = double(values[i]);
  });
  for (size_t i = 0; i < row.size(); ++i)
    if (std::isnan(row[i]) || row[i] == HUGE_VAL)
      throw DivergedError(
          "[sample] the logit of token " + std::to_string(i) + " is " + std::to_string(row[i]) +
          ", expected a finite number; the model's weights or its state are no longer finite");
  if (row[size_t(likeliest(row))] == -HUGE_VAL)
    throw DivergedError("[sample] every logit is minus infinity, expected a token that can come");
  return row;
}

// e^((logit - highest) / temperature): 1 for the likeliest.
std::vector<double> weights_of(const std::vector<double>& row, double temperature) {
  const double highest = row[size_t(likeliest(row))];
  std::vector<double> weights(row.size());
  for (size_t i = 0; i < row.size(); ++i) weights[i] = std::exp((row[i] - highest) / temperature);
  return weights;
}

// Zeroes the weights that top_k, and then top_p of what is left, cut off. Of equal logits the lower id stays.
// (Sorted by logit: at a high temperature different ones round to one weight.)
void filter(const std::vector<double>& row, const SamplingOptions& options, std::vector<double>& weights) {
  const size_t n = weights.size();
  const size_t k = options.top_k > 0 ? std::min(size_t(options.top_k), n) : n;
  if (k == n && options.top_p >= 1) return;
  std::vector<int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + int64_t(k), order.end(), [&](int32_t a, int32_t b) {
    const double x = row[size_t(a)], y = row[size_t(b)];
    return x > y || (x == y && a < b);
  });
  size_t kept = k;
  if (options.top_p < 1) {
    double total = 0, reached = 0;
    for (size_t i = 0; i < k; ++i) total += weights[size_t(order[i])];
    for (kept = 0; kept < k && reached < options.top_p * total; ++kept)
      reached += weights[size_t(order[kept])];
  }
  for (size_t i = kept; i < n; ++i) weights[size_t(order[i])] = 0;
}

// The token in whose share of the sum, laid out by id, the fraction u of the whole falls.
int32_t pick(const std::vector<double>& weights, double u) {
  const double target = u * std::accumulate(weights.begin(), weights.end(), 0.0);
  double reached = 0;
  int32_t last = 0;  // with a share: the answer where rounding carries the target to the very end
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    last = int32_t(i);
    if ((reached += weights[i]) > target) break;
  }
  return last;
}

void check(const std::vector<int32_t>& prompt, int64_t count, int64_t vocabulary) {
  if (prompt.empty()) throw UsageError("[generate] the prompt is empty, expected at least one token");
  if (count < 0) throw UsageError("[generate] " + std::to_string(count) + " tokens, expected 0 or more");
  for (size_t i = 0; i < prompt.size(); ++i)
    if (prompt[i] < 0 || prompt[i] >= vocabulary)
      throw Error("[generate] token " + std::to_string(i) + " of the prompt is " + std::to_string(prompt[i]) +
                  ", expected 0 to " + std::to_string(vocabulary - 1));
}

// The logits (1, 1, V) after the last of these tokens.
Tensor logits_after(Model& model, std::span<const int32_t> tokens, State& state) {
  Pass pass;
  const int64_t length = int64_t(tokens.size());
  const Var logits = model.forward(pass, {Tensor::from(Shape{1, length}, tokens), {}}, state);
  state = state.detach();
  return logits.value().narrow(1, length - 1, 1);
}

}  // namespace

int32_t sample(const Tensor& logits, const SamplingOptions& options, uint64_t index) {
  check(options);
  const std::vector<double> row = values_of(logits);
  if (options.temperature == 0) return likeliest(row);
  std::vector<double> weights = weights_of(row, options.temperature);
  filter(row, options, weights);
  return pick(weights, Random(options.seed, "sample").uniform(index));
}

void generate(Model& model, const std::vector<int32_t>& prompt, int64_t count, const SamplingOptions& options,
              const std::function<bool(int32_t)>& emit) {
  check(prompt, count, model.vocabulary());
  check(options);
  if (count == 0) return;
  State state;
  Tensor logits;
  std::span<const int32_t> rest(prompt);
  while (!rest.empty()) {
    const size_t piece = std::min(rest.size(), size_t(kPromptPiece));
    logits = logits_after(model, rest.first(piece), state);
    rest = rest.subspan(piece);
  }
  for (int64_t i = 0; i < count; ++i) {
    const int32_t token = sample(logits, options, uint64_t(i));
    if (!emit(token) || i + 1 == count) return;
    logits = logits_after(model, std::span(&token, 1), state);
  }
}

}  // namespace adder
