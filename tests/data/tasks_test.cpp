// What each task makes, against an independent reading of its definition; and how often.
#include "framework/data/tasks/task.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "tests/support/tasks.h"

namespace adder {
namespace {

constexpr int64_t kRows = 2000;

using Ids = std::vector<int32_t>;

// kRows held-out examples of the task's training length.
Batch some(const OneTask& task, int64_t rows = kRows) { return evaluation_examples(*task, 7, task->length, 0, rows); }

// |count / n - p| within five standard errors.
void expect_share(int64_t count, int64_t n, double p, const std::string& what) {
  EXPECT_NEAR(double(count) / double(n), p, 5 * std::sqrt(p * (1 - p) / double(n))) << what;
}

// All scored labels of the batch are as likely as facts() says, whatever the input at their place.
void expect_uniform_labels(const Batch& batch, int64_t kinds) {
  std::map<int32_t, int64_t> counts;
  int64_t n = 0;
  for (int64_t i = 0; i < batch.labels.size(); ++i)
    if (const int32_t label = batch.labels.data<int32_t>()[i]; label != kIgnoreLabel) ++counts[label], ++n;
  EXPECT_EQ(int64_t(counts.size()), kinds);
  for (const auto& [label, count] : counts) expect_share(count, n, 1 / double(kinds), std::to_string(label));
}

// ---- parity -----------------------------------------------------------------------------------------------

TEST(Tasks, ParityCountsOnes) {
  const OneTask task(R"("name": "parity", "length": 11, "min_length": 0)");
  const Batch batch = some(task);
  for (int64_t r = 0; r < kRows; ++r) {
    const Ids ids = row(batch.ids, r), labels = row(batch.labels, r);
    for (size_t t = 0; t < ids.size(); ++t)
      ASSERT_EQ(labels[t], std::count(ids.begin(), ids.begin() + int64_t(t) + 1, 1) % 2);
  }
  expect_uniform_labels(batch, 2);
}

// ---- group_word -------------------------------------------------------------------------------------------

// The n-th permutation of `points` things in lexicographic order, by its factorial digits.
Ids permutation(int64_t n, int points) {
  Ids rest, result;
  for (int i = 0; i < points; ++i) rest.push_back(i);
  int64_t factorial = 1;
  for (int i = 2; i < points; ++i) factorial *= i;
  for (int i = points - 1; i >= 0; --i) {
    const int64_t digit = n / factorial;
    result.push_back(rest[size_t(digit)]);
    rest.erase(rest.begin() + digit);
    n %= factorial;
    if (i > 0) factorial /= i;
  }
  return result;
}

// Even: points minus cycles is an even number.
bool is_even(const Ids& p) {
  std::set<int32_t> seen;
  int cycles = 0;
  for (int32_t start = 0; start < int32_t(p.size()); ++start) {
    if (seen.contains(start)) continue;
    ++cycles;
    for (int32_t at = start; seen.insert(at).second;) at = p[size_t(at)];
  }
  return (int(p.size()) - cycles) % 2 == 0;
}

TEST(Tasks, GroupWordMultiplies) {
  for (const auto& [name, points, order] : {std::tuple{"S3", 3, 6}, {"A5", 5, 60}, {"S5", 5, 120}}) {
    std::vector<Ids> elements;
    for (int64_t n = 0; n < (points == 3 ? 6 : 120); ++n)
      if (const Ids p = permutation(n, points); std::string(name) != "A5" || is_even(p)) elements.push_back(p);
    ASSERT_EQ(int(elements.size()), order);
    const OneTask task(std::string(R"("name": "group_word", "group": ")") + name + R"(", "length": 9)");
    EXPECT_EQ(task->vocabulary(), order);
    const Batch batch = some(task);
    for (int64_t r = 0; r < kRows; ++r) {
      const Ids ids = row(batch.ids, r), labels = row(batch.labels, r);
      for (size_t x = 0; x < size_t(points); ++x) {  // where each thing goes, one element after another
        int32_t at = int32_t(x);
        for (size_t t = 0; t < ids.size(); ++t) {
          at = elements[size_t(ids[t])][size_t(at)];
          ASSERT_EQ(elements[size_t(labels[t])][x], at) << name;
        }
      }
    }
    expect_uniform_labels(batch, order);
  }
}

// ---- selective_copying ------------------------------------------------------------------------------------

TEST(Tasks, SelectiveCopyingTellsTheTokensInOrder) {
  const OneTask task(R"("name": "selective_copying", "length": 20, "tokens": 5, "symbols": 6)");
  EXPECT_EQ(task->vocabulary(), 8);
  EXPECT_EQ(task->context_length(), 25);
  const Batch batch = some(task);
  std::vector<int64_t> at(20, 0);
  for (int64_t r = 0; r < kRows; ++r) {
    const Ids ids = row(batch.ids, r), labels = row(batch.labels, r);
    Ids tokens;
    for (size_t t = 0; t < 20; ++t) {
      EXPECT_EQ(labels[t], kIgnoreLabel);
      ASSERT_TRUE(ids[t] >= 1 && ids[t] <= 7);
      if (ids[t] != 7) tokens.push_back(ids[t]), ++at[t];
    }
    ASSERT_EQ(Ids(labels.begin() + 20, labels.end()), tokens);
    EXPECT_EQ(std::count(ids.begin() + 20, ids.end(), 0), 5);
  }
  for (const int64_t count : at) expect_share(count, kRows, 5.0 / 20, "a token at this place");
  expect_uniform_labels(batch, 6);
}

// ---- induction_heads --------------------------------------------------------------------------------------

TEST(Tasks, InductionHeadsAsksForWhatFollowed) {
  const OneTask task(R"("name": "induction_heads", "length": 9, "vocabulary": 6)");
  const Batch batch = some(task);
  std::map<int64_t, int64_t> places;
  for (int64_t r = 0; r < kRows; ++r) {
    const Ids ids = row(batch.ids, r), labels = row(batch.labels, r);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), 5), 2);
    EXPECT_EQ(ids.back(), 5);
    const auto first = std::find(ids.begin(), ids.end(), 5);
    EXPECT_EQ(labels.back(), *(first + 1));
    EXPECT_EQ(std::count(labels.begin(), labels.end(), kIgnoreLabel), 8);
    ++places[first - ids.begin()];
  }
  EXPECT_EQ(places.size(), 7u);
  for (const auto& [place, count] : places) expect_share(count, kRows, 1.0 / 7, "place " + std::to_string(place));
  expect_uniform_labels(batch, 5);
}

