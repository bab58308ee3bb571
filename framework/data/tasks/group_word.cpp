// The word problem of a group: at each element, the product of all so far, the first acting first. Elements are
// permutations, numbered in lexicographic order (A5: the even ones); 0 is the identity. S3 is the smallest group that
// does not commute; A5 and S5 are not solvable, which no circuit of constant depth follows (Merrill et al., 2024).
//   ids    g_1  g_2     g_3
//   labels g_1  g_1g_2  g_1g_2g_3
#include <algorithm>
#include <cmath>
#include <numeric>

#include "framework/data/tasks/task.h"

namespace adder {
namespace {

using Permutation = std::vector<int>;

struct Group {
  std::vector<Permutation> elements;
  std::vector<int32_t> table;  // [order, order]: first a, then b
  int64_t order() const { return int64_t(elements.size()); }
};

bool even(const Permutation& p) {
  int inversions = 0;
  for (size_t i = 0; i < p.size(); ++i)
    for (size_t j = i + 1; j < p.size(); ++j) inversions += p[i] > p[j];
  return inversions % 2 == 0;
}

Group permutations(int points, bool even_only) {
  Group group;
  Permutation p(static_cast<size_t>(points));
  std::iota(p.begin(), p.end(), 0);
  do {
    if (!even_only || even(p)) group.elements.push_back(p);
  } while (std::next_permutation(p.begin(), p.end()));
  for (const Permutation& a : group.elements)
    for (const Permutation& b : group.elements) {
      Permutation product;
      for (const int x : a) product.push_back(b[size_t(x)]);
      const auto at = std::lower_bound(group.elements.begin(), group.elements.end(), product);
      group.table.push_back(int32_t(at - group.elements.begin()));
    }
  return group;
}

const Group& group_named(const std::string& name) {
  static const Group s3 = permutations(3, false), a5 = permutations(5, true), s5 = permutations(5, false);
  return name == "S3" ? s3 : name == "A5" ? a5 : s5;
}

struct GroupWord : Task {
  std::string group = "S3";

  GroupWord() { length = 12, min_length = 2; }
  void fields(Fields& f) override {
    f.choice("group", group, {"S3", "A5", "S5"}, "all permutations of 3 or 5 things, or the even ones of 5");
    length_fields(f, "longest training example, in elements");
  }
  int64_t vocabulary() const override { return group_named(group).order(); }

  void make(const Random& random, int64_t elements, const Example& out) const override {
    Draws draws(random);
    const Group& g = group_named(group);
    int64_t product = 0;
    for (int64_t t = 0; t < elements; ++t) {
      const int64_t next = draws.below(g.order());
      product = g.table[size_t(product * g.order() + next)];
      out.ids[t] = int32_t(next), out.labels[t] = int32_t(product);
    }
  }

  double default_threshold() const override { return 0.9; }
  TaskFacts facts(int64_t) const override {
    const double order = double(vocabulary());
    return {.metric = TaskMetric::sequence_accuracy,
            .chance = 1 / order,
            .baseline_loss = std::log(order),
            .baseline = "all " + std::to_string(vocabulary()) + " elements alike"};
  }
};

}  // namespace

TaskKind group_word_task() {
  return task_kind<GroupWord>("group_word", "products in a group of permutations (Merrill et al., 2024)");
}

}  // namespace adder
