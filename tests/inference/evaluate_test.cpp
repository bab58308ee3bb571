#include "framework/inference/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/core/error.h"
#include "kernels/parallel.h"
#include "tests/models/model_support.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 13;

std::vector<int32_t> some_ids(int64_t n) {
  const Tensor ids = index_input({n}, 5, kVocabulary);
  return {ids.data<int32_t>(), ids.data<int32_t>() + n};
}

std::unique_ptr<Model> some_model(DType dtype) {
  auto model = make_model(mamba_config(), kVocabulary, dtype);
  shake(*model);
  return model;
}

// -log softmax(row)[label], by the definition.
double nats_of(const Tensor& row, int32_t label) {
  double sum = 0;
  for (int64_t v = 0; v < row.size(); ++v) sum += std::exp(row.item(v));
  return std::log(sum) - row.item(label);
}

struct Naive {
  double nats = 0;
  std::vector<double> by_position;
  std::vector<int64_t> counts;
};

// Label p is scored by the first window that reaches it, from nothing but the tokens between that window's
// start and p.
Naive naive(Model& model, const std::vector<int32_t>& ids, int64_t window, int64_t stride) {
  Naive result;
  for (int64_t p = 1; p < int64_t(ids.size()); ++p) {
    int64_t start = 0;
    while (start + window < p) start += stride;
    const int64_t length = p - start;
    const Tensor context =
        Tensor::from(Shape{1, length}, std::span(ids).subspan(size_t(start), size_t(length)));
    const double nats = nats_of(logits_of(model, context).narrow(1, length - 1, 1), ids[size_t(p)]);
    const size_t position = size_t(length - 1);
    if (result.counts.size() <= position)
      result.counts.resize(position + 1), result.by_position.resize(position + 1);
    result.nats += nats, result.by_position[position] += nats, ++result.counts[position];
  }
  return result;
}

void expect_naive(int64_t tokens, int64_t window, int64_t stride) {
  SCOPED_TRACE(std::to_string(tokens) + " tokens, window " + std::to_string(window) + ", stride " +
               std::to_string(stride));
  const auto model = some_model(DType::f64);
  const std::vector<int32_t> ids = some_ids(tokens);
  const Evaluation got =
      evaluate(*model, TokenSpan::from(ids), {.window = window, .stride = stride, .batch_size = 2}, nullptr);
  const Naive want = naive(*model, ids, window, stride);
  EXPECT_EQ(got.tokens, tokens - 1);
  EXPECT_NEAR(got.nats, want.nats, 1e-11 * want.nats);
  EXPECT_NEAR(got.loss(), want.nats / double(tokens - 1), 1e-11 * want.nats);
  EXPECT_DOUBLE_EQ(got.perplexity(), std::exp(got.loss()));
  EXPECT_EQ(got.position_counts, want.counts);
  ASSERT_EQ(got.by_position.size(), want.by_position.size());
  for (size_t t = 0; t < want.counts.size(); ++t)
    EXPECT_NEAR(got.by_position[t], want.by_position[t] / double(want.counts[t]), 1e-11) << "position " << t;
}

TEST(Evaluate, IsTheAverageOfTheTokensLosses) {
  expect_naive(31, 10, 10);  // three whole windows, nothing left over
  expect_naive(28, 10, 10);  // a short one at the end
  expect_naive(7, 10, 10);   // shorter than one window
  expect_naive(2, 4, 4);     // one label
  expect_naive(9, 1, 1);     // every token by itself
}

TEST(Evaluate, StrideGivesLaterWindowsAContext) {
  expect_naive(31, 10, 4);
  expect_naive(26, 7, 1);
  expect_naive(24, 9, 8);
}

TEST(Evaluate, CountsPositions) {
  const auto model = some_model(DType::f32);
  const TokenSpan tokens = TokenSpan::from(some_ids(24));
  // 23 labels: 6, then 2 of each of the eight windows after, then a last one at position 4 of the tail.
  EXPECT_EQ(evaluate(*model, tokens, {.window = 6, .stride = 2}, nullptr).position_counts,
            (std::vector<int64_t>{1, 1, 1, 1, 10, 9}));
  EXPECT_EQ(evaluate(*model, tokens, {.window = 6, .stride = 6}, nullptr).position_counts,
            (std::vector<int64_t>{4, 4, 4, 4, 4, 3}));
}

TEST(Evaluate, BatchSizeAndThreadsChangeNoBit) {
  const auto model = some_model(DType::f32);
  const TokenSpan tokens = TokenSpan::from(some_ids(301));
  const auto run = [&](int64_t batch_size, int threads) {
    kernels::set_threads(threads);
    return evaluate(*model, tokens, {.window = 20, .stride = 7, .batch_size = batch_size}, nullptr);
  };
  const Evaluation want = run(1, 1);
  for (const int threads : {1, 3}) {
    for (const int64_t batch_size : {1, 2, 3, 7, 100}) {
      const Evaluation got = run(batch_size, threads);
      EXPECT_EQ(got.nats, want.nats) << "batch " << batch_size << ", threads " << threads;
      EXPECT_EQ(got.by_position, want.by_position) << "batch " << batch_size << ", threads " << threads;
      EXPECT_EQ(got.tokens, 300);
    }
  }
  kernels::set_threads(0);
}

// Token i stands for i + 1 bytes.
class WideTokens : public Tokenizer {
 public:
  std::string name() const override { return "wide"; }
  int64_t vocabulary() const override { return kVocabulary; }
  std::vector<int32_t> encode(std::string_view) const override { return {}; }
  std::string decode(std::span<const int32_t>) const override { return ""; }
  int64_t bytes_of(int32_t id) const override { return id + 1; }
  std::string to_json() const override { return "{}"; }
};