// ---- mqar -------------------------------------------------------------------------------------------------

TEST(Tasks, MqarAsksForEachKeyOnce) {
  const OneTask task(R"("name": "mqar", "length": 32, "pairs": 5, "vocabulary": 31)");
  const Batch batch = some(task);
  for (int64_t r = 0; r < kRows; ++r) {
    const Ids ids = row(batch.ids, r), labels = row(batch.labels, r);
    std::map<int32_t, int32_t> told;
    std::set<int32_t> values;
    for (size_t i = 0; i < 10; i += 2) {
      told[ids[i]] = ids[i + 1];
      values.insert(ids[i + 1]);
      EXPECT_TRUE(ids[i] >= 1 && ids[i] < 15) << ids[i];
      EXPECT_TRUE(ids[i + 1] >= 15 && ids[i + 1] < 31) << ids[i + 1];
    }
    EXPECT_EQ(told.size(), 5u);
    EXPECT_EQ(values.size(), 5u);
    std::set<int32_t> asked;
    for (size_t t = 0; t < 32; ++t) {
      if (labels[t] == kIgnoreLabel) {
        EXPECT_TRUE(t < 10 || ids[t] == 0);
        continue;
      }
      EXPECT_TRUE(t >= 10 && t % 2 == 0);
      EXPECT_EQ(labels[t], told.at(ids[t]));
      EXPECT_TRUE(asked.insert(ids[t]).second);
    }
    EXPECT_EQ(asked.size(), 5u);
  }
  expect_uniform_labels(batch, 16);
}

// With one pair the query's place is drawn from the power law itself.
TEST(Tasks, MqarPlacesQueriesByAPowerLaw) {
  for (const double power : {0.01, 0.5, 1.0}) {
    const OneTask task(R"("name": "mqar", "length": 22, "pairs": 1, "vocabulary": 64, "power": )" + std::to_string(power));
    const Batch batch = some(task);
    std::vector<int64_t> counts(10, 0);
    for (int64_t r = 0; r < kRows; ++r) {
      const Ids labels = row(batch.labels, r);
      const auto scored = std::find_if(labels.begin(), labels.end(), [](int32_t x) { return x != kIgnoreLabel; });
      ++counts[size_t(scored - labels.begin() - 2) / 2];
    }
    double total = 0;
    for (int i = 1; i <= 10; ++i) total += std::pow(i, power - 1);
    for (int i = 1; i <= 10; ++i)
      expect_share(counts[size_t(i - 1)], kRows, std::pow(i, power - 1) / total, "place " + std::to_string(i));
  }
}

