// The n-gram model: its probabilities against the definition, its counts through a checkpoint's form, and the
// reference figures on tinyshakespeare.
#include "models/ngram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "framework/core/error.h"
#include "framework/data/dataset.h"
#include "framework/inference/evaluate.h"
#include "framework/training/trainer.h"
#include "tests/models/model_support.h"
#include "tests/support/check.h"

namespace adder {
namespace {

constexpr int32_t kVocabulary = 5;
using Ids = std::vector<int32_t>;

std::unique_ptr<Ngram> ngram(int64_t order, DType dtype = DType::f64) {
  NgramOptions options;
  options.order = order;
  return std::make_unique<Ngram>(options, kVocabulary, dtype);
}

// Random, but with habits: n-grams come again. Token 4 never comes.
Ids some_text(int64_t n, uint64_t seed) {
  const Random random(seed, "ngram text");
  Ids text;
  for (int64_t t = 0; t < n; ++t)
    text.push_back(t > 2 && random.uniform(uint64_t(t)) < 0.7 ? (text[size_t(t - 1)] + text[size_t(t - 3)]) % 4
                                                              : int32_t(random.below(uint64_t(t) + 1000, 4)));
  return text;
}

// Cut where documents start.
std::vector<Ids> documents_of(const Ids& text, const std::vector<int64_t>& starts) {
  std::vector<Ids> documents(1);
  for (size_t t = 0; t < text.size(); ++t) {
    if (t > 0 && std::find(starts.begin(), starts.end(), int64_t(t)) != starts.end()) documents.emplace_back();
    documents.back().push_back(text[t]);
  }
  return documents;
}

// The definition, by maps of contexts.
class Naive {
 public:
  Naive(const std::vector<Ids>& documents, int64_t order) : order_(order) {
    for (const Ids& text : documents)
      for (size_t t = 0; t < text.size(); ++t)
        for (int64_t n = 1; n <= order && size_t(n) <= t + 1; ++n)
          ++counts_[Ids(text.begin() + int64_t(t) + 1 - n, text.begin() + int64_t(t))][text[t]];
  }
  double p(Ids context, int32_t next) const {
    if (int64_t(context.size()) >= order_) context.erase(context.begin(), context.end() - (order_ - 1));
    return interpolated(context, next);
  }

