// A gradient that is begun part by part, without zeros first: in any order and by any views it becomes the sum of what reached it.
#include <gtest/gtest.h>

#include <random>

#include "framework/core/tape.h"
#include "framework/ops/view.h"

namespace adder {
namespace {

const Shape kShape = {3, 4, 10};

// Memory that nobody wrote is NaN.
struct Poisoned {
  bool before = arena::poison();
  Poisoned() { arena::set_poison(true); }
  ~Poisoned() { arena::set_poison(before); }
};

enum Way { kBegin, kAdd, kGive, kDense, kOnto, kWays };

// What an op does with the gradient of input i, whose adjoint is `factor` everywhere.
void reach(const Adjoints& g, size_t i, const Shape& shape, double factor, Way way) {
  const Tensor more = Tensor::full(shape, factor, DType::f64);
  if (way == kGive) return g.give(i, more);
  if (way == kOnto) {
    const auto [before, into] = g.onto(i, {});
    if (before.defined() && !before.same_storage(into)) into.copy_from(before);
    before.defined() ? into.add(more) : into.copy_from(more);
    return;
  }
  const bool anew = way == kBegin && g.begin(i);
  const Tensor gradient = way == kDense ? g.in_dense(i) : g.in(i);
  anew ? gradient.copy_from(more) : gradient.add(more);
}

struct Use {
  std::vector<Var> inputs;
  std::vector<Way> ways;
  double factor;
  bool together = false;  // all inputs are begun at once, or none
};

void reach_together(const Adjoints& g, const std::vector<Shape>& shapes, double factor) {
  const bool anew = shapes.size() == 1 ? g.begin_together({0}) : g.begin_together({0, 1});
  std::vector<Tensor> gradients;
  for (size_t i = 0; i < shapes.size(); ++i) gradients.push_back(g.in(i));
  for (size_t i = 0; i < shapes.size(); ++i) {
    const Tensor more = Tensor::full(shapes[i], factor, DType::f64);
    anew ? gradients[i].copy_from(more) : gradients[i].add(more);
  }
}

Var record_use(const Use& use) {
  std::vector<Shape> shapes;
  for (const Var& v : use.inputs) shapes.push_back(v.shape());
  return record("use", Tensor::zeros({1}, DType::f64), use.inputs, [=](const Adjoints& g) {
    if (use.together) return reach_together(g, shapes, use.factor);
    for (size_t i = 0; i < shapes.size(); ++i) reach(g, i, shapes[i], use.factor, use.ways[i]);
  });
}

class Trial {
 public:
  explicit Trial(unsigned seed) : random_(seed) {
    for (int64_t i = 0; i < places_.size(); ++i) places_.data<double>()[i] = double(i), want_.push_back(0);
  }

  void run() {
    Tape tape;
    Parameter p{.name = "p", .value = places_.clone()};
    const Var x = tape.use(p), copy = record("copy", places_.clone(), {x}, [](const Adjoints& g) { g.give(0, g.out(0)); });
    std::vector<std::pair<Var, Tensor>> outputs;
    for (int uses = drawn(1, 6); uses-- > 0;) outputs.emplace_back(use_of(drawn(0, 1) ? x : copy), Tensor::full({1}, 1, DType::f64));
    tape.backward(outputs);
    ASSERT_TRUE(p.grad.defined());
    for (int64_t i = 0; i < places_.size(); ++i) ASSERT_EQ(p.grad.item(i), want_[size_t(i)]) << "element " << i;
  }

 private:
  int drawn(int least, int most) { return std::uniform_int_distribution<int>(least, most)(random_); }

  // Of x or of a part of it, of one part or two. Factors are powers of two: sums are exact in any order.
  Var use_of(const Var& x) {
    Use use{{}, {}, double(1 << drawn(0, 10)), drawn(0, 4) == 0};
    for (int inputs = drawn(1, 2); inputs-- > 0;) {
      Var part = x;
      Tensor places = places_;
      for (int views = drawn(0, 2); views-- > 0;) narrow(part, places);
      use.inputs.push_back(part), use.ways.push_back(Way(drawn(0, kWays - 1)));
      for (int64_t i = 0; i < places.size(); ++i) want_[size_t(places.item(i))] += use.factor;
    }
    return record_use(use);
  }

  void narrow(Var& part, Tensor& places) {
    const int axis = drawn(0, 3) ? 2 : drawn(0, 1);  // columns most of the time
    const int64_t size = places.dim(axis), start = drawn(0, int(size) - 1), length = drawn(1, int(size - start));
    part = ops::narrow(part, axis, start, length);
    places = places.narrow(axis, start, length);
  }

  std::mt19937 random_;
  Tensor places_ = Tensor::empty(kShape, DType::f64);
  std::vector<double> want_;
};

TEST(GradientParts, AreTheSumOfWhatReachedThem) {
  const Poisoned poisoned;
  for (unsigned seed = 0; seed < 3000; ++seed) {
    Trial(seed).run();
    ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed;
  }
}

// begin() holds for a part that nothing reached, whatever reached its neighbours; and for no part twice.
TEST(GradientParts, BeginHoldsOnceForEach) {
  const Poisoned poisoned;
  Tape tape;
  Parameter p{.name = "p", .value = Tensor::zeros({2, 6}, DType::f64)};
  const auto parts = ops::split(tape.use(p), {1, 2, 3});
  std::vector<bool> anew;
  std::vector<std::pair<Var, Tensor>> outputs;
  for (const size_t i : {0, 2, 0})  // backward goes the other way
    outputs.emplace_back(record("use", Tensor::zeros({1}, DType::f64), {parts[i]}, [&anew](const Adjoints& g) {
      anew.push_back(g.begin(0));
      const Tensor one = Tensor::full(g.in(0).shape(), 1, DType::f64);
      anew.back() ? g.in(0).copy_from(one) : g.in(0).add(one);
    }), Tensor::full({1}, 1, DType::f64));
  tape.backward(outputs);
  EXPECT_EQ(anew, (std::vector<bool>{true, true, false}));
  const double want[] = {2, 0, 0, 1, 1, 1};
  for (int64_t i = 0; i < 12; ++i) EXPECT_EQ(p.grad.item(i), want[i % 6]) << i;
}

}  // namespace
}  // namespace adder
