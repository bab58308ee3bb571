// The adding problem: real numbers in [0, 1), two of them marked, one in each half; at the end their sum is to be told
// (Hochreiter & Schmidhuber, 1997; generated as Arjovsky et al., 2016). Features of a position: the number, and 1 where
// it is marked. The loss is the squared error; who tells 1 whatever comes has 1/6, the variance of the sum.
//   number .3 .8 .1 .5        target - - - 0.8
//   mark    1  0  0  1
#include "framework/data/tasks/task.h"

namespace adder {
namespace {

struct Adding : Task {
  Adding() { length = 100; }
  void fields(Fields& f) override { length_fields(f, "numbers of a row"); }
  int64_t features() const override { return 2; }
  std::string problem(int64_t length) const override { return length >= 2 ? "" : "expected at least 2, one for each half"; }

  void make(const Random& random, int64_t length, const Example& out) const override {
    Draws draws(random);
    for (int64_t t = 0; t < length; ++t) out.features[2 * t] = float(draws.uniform());
    const int64_t half = length / 2, first = draws.below(half), second = half + draws.below(length - half);
    out.features[2 * first + 1] = out.features[2 * second + 1] = 1;
    out.targets[length - 1] = out.features[2 * first] + out.features[2 * second];
    out.labels[length - 1] = 0;
  }

  double default_threshold() const override { return 0.01; }
  TaskFacts facts(int64_t) const override {
    return {.metric = TaskMetric::loss, .baseline_loss = 1.0 / 6, .baseline = "1, whatever comes"};
  }
};

}  // namespace

TaskKind adding_task() {
  return task_kind<Adding>("adding", "the sum of two marked numbers (Hochreiter & Schmidhuber, 1997); real inputs");
}

}  // namespace adder
