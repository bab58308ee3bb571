// Copy memory: symbols to be told again after a gap of `length` positions (Hochreiter & Schmidhuber, 1997; generated as
// Arjovsky et al., 2016). Every position is scored, the blanks too. With tokens 2, length 3, a blank written as a dot
// and the delimiter as D:
//   ids    3 7 . . D . .
//   labels . . . . . 3 7
// Ids: 0 the blank, 1 … symbols the symbols, symbols + 1 the delimiter.
#include <algorithm>
#include <cmath>

#include "framework/data/tasks/task.h"

namespace adder {
namespace {

struct CopyMemory : Task {
  int64_t tokens = 10, symbols = 8;

  CopyMemory() { length = 100; }
  void fields(Fields& f) override {
    f("tokens", tokens, "symbols to remember", size_range());
    f("symbols", symbols, "kinds of symbol; the vocabulary has two ids more, the blank and the delimiter", size_range(2));
    length_fields(f, "positions from the last symbol to the delimiter; a row has 2 tokens more");
  }
  int64_t vocabulary() const override { return symbols + 2; }
  int64_t positions(int64_t length) const override { return length + 2 * tokens; }

  void make(const Random& random, int64_t length, const Example& out) const override {
    Draws draws(random);
    std::fill_n(out.labels, positions(length), 0);
    for (int64_t i = 0; i < tokens; ++i)
      out.ids[i] = out.labels[tokens + length + i] = int32_t(1 + draws.below(symbols));
    out.ids[tokens + length - 1] = int32_t(symbols + 1);
  }

  // Blanks are certain; of the symbols nothing is known.
  double default_threshold() const override { return 0.1 * facts(length).baseline_loss; }
  TaskFacts facts(int64_t length) const override {
    const double all = double(positions(length)), asked = double(tokens), n = double(symbols);
    return {.metric = TaskMetric::loss,
            .chance = (all - asked + asked / n) / all,
            .baseline_loss = asked * std::log(n) / all,
            .baseline = "blanks, then all " + std::to_string(symbols) + " symbols alike"};
  }
};

}  // namespace

TaskKind copy_memory_task() {
  return task_kind<CopyMemory>("copy_memory", "symbols to be told again after a long gap (Arjovsky et al., 2016)");
}

}  // namespace adder
