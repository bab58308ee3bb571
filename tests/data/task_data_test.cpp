// The examples of a run: pure functions of (seed, step, micro), training apart from evaluation.
#include "framework/data/tasks/task_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "tests/support/tasks.h"

namespace adder {
namespace {

using Ids = std::vector<int32_t>;

std::string bytes(const Tensor& t) {
  return t.defined() ? std::string(static_cast<const char*>(t.raw()), size_t(t.size()) * bytes_of(t.dtype())) : "";
}
std::string bytes(const Batch& b) { return bytes(b.ids) + bytes(b.labels) + bytes(b.features) + bytes(b.targets); }

TaskBatches batches_of(const OneTask& task, int64_t rows, uint64_t seed = 1, int64_t accumulate = 1, int64_t examples = 0) {
  return TaskBatches(*task, {rows, 1, accumulate}, seed, examples);
}

TEST(TaskData, EveryTaskIsAPureFunctionOfSeedAndStep) {
  for (const TaskKind& kind : task_kinds()) {
    const OneTask task("\"name\": \"" + kind.name + "\"");
    const TaskBatches batches = batches_of(task, 3), again = batches_of(task, 3), other = batches_of(task, 3, 2);
    const std::string late = bytes(batches.at(5));
    EXPECT_EQ(bytes(again.at(5)), late) << kind.name;  // no history
    EXPECT_NE(bytes(batches.at(4)), late) << kind.name;
    EXPECT_NE(bytes(other.at(5)), late) << kind.name;
    EXPECT_EQ(batches.at(0).labels.shape(), (Shape{3, task->context_length()})) << kind.name;
    EXPECT_FALSE(batches.continues(1)) << kind.name;
    const Batch held_out = evaluation_examples(*task, 1, task->length, 0, 3);
    EXPECT_EQ(bytes(held_out), bytes(evaluation_examples(*task, 1, task->length, 0, 3))) << kind.name;
    EXPECT_NE(bytes(held_out), bytes(evaluation_examples(*task, 2, task->length, 0, 3))) << kind.name;
  }
}

TEST(TaskData, RowsAreNumberedOverStepsAndMicroSteps) {
  const OneTask task(R"("name": "parity", "length": 60)");
  const TaskBatches whole = batches_of(task, 6), parts = batches_of(task, 2, 1, 3);
  const Batch step = whole.at(1);
  for (int64_t micro = 0; micro < 3; ++micro)
    for (int64_t r = 0; r < 2; ++r) {
      EXPECT_EQ(row(parts.at(1, micro).ids, r), row(step.ids, 2 * micro + r));
      EXPECT_EQ(row(parts.at(1, micro).labels, r), row(step.labels, 2 * micro + r));
    }
  const Batch all = evaluation_examples(*task, 1, 60, 0, 5);
  EXPECT_EQ(row(evaluation_examples(*task, 1, 60, 3, 2).ids, 1), row(all.ids, 4));
}

TEST(TaskData, HeldOutExamplesAreNoneOfTraining) {
  const OneTask task(R"("name": "parity", "length": 60, "min_length": 0)");
  std::set<Ids> seen;
  const TaskBatches batches = batches_of(task, 500);
  for (int64_t step = 0; step < 4; ++step) {
    const Batch batch = batches.at(step);
    for (int64_t r = 0; r < 500; ++r) EXPECT_TRUE(seen.insert(row(batch.ids, r)).second);
  }
  const Batch held_out = evaluation_examples(*task, 1, 60, 0, 500);
  for (int64_t r = 0; r < 500; ++r) EXPECT_FALSE(seen.contains(row(held_out.ids, r)));
}

TEST(TaskData, AFixedSetComesAgain) {
  const OneTask task(R"("name": "parity", "length": 60)");
  const TaskBatches batches = batches_of(task, 4, 1, 1, 6), fresh = batches_of(task, 4);
  EXPECT_EQ(bytes(batches.at(0)), bytes(fresh.at(0)));
  const Batch second = batches.at(1);  // examples 4 5 0 1
  EXPECT_EQ(row(second.ids, 1), row(fresh.at(1).ids, 1));
  EXPECT_EQ(row(second.ids, 2), row(fresh.at(0).ids, 0));
  EXPECT_EQ(bytes(batches.at(3)), bytes(batches.at(0)));
}

TEST(TaskData, ShorterExamplesAreFilledUpUnscored) {
  const OneTask task(R"("name": "parity", "length": 9, "min_length": 4)");
  const TaskBatches batches = batches_of(task, 600);
  const Batch batch = batches.at(0);
  std::map<int64_t, int64_t> lengths;
  for (int64_t r = 0; r < 600; ++r) {
    const Ids ids = row(batch.ids, r), labels = row(batch.labels, r);
    const auto end = std::find(labels.begin(), labels.end(), kIgnoreLabel);
    EXPECT_EQ(std::count(end, labels.end(), kIgnoreLabel), labels.end() - end);
    EXPECT_EQ(std::count(ids.begin() + (end - labels.begin()), ids.end(), 0), labels.end() - end);
    ++lengths[end - labels.begin()];
  }
  ASSERT_EQ(lengths.size(), 6u);
  EXPECT_EQ(lengths.begin()->first, 4);
  for (const auto& [length, count] : lengths) EXPECT_NEAR(double(count), 100, 5 * std::sqrt(600 * 5.0 / 36)) << length;
  // An example of evaluation has its length whole.
  const Batch held_out = evaluation_examples(*task, 1, 9, 0, 50);
  for (int64_t i = 0; i < held_out.labels.size(); ++i) EXPECT_NE(held_out.labels.item(i), kIgnoreLabel);
}

}  // namespace
}  // namespace adder
