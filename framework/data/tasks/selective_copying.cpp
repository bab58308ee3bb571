// Selective copying: tokens stand at random places among noise; after all of it, one marker a token asks for them in
// order (Gu & Dao, 2023, section 3.1). With tokens 2, T = 5 and noise written as a dot:
//   ids    . 3 . . 7 M M
//   labels - - - - - 3 7
// Ids: 0 the marker, 1 … symbols the tokens, symbols + 1 the noise. The places depend on the input, so that no
// convolution with fixed taps can fetch them.
#include <cmath>

#include "framework/data/tasks/task.h"

namespace adder {
namespace {

struct SelectiveCopying : Task {
  int64_t tokens = 16, symbols = 14;

  SelectiveCopying() { length = 4096; }
  void fields(Fields& f) override {
    f("tokens", tokens, "tokens to remember", size_range());
    f("symbols", symbols, "kinds of token; the vocabulary has two ids more, the marker and the noise", size_range(2));
    length_fields(f, "tokens and noise together; as many markers follow as there are tokens");
  }
  int64_t vocabulary() const override { return symbols + 2; }
  int64_t positions(int64_t length) const override { return length + tokens; }
  std::string problem(int64_t length) const override {
    if (length >= tokens) return "";
    return "expected at least data.task.tokens, " + std::to_string(tokens) + ", for they stand in it";
  }

  void make(const Random& random, int64_t length, const Example& out) const override {
    Draws draws(random);
    int64_t told = 0;
    for (int64_t t = 0; t < length; ++t) {
      // Each set of places is as likely as any other (Knuth's algorithm S).
      const bool token = draws.below(length - t) < tokens - told;
      out.ids[t] = int32_t(token ? 1 + draws.below(symbols) : symbols + 1);
      if (token) out.labels[length + told++] = out.ids[t];
    }
  }

  double default_threshold() const override { return 0.95; }
  TaskFacts facts(int64_t) const override {
    return {.chance = 1 / double(symbols),
            .baseline_loss = std::log(double(symbols)),
            .baseline = "all " + std::to_string(symbols) + " symbols alike"};
  }
};

}  // namespace

TaskKind selective_copying_task() {
  return task_kind<SelectiveCopying>("selective_copying", "tokens among noise, to be told in order (Gu & Dao, 2023)");
}

}  // namespace adder
