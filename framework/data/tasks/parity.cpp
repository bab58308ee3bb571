// Parity: at each bit, whether the ones so far are odd. A state in {0, 1} that flips: a transition of -1, or a
// nonlinear recurrence, can keep it; transitions between 0 and 1 can't (Grazzi et al., 2024).
//   ids    1 0 1 1
//   labels 1 1 0 1
#include <cmath>

#include "framework/data/tasks/task.h"

namespace adder {
namespace {

struct Parity : Task {
  Parity() { length = 16, min_length = 3; }
  void fields(Fields& f) override { length_fields(f, "longest training example, in bits"); }
  int64_t vocabulary() const override { return 2; }

  void make(const Random& random, int64_t bits, const Example& out) const override {
    Draws draws(random);
    int32_t odd = 0;
    for (int64_t t = 0; t < bits; ++t) {
      out.ids[t] = int32_t(draws.below(2));
      out.labels[t] = odd ^= out.ids[t];
    }
  }

  double default_threshold() const override { return 0.99; }
  TaskFacts facts(int64_t) const override {
    return {.chance = 0.5, .baseline_loss = std::log(2.0), .baseline = "odd and even alike"};
  }
};

}  // namespace

TaskKind parity_task() { return task_kind<Parity>("parity", "whether the ones so far are odd (Grazzi et al., 2024)"); }

}  // namespace adder