TEST(Tasks, MqarBlanksMayBeRandom) {
  const OneTask plain(R"("name": "mqar", "length": 32, "pairs": 2, "vocabulary": 64)");
  const OneTask noisy(R"("name": "mqar", "length": 32, "pairs": 2, "vocabulary": 64, "random_blanks": true)");
  const Batch a = some(plain, 50), b = some(noisy, 50);
  std::set<int32_t> noise;
  for (int64_t r = 0; r < 50; ++r) {
    EXPECT_EQ(row(a.labels, r), row(b.labels, r));
    const Ids quiet = row(a.ids, r), loud = row(b.ids, r);
    for (size_t t = 0; t < 32; ++t)
      if (quiet[t] == 0) noise.insert(loud[t]);
      else EXPECT_EQ(quiet[t], loud[t]);
  }
  EXPECT_EQ(noise.size(), 64u);
}

// ---- adding -----------------------------------------------------------------------------------------------

TEST(Tasks, AddingAddsTheMarkedNumbers) {
  const OneTask task(R"("name": "adding", "length": 13)");
  EXPECT_TRUE(task->real());
  EXPECT_EQ(task->vocabulary(), 1);
  const Batch batch = some(task);
  EXPECT_FALSE(batch.ids.defined());
  ASSERT_EQ(batch.features.shape(), (Shape{kRows, 13, 2}));
  double squares = 0, fourths = 0, sum = 0;
  for (int64_t r = 0; r < kRows; ++r) {
    double total = 0;
    int64_t first_half = 0, second_half = 0;
    for (int64_t t = 0; t < 13; ++t) {
      const double x = batch.features.item((r * 13 + t) * 2), mark = batch.features.item((r * 13 + t) * 2 + 1);
      EXPECT_TRUE(x >= 0 && x < 1 && (mark == 0 || mark == 1));
      sum += x;
      total += mark * x;
      (t < 6 ? first_half : second_half) += int64_t(mark);
      EXPECT_EQ(batch.labels.item(r * 13 + t), t == 12 ? 0 : kIgnoreLabel);
    }
    EXPECT_EQ(first_half, 1);
    EXPECT_EQ(second_half, 1);
    EXPECT_NEAR(batch.targets.item(r * 13 + 12), total, 1e-6);
    squares += std::pow(total - 1, 2), fourths += std::pow(total - 1, 4);
  }
  const double mean = squares / kRows, error = std::sqrt((fourths / kRows - mean * mean) / kRows);
  EXPECT_NEAR(mean, task->facts(13).baseline_loss, 5 * error);
  EXPECT_EQ(task->facts(13).baseline_loss, 1.0 / 6);
  EXPECT_NEAR(sum / (13 * kRows), 0.5, 5 * std::sqrt(1.0 / 12 / (13 * kRows)));
}

// ---- copy_memory ------------------------------------------------------------------------------------------

TEST(Tasks, CopyMemoryRepeatsAfterTheGap) {
  const OneTask task(R"("name": "copy_memory", "length": 7, "tokens": 3, "symbols": 4)");
  EXPECT_EQ(task->context_length(), 13);
  const Batch batch = some(task);
  std::map<int32_t, int64_t> counts;
  for (int64_t r = 0; r < kRows; ++r) {
    const Ids ids = row(batch.ids, r), labels = row(batch.labels, r);
    const Ids symbols(ids.begin(), ids.begin() + 3);
    for (const int32_t s : symbols) ++counts[s];
    EXPECT_EQ(Ids(ids.begin() + 3, ids.end()), (Ids{0, 0, 0, 0, 0, 0, 5, 0, 0, 0}));
    EXPECT_EQ(Ids(labels.begin(), labels.begin() + 10), Ids(10, 0));
    EXPECT_EQ(Ids(labels.begin() + 10, labels.end()), symbols);
  }
  EXPECT_EQ(counts.size(), 4u);
  for (const auto& [symbol, count] : counts) expect_share(count, 3 * kRows, 0.25, std::to_string(symbol));
}