 private:
  double interpolated(const Ids& context, int32_t next) const {
    const double below = context.empty() ? 1.0 / kVocabulary : interpolated({context.begin() + 1, context.end()}, next);
    const auto found = counts_.find(context);
    if (found == counts_.end()) return below;
    double total = 0;
    for (const auto& [symbol, count] : found->second) total += double(count);
    const double types = double(found->second.size());
    const auto own = found->second.find(next);
    return ((own == found->second.end() ? 0 : double(own->second)) + types * below) / (total + types);
  }
  int64_t order_;
  std::map<Ids, std::map<int32_t, int64_t>> counts_;
};

void expect_naive(Ngram& model, const Naive& naive, const Ids& text) {
  const Tensor logits = logits_of(model, Tensor::from({1, int64_t(text.size())}, text));
  for (size_t t = 0; t < text.size(); ++t) {
    double sum = 0;
    for (int32_t v = 0; v < kVocabulary; ++v) {
      const double p = std::exp(logits.item(int64_t(t) * kVocabulary + v));
      sum += p;
      ASSERT_NEAR(p, naive.p({text.begin(), text.begin() + int64_t(t) + 1}, v), 1e-14) << t << " " << v;
    }
    ASSERT_NEAR(sum, 1, 1e-14);
  }
}

TEST(Ngram, FollowsTheDefinition) {
  const Ids text = some_text(300, 1), other = some_text(60, 2), unseen = {4, 0, 1, 4, 4, 2};
  for (const int64_t order : {1, 2, 3, 6}) {
    SCOPED_TRACE(order);
    const auto model = ngram(order);
    ASSERT_TRUE(model->count(text, {}, nullptr));
    const Naive naive({text}, order);
    expect_naive(*model, naive, text);
    expect_naive(*model, naive, other);
    expect_naive(*model, naive, unseen);
  }
}

TEST(Ngram, CountsNothingAcrossDocuments) {
  const Ids text = some_text(200, 3);
  const std::vector<int64_t> starts = {0, 1, 50, 52, 180};
  const auto model = ngram(4);
  model->count(text, starts, nullptr);
  expect_naive(*model, Naive(documents_of(text, starts), 4), some_text(50, 4));
}

TEST(Ngram, ShortTextsAndNone) {
  for (const int64_t length : {0, 1, 2, 3}) {
    const Ids text = some_text(length, 5);
    const auto model = ngram(4);
    model->count(text, {}, nullptr);
    expect_naive(*model, Naive({text}, 4), some_text(20, 6));
    const auto again = ngram(4);
    again->set_counts(model->counts(), "here");
    expect_naive(*again, Naive({text}, 4), some_text(20, 6));
  }
}

TEST(Ngram, TheContextGoesOnFromStretchToStretch) {
  const auto model = ngram(4, DType::f32);
  model->count(some_text(400, 7), {}, nullptr);
  const Tensor ids = index_input({3, 30}, 1, kVocabulary), resets = resets_at(3, 30, {4, 30, 41, 80});
  for (const Tensor& at : {Tensor(), resets}) {
    const Tensor whole = logits_of(*model, ids, at);
    for (const int64_t cut : {1, 2, 7, 29}) {
      State state;
      const auto part = [&](int64_t first, int64_t n) {
        return logits_of(*model, row_of(ids, first, n), state, at.defined() ? row_of(at, first, n) : at);
      };
      EXPECT_EQ(bits(part(0, cut)), bits(row_of(whole, 0, cut)));
      EXPECT_EQ(bits(part(cut, 30 - cut)), bits(row_of(whole, cut, 30 - cut)));
    }
  }
}

TEST(Ngram, CountsAreStoredExactly) {
  const Ids text = some_text(500, 8);
  const auto model = ngram(5), again = ngram(5);
  model->count(text, {}, nullptr);
  again->set_counts(model->counts(), "here");
  const Tensor ids = index_input({2, 40}, 3, kVocabulary);
  EXPECT_EQ(bits(logits_of(*again, ids)), bits(logits_of(*model, ids)));
  int64_t ones = 0;
  for (const NamedTensor& t : model->counts())
    if (t.name == "ngrams.1.count")
      for (int64_t i = 0; i < t.value.size(); ++i) ones += int64_t(t.value.item(i));
  EXPECT_EQ(ones, 500);
  EXPECT_EQ(model->parameters().count(), 0);
}

TEST(Ngram, GivesUpWhenAsked) {
  const auto model = ngram(3);
  model->count(some_text(50, 1), {}, nullptr);
  const Tensor ids = index_input({1, 9}, 3, kVocabulary), before = logits_of(*model, ids);
  int asked = 0;
  EXPECT_FALSE(model->count(some_text(50, 2), {}, [&] { return ++asked == 2; }));
  EXPECT_EQ(bits(logits_of(*model, ids)), bits(before));
}

TEST(Ngram, CountsThatDoNotFit) {
  const auto model = ngram(3);
  model->count(some_text(100, 1), {}, nullptr);
  const auto good = model->counts();
  const auto error = [&](const std::function<void(std::vector<NamedTensor>&)>& change, int64_t order = 3) {
    auto bad = good;
    for (NamedTensor& t : bad) t.value = t.value.clone();
    change(bad);
    return message_of([&] { ngram(order)->set_counts(bad, "a.h5"); });
  };
  using Counts = std::vector<NamedTensor>;
  const auto has = [](const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; };
  EXPECT_TRUE(has(error([](Counts& c) { c.pop_back(); }), "a.h5: /counts/ngrams.3.count is missing"));
  EXPECT_TRUE(has(error([](Counts& c) { c[2].value.data<int32_t>()[0] = 1000; }), "ngrams.2.symbol is int32"));
  EXPECT_TRUE(has(error([](Counts& c) { c[2].value.data<int32_t>()[0] = -1; }), "ngrams.1.children is negative"));
  EXPECT_TRUE(has(error([](Counts& c) { c[0].value.data<int32_t>()[1] = 99; }), "expected tokens below 5"));
  EXPECT_TRUE(has(error([](Counts& c) { c[0].value.data<int32_t>()[1] = 0; }), "in increasing order"));
  EXPECT_TRUE(has(error([](Counts& c) { c[1].value.data<int32_t>()[1] = 0; }), "each once or more"));
  EXPECT_TRUE(has(error([](Counts& c) { c[1].value = c[1].value.to(DType::f32); }), "expected int32"));
  EXPECT_TRUE(has(error([](Counts&) {}, 2), "expected 5 for model.order 2"));
  EXPECT_THROW(ngram(3)->count(Ids{0, 5}, {}, nullptr), Error);
  EXPECT_THROW(logits_of(*model, Tensor::from({1, 1}, Ids{-1})), Error);
}

TEST(Ngram, IsRefusedByNameWhereGradientsAreNeeded) {
  Config config;
  config.model.architecture = "ngram", config.model.counts = true;
  const RandomWindows batches(TokenSpan::from(some_text(50, 1)), {1, 4}, 1);
  const std::string text =
      message_of([&] { Trainer(config, make_model(config.model, kVocabulary, DType::f32), batches); });
  EXPECT_NE(text.find("\"ngram\" has no gradients"), std::string::npos) << text;
  EXPECT_FALSE(make_model(config.model, kVocabulary, DType::f32)->differentiable());
  EXPECT_TRUE(make_model(mamba_config(), kVocabulary, DType::f32)->differentiable());
}

// ../shared/reference/science.md, 3.2: another program's figures on this split.
TEST(Ngram, TinyShakespeare) {
  const std::string path = std::string(ADDER_SOURCE_DIR) + "/../shared/data/tinyshakespeare.txt";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "../shared/data/tinyshakespeare.txt is absent";
  const TokenDataset data = TokenDataset::load({.train = {path}, .tokenizer = "char"});
  Ids train(size_t(data.train.size()));
  data.train.copy(0, data.train.size(), train.data());
  const std::map<int64_t, double> reference = {{1, 3.3473}, {3, 2.0492}, {5, 1.6688}};  // a second in all
  for (const auto& [order, nats] : reference) {
    NgramOptions options;
    options.order = order;
    Ngram model(options, data.tokenizer->vocabulary(), DType::f32);
    model.count(train, {}, nullptr);
    const int64_t window = 100 + 50 * order;  // whatever it is
    const Evaluation e =
        evaluate(model, data.validation, {.window = window, .stride = window, .carry = true}, data.tokenizer.get());
    EXPECT_EQ(e.tokens, 111'539);
    EXPECT_NEAR(e.loss(), nats, 1e-4) << "order " << order;
  }
}

}  // namespace
}  // namespace adder
