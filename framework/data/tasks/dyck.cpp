// Dyck words of bounded depth (Hewitt et al., 2020): at each bracket, which one must close next, that is, the kind of
// the innermost bracket that is open. A finite memory suffices, a stack of `depth` kinds.
//   ids    ( [ ] ( )
//   labels ) ] ) ) )
// At depth 0 a bracket opens, at `depth` one closes, between them either is as likely; kinds are uniform.
// Ids, k kinds: 0 … k - 1 open, k … 2k - 1 close, 2k: none is open (a label only).
#include <cmath>

#include "framework/data/tasks/task.h"

namespace adder {
namespace {

// How often, of `length` brackets, one opens, one closes so that none is open, and one closes inside another: means.
struct Counts {
  double open = 0, close_last = 0, close_inside = 0;
};

Counts expected(int64_t length, int64_t depth) {
  std::vector<double> at(size_t(depth + 1), 0), next;  // how likely each depth is
  at[0] = 1;
  Counts counts;
  for (int64_t t = 0; t < length; ++t) {
    next.assign(at.size(), 0);
    for (size_t d = 0; d < at.size(); ++d) {
      const double up = at[d] * (d == 0 ? 1 : d == size_t(depth) ? 0 : 0.5), down = at[d] - up;
      counts.open += up;
      (d == 1 ? counts.close_last : counts.close_inside) += down;
      if (d + 1 < at.size()) next[d + 1] += up;
      if (d > 0) next[d - 1] += down;
    }
    at.swap(next);
  }
  return counts;
}

struct Dyck : Task {
  int64_t kinds = 2, depth = 4;

  Dyck() { length = 64; }
  void fields(Fields& f) override {
    f("kinds", kinds, "kinds of bracket", size_range());
    f("depth", depth, "most brackets that are open at once", size_range(2));
    length_fields(f, "brackets of a row; some may stay open");
  }
  int64_t vocabulary() const override { return 2 * kinds + 1; }

  void make(const Random& random, int64_t length, const Example& out) const override {
    Draws draws(random);
    std::vector<int64_t> open;
    for (int64_t t = 0; t < length; ++t) {
      const bool opens = open.empty() || (int64_t(open.size()) < depth && draws.below(2) == 0);
      if (opens) {
        open.push_back(draws.below(kinds));
        out.ids[t] = int32_t(open.back());
      } else {
        out.ids[t] = int32_t(kinds + open.back());
        open.pop_back();
      }
      out.labels[t] = int32_t(open.empty() ? 2 * kinds : kinds + open.back());
    }
  }

  // After a bracket that opens the answer is certain; after one that closes only shares are known.
  double default_threshold() const override { return 0.99; }
  TaskFacts facts(int64_t length) const override {
    const Counts n = expected(length, depth);
    const double inside = n.close_inside / double(kinds), closed = n.close_last + n.close_inside, all = double(length);
    const auto nats = [&](double count, double each) { return each > 0 ? -count * std::log(each / closed) : 0; };
    return {.chance = (n.open + std::max(n.close_last, inside)) / all,
            .baseline_loss = (nats(n.close_last, n.close_last) + nats(n.close_inside, inside)) / all,
            .baseline = "knows the last bracket alone"};
  }
};

}  // namespace

TaskKind dyck_task() {
  return task_kind<Dyck>("dyck", "nested brackets of bounded depth (Hewitt et al., 2020): which one closes next");
}

}  // namespace adder