TEST(Tasks, CopyMemoryHasThePublishedBaseline) {
  const OneTask task(R"("name": "copy_memory", "length": 100)");
  EXPECT_EQ(task->context_length(), 120);
  EXPECT_DOUBLE_EQ(task->facts(100).baseline_loss, 10 * std::log(8) / 120);
  EXPECT_NEAR(task->facts(1000).baseline_loss, 0.0204, 5e-5);
  EXPECT_DOUBLE_EQ(task.config.threshold, std::log(8) / 120);
  EXPECT_DOUBLE_EQ(task->facts(100).chance, (110 + 10 / 8.0) / 120);
}

// ---- temporal_order ---------------------------------------------------------------------------------------

TEST(Tasks, TemporalOrderNamesTheTwo) {
  const OneTask task(R"("name": "temporal_order", "length": 40)");
  const Batch batch = some(task);
  std::map<size_t, int64_t> firsts, seconds;
  for (int64_t r = 0; r < kRows; ++r) {
    const Ids ids = row(batch.ids, r), labels = row(batch.labels, r);
    std::vector<size_t> places;
    for (size_t t = 0; t < ids.size(); ++t)
      if (ids[t] < 2) places.push_back(t);
    ASSERT_EQ(places.size(), 2u);
    EXPECT_TRUE(places[0] >= 4 && places[0] < 8 && places[1] >= 16 && places[1] < 20);
    ++firsts[places[0]], ++seconds[places[1]];
    const std::map<std::pair<int32_t, int32_t>, int32_t> classes = {{{0, 0}, 0}, {{0, 1}, 1}, {{1, 0}, 2}, {{1, 1}, 3}};
    EXPECT_EQ(labels.back(), classes.at({ids[places[0]], ids[places[1]]}));
    EXPECT_EQ(std::count(labels.begin(), labels.end(), kIgnoreLabel), 39);
  }
  for (const auto& counts : {firsts, seconds})
    for (const auto& [place, count] : counts) expect_share(count, kRows, 0.25, "place " + std::to_string(place));
  expect_uniform_labels(batch, 4);
}

// ---- dyck -------------------------------------------------------------------------------------------------

TEST(Tasks, DyckTellsWhichBracketClosesNext) {
  const OneTask task(R"("name": "dyck", "length": 25, "kinds": 3, "depth": 4)");
  const Batch batch = some(task);
  int64_t right = 0;
  double nats = 0;
  std::map<int32_t, int64_t> after_close;  // labels where a bracket closes
  int64_t closes = 0, deepest = 0;
  for (int64_t r = 0; r < kRows; ++r) {
    const Ids ids = row(batch.ids, r), labels = row(batch.labels, r);
    std::string stack;
    for (size_t t = 0; t < ids.size(); ++t) {
      if (ids[t] < 3) {
        stack += char('a' + ids[t]);
      } else {
        ASSERT_FALSE(stack.empty());
        ASSERT_EQ(stack.back(), char('a' + ids[t] - 3));
        stack.pop_back();
        ++after_close[labels[t]], ++closes;
      }
      deepest = std::max(deepest, int64_t(stack.size()));
      ASSERT_EQ(labels[t], stack.empty() ? 6 : 3 + (stack.back() - 'a'));
    }
  }
  EXPECT_EQ(deepest, 4);
  // The best predictor that knows the last bracket alone, from what was counted.
  int64_t most = 0;
  for (const auto& [label, count] : after_close) {
    most = std::max(most, count);
    nats -= double(count) * std::log(double(count) / double(closes));
  }
  right = kRows * 25 - closes + most;
  EXPECT_NEAR(double(right) / (kRows * 25), task->facts(25).chance, 0.01);
  EXPECT_NEAR(nats / (kRows * 25), task->facts(25).baseline_loss, 0.01);
}

// ---- what all have in common ------------------------------------------------------------------------------

TEST(Tasks, EveryOneStatesItsLevels) {
  for (const TaskKind& kind : task_kinds()) {
    const OneTask task("\"name\": \"" + kind.name + "\"");
    const TaskFacts facts = task->facts(task->length);
    EXPECT_FALSE(facts.baseline.empty()) << kind.name;
    EXPECT_GT(facts.baseline_loss, 0) << kind.name;
    EXPECT_GT(task.config.threshold, 0) << kind.name;
    EXPECT_EQ(std::isnan(facts.chance), task->real()) << kind.name;
    EXPECT_FALSE(task->reached(facts.metric == TaskMetric::loss ? facts.baseline_loss : facts.chance, task.config.threshold))
        << kind.name << ": the baseline does not solve it";
    EXPECT_TRUE(task->reached(facts.metric == TaskMetric::loss ? 0 : 1, task.config.threshold)) << kind.name;
  }
}

}  // namespace
}  // namespace adder
