// Induction heads: random symbols, among them once a special one; it comes again at the end, where the symbol that
// followed it before is to be told (Gu & Dao, 2023, section 4.1.2). With S the special one:
//   ids    4 1 S 6 2 0 S
//   labels - - - - - - 6
// Ids: 0 … vocabulary - 2 the symbols, vocabulary - 1 the special one.
#include <cmath>

#include "framework/data/tasks/task.h"

namespace adder {
namespace {

struct InductionHeads : Task {
  int64_t ids = 16;

  InductionHeads() { length = 256; }
  void fields(Fields& f) override {
    f("vocabulary", ids, "ids, the special one included", size_range(3));
    length_fields(f, "positions of a row");
  }
  int64_t vocabulary() const override { return ids; }
  std::string problem(int64_t length) const override {
    return length >= 3 ? "" : "expected at least 3: the special symbol, another, and the special one again";
  }

  void make(const Random& random, int64_t length, const Example& out) const override {
    Draws draws(random);
    const int32_t special = int32_t(ids - 1);
    const int64_t place = draws.below(length - 2);
    for (int64_t t = 0; t < length; ++t) out.ids[t] = int32_t(draws.below(ids - 1));
    out.ids[place] = out.ids[length - 1] = special;
    out.labels[length - 1] = out.ids[place + 1];
  }

  double default_threshold() const override { return 0.99; }
  TaskFacts facts(int64_t) const override {
    const double symbols = double(ids - 1);
    return {.chance = 1 / symbols,
            .baseline_loss = std::log(symbols),
            .baseline = "all " + std::to_string(ids - 1) + " symbols alike"};
  }
};

}  // namespace

TaskKind induction_heads_task() {
  return task_kind<InductionHeads>("induction_heads", "what followed the special symbol before? (Gu & Dao, 2023)");
}

}  // namespace adder