TEST(Evaluate, CountsTheBytesOfScoredTokens) {
  const auto model = some_model(DType::f32);
  const std::vector<int32_t> ids = some_ids(30);
  const WideTokens tokenizer;
  const Evaluation got = evaluate(*model, TokenSpan::from(ids), {.window = 8, .stride = 3}, &tokenizer);
  int64_t bytes = 0;
  for (size_t i = 1; i < ids.size(); ++i) bytes += ids[i] + 1;
  EXPECT_EQ(got.bytes, bytes);
  EXPECT_DOUBLE_EQ(got.bits_per_byte(), got.nats / std::log(2.0) / double(bytes));
  EXPECT_TRUE(std::isnan(evaluate(*model, TokenSpan::from(ids), {}, nullptr).bits_per_byte()));
}

TEST(Evaluate, LeavesNoGradient) {
  const auto model = some_model(DType::f32);
  evaluate(*model, TokenSpan::from(some_ids(20)), {}, nullptr);
  for (size_t i = 0; i < model->parameters().size(); ++i) EXPECT_FALSE(model->parameters()[i].grad.defined());
}

TEST(Evaluate, ErrorsSayWhatWasExpected) {
  const auto model = some_model(DType::f32);
  EXPECT_THROW(evaluate(*model, TokenSpan::from({3}), {}, nullptr), UnreadableError);
  EXPECT_THROW(evaluate(*model, TokenSpan::from({3, 4, 5}), {.window = 2, .stride = 3}, nullptr), UsageError);
  EXPECT_THROW(evaluate(*model, TokenSpan::from({3, 77, 5}), {}, nullptr), Error);
}

TEST(Evaluate, ACarriedStateIsOneLongWindow) {
  const auto model = some_model(DType::f64);
  const TokenSpan tokens = TokenSpan::from(some_ids(57));
  const auto run = [&](const EvaluationOptions& options) { return evaluate(*model, tokens, options, nullptr); };
  const Evaluation want = run({.window = 56, .stride = 56});
  for (const int64_t window : {1, 8, 11}) {
    const Evaluation got = run({.window = window, .stride = window, .carry = true});
    EXPECT_EQ(got.tokens, 56);
    EXPECT_NEAR(got.nats, want.nats, 1e-11 * want.nats) << window;
  }
  EXPECT_GT(std::abs(run({.window = 8, .stride = 8}).nats - want.nats), 1e-4);
  EXPECT_THROW(run({.window = 8, .stride = 4, .carry = true}), UsageError);
}

TEST(Evaluate, DocumentsDoNotSeeEachOther) {
  const auto model = some_model(DType::f32);
  std::vector<int32_t> ids = some_ids(40);
  const std::vector<int64_t> starts = {0, 12, 13, 26};
  const auto run = [&](bool carry) {
    return evaluate(*model, TokenSpan::from(ids, starts), {.window = 39, .stride = 39, .carry = carry}, nullptr);
  };
  const Evaluation before = run(false);
  EXPECT_EQ(before.tokens, 36);
  EXPECT_EQ(run(true).nats, before.nats);
  ids[11] = (ids[11] + 1) % kVocabulary;
  const Evaluation after = run(false);
  for (size_t t = 0; t < 39; ++t) {
    if (before.position_counts[t] == 0) continue;
    if (t == 10) EXPECT_NE(after.by_position[t], before.by_position[t]);  // the label that was changed
    else EXPECT_EQ(after.by_position[t], before.by_position[t]) << t;
  }
  // Each document by itself has the bits that it has in the row.
  double sum = 0;
  for (size_t d = 0; d < 4; ++d) {
    const int64_t first = starts[d], last = d + 1 < 4 ? starts[d + 1] : 40;
    if (last - first < 2) continue;
    const TokenSpan one = TokenSpan::from({ids.begin() + first, ids.begin() + last});
    const Evaluation alone = evaluate(*model, one, {.window = 39, .stride = 39}, nullptr);
    for (size_t t = 0; t < alone.by_position.size(); ++t)
      EXPECT_EQ(alone.by_position[t], after.by_position[size_t(first) + t]);
    sum += alone.nats;
  }
  EXPECT_NEAR(sum, after.nats, 1e-12 * sum);
  EXPECT_TRUE(std::isfinite(random_window_loss(*model, TokenSpan::from(ids, starts), {2, 8}, 3, 1)));
}

TEST(RandomWindowLoss, IsTheMeanOfItsBatches) {
  const auto model = some_model(DType::f64);
  const TokenSpan tokens = TokenSpan::from(some_ids(60));
  const WindowOptions windows{.batch_size = 3, .context_length = 8};
  double want = 0;
  for (int64_t k = 0; k < 4; ++k) {
    const Batch batch = RandomWindows(tokens, windows, 11, "estimate").at(k);
    const Tensor logits = logits_of(*model, batch.ids);
    for (int64_t i = 0; i < batch.labels.size(); ++i) {
      const Tensor row = logits.reshape({24, kVocabulary}).narrow(0, i, 1);
      want += nats_of(row, batch.labels.data<int32_t>()[i]) / (4 * 24);
    }
  }
  EXPECT_NEAR(random_window_loss(*model, tokens, windows, 4, 11), want, 1e-12 * want);
  EXPECT_NE(random_window_loss(*model, tokens, windows, 4, 11),
            random_window_loss(*model, tokens, windows, 4, 12));
  EXPECT_THROW(random_window_loss(*model, tokens, windows, 0, 11), UsageError);
}

}  // namespace
}  // namespace adder
