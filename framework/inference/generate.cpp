#include "framework/inference/generate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <span>
#include <string>

#include "framework/core/error.h"
#include "framework/core/random.h"
#include "framework/inference/packed_weights.h"

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

// The logits (rows, 1, V) after the last of `ids` (rows, length).
Tensor logits_after(Model& model, const Tensor& ids, State& state, bool bf16_cache) {
  Pass pass{.bf16_cache = bf16_cache};
  const Var logits = model.forward(pass, {ids, {}}, state);
  state = state.detach();
  return logits.value().narrow(1, ids.dim(1) - 1, 1);
}

struct Prefilled {
  State state;
  Tensor logits;  // (1, 1, V), after the prompt
};

Prefilled prefill(Model& model, std::span<const int32_t> rest, bool bf16_cache) {
  Prefilled result;
  while (!rest.empty()) {
    const size_t piece = std::min(rest.size(), size_t(kPromptPiece));
    const Tensor ids = Tensor::from(Shape{1, int64_t(piece)}, rest.first(piece));
    result.logits = logits_after(model, ids, result.state, bf16_cache);
    rest = rest.subspan(piece);
  }
  return result;
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
              const std::function<bool(int32_t)>& emit, bool bf16_cache) {
  check(prompt, count, model.vocabulary());
  check(options);
  if (count == 0) return;
  const PackedWeights packed(model.parameters());
  auto [state, logits] = prefill(model, prompt, bf16_cache);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t token = sample(logits, options, uint64_t(i));
    if (!emit(token) || i + 1 == count) return;
    logits = logits_after(model, Tensor::from(Shape{1, 1}, std::span<const int32_t>(&token, 1)), state, bf16_cache);
  }
}

namespace {

// The state of every prompt; equal prompts share one.
std::vector<State> prefill_all(Model& model, const std::vector<std::vector<int32_t>>& prompts,
                               std::vector<Tensor>& logits, bool bf16_cache) {
  std::vector<State> states;
  std::map<std::vector<int32_t>, size_t> seen;
  for (size_t r = 0; r < prompts.size(); ++r) {
    const auto [earlier, fresh] = seen.emplace(prompts[r], r);
    Prefilled read =
        fresh ? prefill(model, prompts[r], bf16_cache) : Prefilled{states[earlier->second], logits[earlier->second]};
    states.push_back(std::move(read.state));
    logits.push_back(std::move(read.logits));
  }
  return states;
}

}  // namespace

void generate_batch(Model& model, const std::vector<std::vector<int32_t>>& prompts, int64_t count,
                    const std::vector<SamplingOptions>& options,
                    const std::function<bool(int64_t row, int32_t token)>& emit, bool bf16_cache) {
  if (prompts.empty()) throw UsageError("[generate] there are no prompts, expected at least one");
  if (options.size() != prompts.size())
    throw Error("[generate] " + std::to_string(options.size()) +
                " sampling options, expected one for each of " + std::to_string(prompts.size()) + " prompts");
  for (const auto& prompt : prompts) check(prompt, count, model.vocabulary());
  for (const SamplingOptions& o : options) check(o);
  if (count == 0) return;
  const PackedWeights packed(model.parameters());
  std::vector<Tensor> logits;  // of each row that still goes on
  State state = State::stack(prefill_all(model, prompts, logits, bf16_cache));
  std::vector<int64_t> rows(prompts.size());  // which those are
  std::iota(rows.begin(), rows.end(), 0);
  for (int64_t i = 0; i < count; ++i) {
    std::vector<int32_t> tokens;
    std::vector<int64_t> kept, still;  // their places in the batch, and their rows
    for (size_t k = 0; k < rows.size(); ++k) {
      const int32_t token = sample(logits[k], options[size_t(rows[k])], uint64_t(i));
      if (!emit(rows[k], token)) continue;
      tokens.push_back(token), kept.push_back(int64_t(k)), still.push_back(rows[k]);
    }
    if (kept.empty() || i + 1 == count) return;
    if (kept.size() < rows.size()) state = state.rows(kept);
    rows = still;
    const Tensor all = logits_after(model, Tensor::from({int64_t(rows.size()), 1}, tokens), state, bf16_cache);
    logits.clear();
    for (int64_t k = 0; k < all.dim(0); ++k) logits.push_back(all.narrow(0, k, 1));
  }
}

void generate_batch(Model& model, const std::vector<std::vector<int32_t>>& prompts, int64_t count,
                    const SamplingOptions& options,
                    const std::function<bool(int64_t row, int32_t token)>& emit, bool bf16_cache) {
  generate_batch(model, prompts, count, std::vector<SamplingOptions>(prompts.size(), options), emit, bf16_cache);
}

}  // namespace adder
