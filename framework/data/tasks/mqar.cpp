// Multi-query associative recall, as Zoology generates it (Arora et al., 2023): pairs of key and value, then each key
// once more at a random place, where its value is to be told. With pairs 2 and a blank written as a dot:
//   ids    k1 v1 k2 v2 . . k2 . k1 . . .
//   labels -  -  -  -  - - v2 - v1 - - -
// Ids: 0 the blank, 1 … V/2 - 1 the keys, V/2 … V - 1 the values; those of a row are distinct. After the pairs there
// are n = (length - 2 pairs) / 2 places for queries, two positions each; of those that are free place i (from 1) is
// taken with a probability proportional to i^(power - 1): the gaps follow a power law, as those of words in text do.
#include <algorithm>
#include <cmath>

#include "framework/data/tasks/task.h"

namespace adder {
namespace {

struct Mqar : Task {
  int64_t ids = 8192, pairs = 8;
  double power = 0.01;
  bool random_blanks = false;

  Mqar() { length = 128; }
  void fields(Fields& f) override {
    f("vocabulary", ids, "ids: a blank, keys and values", size_range(4));
    f("pairs", pairs, "pairs of key and value in a row", size_range());
    f("power", power, "of the power law that places the queries; 1: all places alike", at_least(0));
    f("random_blanks", random_blanks, "blanks are replaced by random ids, as a harder version has it");
    length_fields(f, "positions of a row, an even number");
  }
  int64_t vocabulary() const override { return ids; }
  int64_t values() const { return ids - ids / 2; }

  std::string problem(int64_t length) const override {
    if (length % 2 != 0) return "expected an even number: queries stand at every second position";
    if (4 * pairs > length)
      return "expected at least 4 data.task.pairs, " + std::to_string(4 * pairs) +
             ": each pair is told in two positions and asked for in two";
    if (pairs >= ids / 2)
      return "data.task.pairs is " + std::to_string(pairs) + ", expected at most the keys there are, vocabulary / 2 - 1 = " +
             std::to_string(ids / 2 - 1);
    return "";
  }

  void make(const Random& random, int64_t length, const Example& out) const override {
    Draws draws(random);
    const std::vector<int64_t> keys = distinct(draws, ids / 2 - 1), told = distinct(draws, values());
    const std::vector<int64_t> places = query_places(draws, length / 2 - pairs);
    for (int64_t i = 0; i < pairs; ++i) {
      const int32_t key = int32_t(1 + keys[size_t(i)]), value = int32_t(ids / 2 + told[size_t(i)]);
      out.ids[2 * i] = key, out.ids[2 * i + 1] = value;
      const int64_t query = 2 * pairs + 2 * places[size_t(i)];
      out.ids[query] = key, out.labels[query] = value;
    }
    for (int64_t t = 0; random_blanks && t < length; ++t)
      if (out.ids[t] == 0) out.ids[t] = int32_t(draws.below(ids));
  }

  double default_threshold() const override { return 0.99; }
  TaskFacts facts(int64_t) const override {
    const double n = double(values());
    return {.chance = 1 / n, .baseline_loss = std::log(n), .baseline = "all " + std::to_string(values()) + " values alike"};
  }

 private:
  // One for each pair, all different, in [0, bound).
  std::vector<int64_t> distinct(Draws& draws, int64_t bound) const {
    std::vector<int64_t> taken;
    while (int64_t(taken.size()) < pairs) {
      const int64_t x = draws.below(bound);
      if (std::find(taken.begin(), taken.end(), x) == taken.end()) taken.push_back(x);
    }
    return taken;
  }

  // A place for each pair's query, out of n, one after another among those that are left.
  std::vector<int64_t> query_places(Draws& draws, int64_t n) const {
    std::vector<double> weights;
    for (int64_t i = 1; i <= n; ++i) weights.push_back(std::pow(double(i), power - 1));
    std::vector<int64_t> places;
    while (int64_t(places.size()) < pairs) {
      double total = 0;
      for (const double w : weights) total += w;
      double rest = draws.uniform() * total;
      int64_t place = -1;
      for (int64_t i = 0; i < n && (place < 0 || rest >= 0); ++i)
        if (weights[size_t(i)] > 0) place = i, rest -= weights[size_t(i)];
      weights[size_t(place)] = 0;
      places.push_back(place);
    }
    return places;
  }
};

}  // namespace

TaskKind mqar_task() { return task_kind<Mqar>("mqar", "multi-query associative recall (Arora et al., 2023)"); }

}  // namespace adder
