// Texts of known entropy: rates against closed forms and enumeration, losses against the sum over hidden paths, draws
// against the tables.
#include "framework/data/generated.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "framework/core/error.h"
#include "framework/data/hidden_markov.h"
#include "framework/data/markov_chain.h"
#include "framework/data/stochastic.h"
#include "tests/data/files.h"

namespace adder {
namespace {

using testing_data::message_of;

double sum_of(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

// All texts of `length` symbols.
std::vector<std::vector<int32_t>> all_texts(int32_t symbols, int64_t length) {
  std::vector<std::vector<int32_t>> texts = {{}};
  for (int64_t i = 0; i < length; ++i) {
    std::vector<std::vector<int32_t>> longer;
    for (const auto& text : texts)
      for (int32_t v = 0; v < symbols; ++v) longer.push_back(text), longer.back().push_back(v);
    texts.swap(longer);
  }
  return texts;
}

// Entropy of the first `length` symbols, by enumeration; the probabilities must add up to 1.
double block_entropy(const TextSource& source, int64_t length) {
  double total = 0, bits = 0;
  for (const auto& text : all_texts(int32_t(source.symbols()), length)) {
    const double p = std::exp(-sum_of(source.losses(TokenSpan::from(text))));
    total += p, bits -= p * std::log(p);
  }
  EXPECT_NEAR(total, 1, 1e-12);
  return bits;
}

// ---- Markov chains ----------------------------------------------------------------------------------------

TEST(MarkovChain, TwoSymbolsHaveAClosedForm) {
  const double a = 0.2, b = 0.05;
  const MarkovChain chain(2, 1, {1 - a, a, b, 1 - b}, 1);
  const auto h = [](double p) { return -p * std::log(p) - (1 - p) * std::log(1 - p); };
  EXPECT_NEAR(*chain.entropy_rate(), b / (a + b) * h(a) + a / (a + b) * h(b), 1e-15);
}

TEST(MarkovChain, AlikeRowsAreIndependentDraws) {
  for (const int64_t order : {0, 1, 3}) {
    int64_t contexts = 1;
    for (int64_t i = 0; i < order; ++i) contexts *= 3;
    std::vector<double> rows;
    for (int64_t c = 0; c < contexts; ++c) rows.insert(rows.end(), {0.5, 0.3, 0.2});
    const MarkovChain chain(3, order, rows, 1);
    EXPECT_NEAR(*chain.entropy_rate(), entropy(std::vector<double>{0.5, 0.3, 0.2}), 1e-14) << order;
    const auto losses = chain.losses(TokenSpan::from({2, 0, 1, 1, 2}));
    const std::vector<double> want = {-std::log(0.2), -std::log(0.5), -std::log(0.3), -std::log(0.3), -std::log(0.2)};
    for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(losses[i], want[i], 1e-14) << order;
  }
}

GeneratedOptions markov(int64_t symbols, int64_t order, uint64_t seed = 3) {
  GeneratedOptions o;
  o.name = "markov", o.symbols = symbols, o.order = order, o.seed = seed;
  return o;
}

// H(x_1 … x_(n+1)) - H(x_1 … x_n) is the entropy rate from n = k on, since the text starts stationary.
TEST(MarkovChain, EntropyRateIsTheGrowthOfBlockEntropy) {
  for (const auto& [symbols, order] : {std::pair<int64_t, int64_t>{2, 0}, {2, 1}, {3, 2}, {2, 4}}) {
    const TextSourcePtr source = make_source(markov(symbols, order));
    for (const int64_t n : {order, order + 2})
      EXPECT_NEAR(block_entropy(*source, n + 1) - block_entropy(*source, n), *source->entropy_rate(), 1e-12)
          << symbols << " " << order;
  }
}

// More contexts than are solved for directly: 2^11 by steps, and the same chain written as one of order 1.
TEST(MarkovChain, ManyContextsAreSolvedToTheSameDigits) {
  const auto options = markov(2, 11);
  const MarkovChain chain = MarkovChain::drawn(options);
  std::vector<double> next(chain.contexts().size(), 0.0);
  for (size_t c = 0; c < next.size(); ++c) {
    const auto row = dirichlet_row(2, options.concentration, Random(options.seed, "markov rows", c));
    for (size_t v = 0; v < 2; ++v) next[c % (next.size() / 2) * 2 + v] += chain.contexts()[c] * row[v];
  }
  EXPECT_NEAR(sum_of(chain.contexts()), 1, 1e-13);
  for (size_t c = 0; c < next.size(); ++c) ASSERT_NEAR(next[c], chain.contexts()[c], 1e-15);
}

TEST(MarkovChain, DrawsFollowTheTable) {
  const MarkovChain chain = MarkovChain::drawn(markov(4, 2));
  constexpr int64_t kTokens = 60000;
  const auto text = chain.draw("train", kTokens);
  std::vector<double> contexts(16, 0.0);
  for (size_t t = 2; t < text.size(); ++t) ++contexts[size_t(text[t - 2] * 4 + text[t - 1])];
  for (size_t c = 0; c < 16; ++c) EXPECT_NEAR(contexts[c] / kTokens, chain.contexts()[c], 0.015);
  const auto losses = chain.losses(TokenSpan::from(text));
  double squares = 0;
  for (const double x : losses) squares += x * x;
  const double mean = sum_of(losses) / kTokens, error = std::sqrt((squares / kTokens - mean * mean) / kTokens);
  EXPECT_NEAR(mean, *chain.entropy_rate(), 6 * error);  // losses of neighbours are not independent
}

// E of the mean row entropy under Dirichlet(a) over V: digamma(V a + 1) - digamma(a + 1); 1.84 for V 16, a 0.3.
TEST(MarkovChain, RowsAreAsRichAsTheirConcentrationSays) {
  double sum = 0;
  for (uint64_t c = 0; c < 256; ++c) sum += entropy(dirichlet_row(16, 0.3, Random(8, "markov rows", c)));
  EXPECT_NEAR(sum / 256, 1.84, 0.07);
}

// ---- hidden Markov models ---------------------------------------------------------------------------------

struct Tables {
  int64_t states, symbols;
  std::vector<double> transitions, emissions;
};

Tables some_tables(int64_t states, int64_t symbols) {
  Tables t{states, symbols, {}, {}};
  for (int64_t s = 0; s < states; ++s) {
    const auto a = dirichlet_row(states, 0.5, Random(4, "a", uint64_t(s)));
    const auto b = dirichlet_row(symbols, 0.5, Random(4, "b", uint64_t(s)));
    t.transitions.insert(t.transitions.end(), a.begin(), a.end());
    t.emissions.insert(t.emissions.end(), b.begin(), b.end());
  }
  return t;
}

// By the definition: the sum over all paths of hidden states.
double probability(const Tables& t, const std::vector<int32_t>& text) {
  const auto start = stationary(t.transitions, t.states);
  double total = 0;
  for (const auto& path : all_texts(int32_t(t.states), int64_t(text.size()))) {
    double p = 1;
    for (size_t i = 0; i < text.size(); ++i) {
      p *= i ? t.transitions[size_t(path[i - 1] * t.states + path[i])] : start[size_t(path[0])];
      p *= t.emissions[size_t(path[i] * t.symbols + text[i])];
    }
    total += p;
  }
  return total;
}

TEST(HiddenMarkov, LossesAreTheSumOverHiddenPaths) {
  const Tables t = some_tables(3, 4);
  const HiddenMarkov source(t.states, t.symbols, t.transitions, t.emissions, 1);
  const std::vector<int32_t> text = {0, 3, 1, 1, 2, 0, 3};
  const auto losses = source.losses(TokenSpan::from(text));
  double so_far = 0;
  for (size_t n = 1; n <= text.size(); ++n) {
    so_far += losses[n - 1];
    const double want = -std::log(probability(t, {text.begin(), text.begin() + int64_t(n)}));
    EXPECT_NEAR(so_far, want, 1e-12 * want) << n;
  }
  EXPECT_FALSE(source.entropy_rate().has_value());
}

TEST(HiddenMarkov, StatesPersist) {
  GeneratedOptions o;
  o.name = "hmm", o.symbols = 5, o.states = 5, o.persistence = 0.95, o.emission_concentration = 0.1;
  const auto text = make_source(o)->draw("train", 20000);
  o.persistence = 0;
  const auto restless = make_source(o)->draw("train", 20000);
  const auto repeats = [](const std::vector<int32_t>& ids) {
    int64_t n = 0;
    for (size_t t = 1; t < ids.size(); ++t) n += ids[t] == ids[t - 1];
    return n;
  };
  EXPECT_GT(repeats(text), 1.2 * double(repeats(restless)));
  o.persistence = 1;
  EXPECT_HAS(message_of<UsageError>([&] { make_source(o); }), "data.generated.persistence is 1.0");
}

TEST(HiddenMarkov, StatesThatShowThemselvesAreAMarkovChain) {
  const Tables t = some_tables(3, 3);
  std::vector<double> identity = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  const HiddenMarkov hidden(3, 3, t.transitions, identity, 1);
  const MarkovChain chain(3, 1, t.transitions, 1);
  const TokenSpan text = TokenSpan::from(chain.draw("any", 200));
  const auto a = hidden.losses(text), b = chain.losses(text);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-12);
  EXPECT_NEAR(block_entropy(hidden, 5), block_entropy(chain, 5), 1e-12);
}

TEST(HiddenMarkov, BlockEntropiesGrowEverLess) {
  const Tables t = some_tables(2, 2);
  const HiddenMarkov source(2, 2, t.transitions, t.emissions, 1);
  double before = 0, growth = 1;
  for (int64_t n = 1; n <= 9; ++n) {
    const double now = block_entropy(source, n);
    EXPECT_LT(now - before, growth);
    growth = now - before, before = now;
  }
  // The optimal predictor's mean loss on a long text is that growth's limit.
  const auto losses = source.losses(TokenSpan::from(source.draw("train", 100000)));
  EXPECT_NEAR(sum_of(losses) / 100000, growth, 0.01);
}

// ---- texts ------------------------------------------------------------------------------------------------

TEST(Generated, IsAPureFunctionOfItsOptions) {
  for (const char* name : {"markov", "hmm"}) {
    GeneratedOptions o;
    o.name = name, o.symbols = 300, o.order = 1, o.states = 5;
    o.train_tokens = 4000, o.validation_tokens = 500, o.test_tokens = 300;
    const auto data = [&] { return generate_dataset(*make_source(o), o, 16); };
    const TokenDataset one = data(), two = data();
    EXPECT_EQ(one.train.hash(), two.train.hash());
    EXPECT_EQ(one.train.size(), 4000);
    EXPECT_EQ(one.validation.size(), 500);
    EXPECT_EQ(one.test.size(), 300);
    EXPECT_EQ(one.tokenizer->text(), ids_tokenizer(300)->text());
    EXPECT_NE(one.train.slice(0, 300).hash(), one.validation.slice(0, 300).hash());  // streams are apart
    EXPECT_NE(one.validation.slice(0, 300).hash(), one.test.hash());
    o.train_tokens = 5000;  // a longer text goes on where the shorter ended
    EXPECT_EQ(data().train.slice(0, 4000).hash(), one.train.hash());
    o.seed = 2;
    EXPECT_NE(data().validation.hash(), one.validation.hash());
    o.validation_tokens = 0;
    EXPECT_EQ(data().validation.size(), 0);
  }
}

TEST(Generated, RefusesWhatCannotBe) {
  const auto error = [](const GeneratedOptions& o) { return message_of<UsageError>([&] { make_source(o); }); };
  GeneratedOptions o = markov(16, 2);
  o.concentration = 0.05;
  EXPECT_HAS(error(o), "data.generated.concentration is 0.05");
  EXPECT_HAS(error(markov(16, 6)), "data.generated.symbols 16 to the power data.generated.order + 1 (7)");
  EXPECT_HAS(error(markov(2, 1'000'000'000)), "expected at most 4194304");
  EXPECT_HAS(error(markov(1, 2)), "data.generated.symbols is 1");
  o = markov(4, 1);
  o.name = "hmm", o.states = 2000;
  EXPECT_HAS(error(o), "data.generated.states is 2000, expected 1 to 1024");
  o.states = 1000, o.symbols = 100000;
  EXPECT_HAS(error(o), "emissions, expected at most");
  o.name = "pcfg";
  EXPECT_HAS(error(o), "expected markov or hmm");
  o = markov(4, 1);
  o.train_tokens = 16;
  EXPECT_HAS(message_of<UnreadableError>([&] { generate_dataset(*make_source(o), o, 16); }),
             "data.generated.train_tokens is 16, expected at least training.context_length + 1 = 17");
  EXPECT_THROW(make_source(markov(4, 1))->losses(TokenSpan::from({1, 4})), Error);
}

}  // namespace
}  // namespace adder
