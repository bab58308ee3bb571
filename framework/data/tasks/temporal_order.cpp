// Temporal order: two symbols that matter, A or B each, far from the end and from each other, among four that don't; at
// the end it is to be told which came first and which second (Hochreiter & Schmidhuber, 1997; places as Pascanu et al.,
// 2013: the first in [T/10, 2T/10), the second in [4T/10, 5T/10), T the length).
//   ids    c d A f e c B d f e        label of the last position: AB
// Ids: 0 A, 1 B, 2 … 5 the others; labels: 0 AA, 1 AB, 2 BA, 3 BB.
#include <cmath>

#include "framework/data/tasks/task.h"

namespace adder {
namespace {

struct TemporalOrder : Task {
  TemporalOrder() { length = 100; }
  void fields(Fields& f) override { length_fields(f, "positions of a row"); }
  int64_t vocabulary() const override { return 6; }
  std::string problem(int64_t length) const override {
    return length >= 10 ? "" : "expected at least 10, for the places are tenths of it";
  }

  void make(const Random& random, int64_t length, const Example& out) const override {
    Draws draws(random);
    for (int64_t t = 0; t < length; ++t) out.ids[t] = int32_t(2 + draws.below(4));
    const auto place = [&](int64_t tenths) {
      const int64_t first = tenths * length / 10, end = (tenths + 1) * length / 10;
      return first + draws.below(end - first);
    };
    const int32_t one = int32_t(draws.below(2)), two = int32_t(draws.below(2));
    out.ids[place(1)] = one, out.ids[place(4)] = two;
    out.labels[length - 1] = 2 * one + two;
  }

  double default_threshold() const override { return 0.99; }
  TaskFacts facts(int64_t) const override {
    return {.chance = 0.25, .baseline_loss = std::log(4.0), .baseline = "all 4 orders alike"};
  }
};

}  // namespace

TaskKind temporal_order_task() {
  return task_kind<TemporalOrder>("temporal_order",
                                  "which of two symbols came first, far back (Hochreiter & Schmidhuber, 1997)");
}

}  // namespace adder
