#include "framework/core/tape.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "framework/checks/check_op.h"
#include "framework/core/error.h"
#include "framework/ops/activation.h"
#include "framework/ops/add.h"
#include "framework/ops/gated.h"
#include "framework/ops/rms_norm.h"
#include "framework/ops/view.h"
#include "kernels/parallel.h"

namespace adder {
namespace {

Tensor filled(const Shape& shape, double value) { return Tensor::full(shape, value, DType::f64); }
Parameter parameter(const std::string& name, const Shape& shape, double value) {
  return {.name = name, .value = filled(shape, value)};
}

// y = factor x, recorded by hand.
Var times(const Var& x, double factor) {
  const auto scaled = [factor](const Tensor& t) {
    const Tensor y = t.clone();
    for (int64_t i = 0; i < y.size(); ++i) y.data<double>()[i] *= factor;
    return y;
  };
  return record("times", scaled(x.value()), {x}, [scaled](const Adjoints& g) {
    if (g.wants(0)) g.in(0).add(scaled(g.out(0)));
  });
}

void expect_all(const Tensor& x, double want) {
  ASSERT_TRUE(x.defined());
  for (int64_t i = 0; i < x.size(); ++i) EXPECT_EQ(x.item(i), want) << "element " << i;
}

TEST(Tape, GradientsOfSeveralUsesAdd) {
  Tape tape;
  Parameter p = parameter("p", {3}, 1);
  const Var a = times(tape.use(p), 2), b = times(tape.use(p), 5);
  tape.backward(ops::add(a, b));
  expect_all(p.grad, 7);
}

TEST(Tape, GradientsAddAcrossPassesUntilCleared) {
  Parameter p = parameter("p", {3}, 1);
  for (int pass = 1; pass <= 3; ++pass) {
    Tape tape;
    tape.backward(times(tape.use(p), 2));
    expect_all(p.grad, 2 * pass);
  }
}

TEST(Tape, AGivenAdjointIsNeverWrittenTo) {
  // add hands one tensor to both inputs; each is then added to by others.
  Parameter p = parameter("p", {2}, 1), q = parameter("q", {2}, 1);
  Tape tape;
  const Var x = tape.use(p), z = tape.use(q);
  const Var early = times(x, 10);                      // adds into x after add has given to it
  const Var sum = ops::add(x, z), twice = ops::add(sum, sum);
  const Tensor adjoint = filled({2}, 1);
  tape.backward({{twice, adjoint}, {early, filled({2}, 1)}});
  expect_all(p.grad, 12);
  expect_all(q.grad, 2);
  expect_all(adjoint, 1);
  EXPECT_FALSE(p.grad.same_storage(q.grad));
}

TEST(Tape, ParametersDoNotShareOneGradient) {
  Parameter p = parameter("p", {2}, 1), q = parameter("q", {2}, 1);
  Tape tape;
  tape.backward(ops::add(tape.use(p), tape.use(q)));
  p.grad.data<double>()[0] = 99;  // as an optimizer that clips would
  expect_all(q.grad, 1);
}

TEST(Tape, AGradientFromAReshapedAdjointCanBeViewed) {
  // The adjoint of y arrives strided; x's gradient is then cut by a view, which must share its storage.
  Tape tape;
  Parameter p = parameter("p", {2, 3}, 1);
  const Var x = tape.use(p);
  const Var part = times(ops::narrow(x, 1, 0, 1), 4);
  const Var y = ops::reshape(x, {2, 3});
  const Tensor wide = filled({2, 5}, 1);
  tape.backward({{y, wide.narrow(1, 1, 3)}, {part, filled({2, 1}, 1)}});
  for (int i = 0; i < 6; ++i) EXPECT_EQ(p.grad.item(i), i % 3 == 0 ? 5 : 1) << i;
  EXPECT_TRUE(p.grad.contiguous());
  expect_all(wide, 1);
}

TEST(Tape, AnInputTwiceGetsBothGradients) {
  // y = a b read from one variable: a kernel that loads both gradients before it stores either would lose one.
  const auto product = [](const Var& a, const Var& b) {
    const Tensor u = a.value(), v = b.value(), y = filled(u.shape(), u.item() * v.item());
    return record("product", y, {a, b}, [u, v](const Adjoints& g) {
      const Tensor da = g.in(0), db = g.in(1);
      const double left = da.item() + g.out(0).item() * v.item(),
                   right = db.item() + g.out(0).item() * u.item();
      da.fill(left);
      db.fill(right);
    });
  };
  Tape tape;
  Parameter p = parameter("p", {1}, 3);
  const Var x = tape.use(p);
  tape.backward(product(x, x));
  expect_all(p.grad, 6);
}

using Views = std::function<std::pair<Var, Var>(const Var&)>;

// The gradient of x where it reaches swiglu through two views of it.
Tensor swiglu_gradient(const Tensor& x, const Views& views, int threads) {
  const int before = kernels::threads();
  kernels::set_threads(threads);
  Parameter p{.name = "p", .value = x};
  Tape tape;
  const auto [gate, up] = views(tape.use(p));
  tape.backward(ops::swiglu(gate, up));
  kernels::set_threads(before);
  return p.grad;
}

TEST(Tape, OverlappingViewsInOneOpGetBothGradients) {
  // Each row but the ends is a gate and, in the row before it, a factor: rows of two threads' blocks meet.
  const int64_t rows = 4001, columns = 33;
  const Tensor x = normal_input({rows, columns}, 1);
  const auto shifted = [&](const Var& v) {
    return std::pair(ops::narrow(v, 0, 0, rows - 1), ops::narrow(v, 0, 1, rows - 1));
  };
  const Tensor one = swiglu_gradient(x, shifted, 1);
  for (int64_t i = 0; i < x.size(); ++i) {
    const double s = 1 / (1 + std::exp(-x.item(i))), gate = i / columns < rows - 1 ? x.item(i + columns) : 0;
    const double below = i / columns > 0 ? x.item(i - columns) : 0;
    const double want = gate * s * (1 + x.item(i) * (1 - s)) + below / (1 + std::exp(-below));
    ASSERT_NEAR(one.item(i), want, 1e-12) << "element " << i;
  }
  for (int attempt = 0; attempt < 60; ++attempt) {
    const Tensor five = swiglu_gradient(x, shifted, 5);
    ASSERT_EQ(std::memcmp(one.raw(), five.raw(), size_t(one.size()) * 8), 0) << "attempt " << attempt;
  }
}

// Whether an op with these two inputs adds into both gradients in place.
bool both_in_place(const Var& whole, const Var& a, const Var& b) {
  bool in_place = false;
  const Var y = record("two", filled({1}, 1), {a, b}, [&](const Adjoints& g) {
    const Tensor da = g.in(0), db = g.in(1);
    in_place = da.same_storage(whole.node()->grad) && db.same_storage(whole.node()->grad);
  });
  whole.tape()->backward(y);
  return in_place;
}

TEST(Tape, OnlyViewsThatMayOverlapGatherAside) {
  using ops::narrow;
  const auto in_place = [](const Shape& shape, const Views& views) {
    Tape tape;
    const Var x = tape.leaf(filled(shape, 1));
    const auto [a, b] = views(x);
    return both_in_place(x, a, b);
  };
  const auto cut = [](int64_t first, int64_t n, int64_t second, int64_t m) {
    return [=](const Var& x) { return std::pair(narrow(x, -1, first, n), narrow(x, -1, second, m)); };
  };
  for (const Shape& shape : {Shape{2, 3, 8}, Shape{1, 1, 8}, Shape{8}}) {
    EXPECT_TRUE(in_place(shape, cut(0, 5, 5, 3))) << to_string(shape);
    EXPECT_TRUE(in_place(shape, cut(5, 3, 0, 5))) << to_string(shape);
    EXPECT_TRUE(in_place(shape, cut(1, 2, 4, 3))) << to_string(shape);
    EXPECT_FALSE(in_place(shape, cut(0, 5, 4, 3))) << to_string(shape);
    EXPECT_FALSE(in_place(shape, cut(4, 3, 0, 5))) << to_string(shape);
    EXPECT_FALSE(in_place(shape, cut(2, 3, 2, 3))) << to_string(shape);
    EXPECT_FALSE(in_place(shape, cut(0, 8, 3, 2))) << to_string(shape);
  }
  EXPECT_FALSE(in_place({4, 8}, [](const Var& x) { return std::pair(x, narrow(x, -1, 3, 2)); }));
  EXPECT_FALSE(in_place({4, 8}, [](const Var& x) { return std::pair(x, x); }));
  EXPECT_TRUE(in_place({4, 8}, [](const Var& x) { return std::pair(narrow(x, 0, 0, 2), narrow(x, 0, 2, 2)); }));
  EXPECT_TRUE(in_place({4, 8}, [](const Var& x) {  // views of views
    return std::pair(narrow(narrow(x, -1, 0, 6), -1, 1, 2), narrow(narrow(x, -1, 2, 6), -1, 1, 2));
  }));
  EXPECT_FALSE(in_place({4, 8}, [](const Var& x) {
    return std::pair(narrow(narrow(x, -1, 0, 6), -1, 1, 3), narrow(narrow(x, -1, 2, 6), -1, 1, 2));
  }));
}

TEST(Tape, ADenseGradientIsContiguousAndAddedToItsView) {
  Tape tape;
  const Var x = tape.leaf(filled({2, 3}, 1)), part = ops::narrow(x, -1, 1, 2);
  const Var y = record("dense", filled({1}, 1), {part}, [](const Adjoints& g) {
    const Tensor d = g.in_dense(0);
    EXPECT_TRUE(d.contiguous());
    for (int i = 0; i < 4; ++i) d.data<double>()[i] += i + 1;
  });
  tape.backward(y);
  const double want[6] = {0, 1, 2, 0, 3, 4};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(x.node()->gathered().item(i), want[i]) << i;
}

TEST(Tape, TwoTapesInOneOpAreAnError) {
  Tape one, two;
  const Var a = one.leaf(filled({2}, 1)), b = two.leaf(filled({2}, 1));
  try {
    ops::add(a, b);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "[add] inputs were recorded on two tapes; detach() one of them");
  }
  EXPECT_NO_THROW(ops::add(a, b.detach()));
}

TEST(Tape, BackwardOfAStrangerIsAnError) {
  Tape one, two;
  EXPECT_THROW(one.backward(two.leaf(filled({}, 1))), Error);
  EXPECT_THROW(one.backward(Var(filled({}, 1))), Error);
}

TEST(Tape, AnAdjointOfAnotherShapeIsAnError) {
  Tape tape;
  const Var x = tape.leaf(filled({2, 3}, 1));
  EXPECT_THROW(tape.backward({{times(x, 1), filled({3, 2}, 1)}}), Error);
}

TEST(Tape, AnAdjointOfAnotherDtypeIsAnError) {
  Tape tape;
  const Var x = tape.leaf(filled({2}, 1));
  try {
    tape.backward({{times(x, 1), Tensor::full({2}, 1, DType::f32)}});
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "[tape] an adjoint has dtype float32, expected float64, as its variable has");
  }
}

TEST(Tape, AnAdjointOnAnotherDeviceIsAnError) {
  Tape tape;
  const Var x = tape.leaf(filled({2}, 1));
  x.node()->device = Device::cuda;  // as if the value lay there
  try {
    x.node()->give(filled({2}, 1));
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "[tape] an adjoint is on device cpu, expected cuda, as its variable is");
  }
}

TEST(Tape, AHundredThousandStepsOverflowNothing) {
  Tape tape;
  Parameter p = parameter("p", {1}, 1);
  Var x = tape.use(p);
  for (int i = 0; i < 100000; ++i) x = times(x, i % 2 ? 2 : 0.5);
  EXPECT_EQ(tape.size(), 100001u);
  tape.backward(x);
  expect_all(p.grad, 1);
  {
    Tape left_behind;  // destroyed without a backward pass
    Var y = left_behind.use(p);
    for (int i = 0; i < 100000; ++i) y = times(y, 1);
  }
}

TEST(Tape, AnUnusedOutputHasNoAdjoint) {
  Tape tape;
  Parameter p = parameter("p", {2}, 1), unused = parameter("unused", {2}, 1);
  const Var x = tape.use(p), nothing = tape.use(unused);
  bool first_defined = true, second_defined = false, dead_called = false;
  const auto outputs = record("two", {filled({2}, 1), filled({2}, 1)}, {x}, [&](const Adjoints& g) {
    first_defined = g.out(0).defined(), second_defined = g.out(1).defined();
    g.give(0, g.out(1));
  });
  record("dead", filled({2}, 1), {nothing}, [&](const Adjoints&) { dead_called = true; });
  tape.backward(outputs[1]);
  EXPECT_FALSE(first_defined);
  EXPECT_TRUE(second_defined);
  EXPECT_FALSE(dead_called);
  EXPECT_FALSE(unused.grad.defined());
  expect_all(p.grad, 1);
}

TEST(Tape, AConstantWantsNoGradient) {
  Tape tape;
  Parameter p = parameter("p", {2}, 1);
  bool wanted = true;
  Tensor gradient = filled({1}, 0);
  const Var used = tape.use(p), constant = filled({2}, 1), missing;
  const Var y =
      record("two", filled({2}, 1), {used, constant, missing}, [&](const Adjoints& g) {
        wanted = g.wants(1) || g.wants(2);
        gradient = g.in(1);
        g.give(2, filled({7}, 1));  // to nobody
      });
  tape.backward(y);
  EXPECT_FALSE(wanted);
  EXPECT_FALSE(gradient.defined());
}

TEST(Tape, WithoutATapeNothingIsRecorded) {
  const Var x = filled({2}, 1);
  EXPECT_FALSE(recording({x}));
  EXPECT_EQ(times(x, 2).tape(), nullptr);
  Tape tape;
  const Var y = tape.leaf(filled({2}, 1));
  EXPECT_TRUE(recording({x, y}));
}

TEST(Tape, DetachStopsTheGradientAndKeepsTheValue) {
  Tape tape;
  Parameter p = parameter("p", {2}, 3);
  const Var x = tape.use(p), y = ops::add(times(x, 2), times(x.detach(), 10));
  expect_all(y.value(), 36);
  tape.backward(y);
  expect_all(p.grad, 2);
}

TEST(Tape, WatchSeesTheCompleteAdjoint) {
  Tape tape;
  Parameter p = parameter("p", {2}, 1);
  const Var x = times(tape.use(p), 3);
  double seen = 0;
  int calls = 0;
  watch(x, [&](const Tensor& adjoint) { seen = adjoint.item(), ++calls; });
  const Var dead = times(x, 7);
  watch(dead, [&](const Tensor&) { ++calls; });
  tape.backward(ops::add(times(x, 2), times(x, 5)));
  EXPECT_EQ(seen, 7);
  EXPECT_EQ(calls, 1);
  EXPECT_THROW(watch(Var(filled({1}, 1)), [](const Tensor&) {}), Error);
}

TEST(Tape, WatchSeesAView) {
  Tape tape;
  const Var x = tape.leaf(filled({2, 3}, 1)), view = ops::narrow(x, 1, 1, 2);
  Shape shape;
  watch(view, [&](const Tensor& adjoint) { shape = adjoint.shape(); });
  tape.backward(times(view, 2));
  EXPECT_EQ(shape, (Shape{2, 2}));
  EXPECT_EQ(x.node()->gathered().item(0), 0);
  EXPECT_EQ(x.node()->gathered().item(1), 2);
}

TEST(Tape, ParametersCompleteInReverseOrderOfTheirFirstUse) {
  Tape tape;
  Parameter a = parameter("a", {2}, 1), b = parameter("b", {2}, 1), c = parameter("c", {2}, 1);
  std::vector<std::string> order;
  tape.on_gradient([&](Parameter& p) {
    expect_all(p.grad, p.name == "a" ? 5 : 1);  // complete, all uses in
    order.push_back(p.name);
  });
  const Var first = times(tape.use(a), 2);
  tape.use(c);  // nothing reaches it
  const Var second = ops::add(first, tape.use(b));
  tape.backward(ops::add(second, times(tape.use(a), 3)));
  EXPECT_EQ(order, (std::vector<std::string>{"b", "a"}));
}

TEST(Tape, ScopesNestAndEnd) {
  Tape tape;
  {
    const Tape::Scope outer(&tape, "blocks.3");
    const Tape::Scope inner(&tape, "mixer");
    EXPECT_EQ(tape.scope(), "blocks.3.mixer");
  }
  EXPECT_EQ(tape.scope(), "");
  const Tape::Scope nobody(nullptr, "x");
}

TEST(Tape, NamesTheFirstOpThatIsNotFinite) {
  Tape tape;
  tape.require_finite(true);
  const Var x = tape.leaf(filled({2}, 1e308));
  const Tape::Scope scope(&tape, "head");
  try {
    times(times(x, 1), 10);
    FAIL() << "no error";
  } catch (const DivergedError& e) {
    EXPECT_STREQ(e.what(), "the first value that is not finite came from op times in head");
    EXPECT_EQ(e.exit_code(), kDiverged);
  }
}

TEST(Tape, ATapeCanBeUsedAgain) {
  Tape tape;
  Parameter p = parameter("p", {2}, 1);
  tape.backward(times(tape.use(p), 2));
  EXPECT_EQ(tape.size(), 0u);
  tape.backward(times(tape.use(p), 3));
  expect_all(p.grad, 5);
  times(tape.use(p), 4);
  tape.clear();
  EXPECT_EQ(tape.size(), 0u);
  expect_all(p.grad, 5);
}

#ifndef ADDER_ASAN
TEST(Tape, AfterTheFirstStepNothingIsAskedOfTheSystem) {
  Parameter w{.name = "w", .value = Tensor::full({64}, 1)},
      p{.name = "p", .value = Tensor::full({32, 64}, 0.5)};
  const auto step = [&] {
    p.grad = w.grad = Tensor();
    Tape tape;
    Var x = tape.use(p);
    for (int i = 0; i < 5; ++i) x = ops::add(x, ops::silu(ops::rms_norm(x, tape.use(w))));
    const auto halves = ops::split(x, {20, 44});
    tape.backward(
        ops::add(ops::reshape(halves[0], {640}), ops::reshape(ops::narrow(halves[1], 1, 3, 20), {640})));
  };
  step();
  const int64_t before = arena::system_allocations();
  for (int i = 0; i < 3; ++i) step();
  EXPECT_EQ(arena::system_allocations(), before);
}

TEST(Tape, BackwardFreesAsItGoes) {
  // A chain of n values: with the adjoints freed as they are used, the peak of the pass stays near that of
  // forward.
  const int n = 50;
  const Shape shape{1000};
  Parameter p = parameter("p", shape, 1);
  Tape tape;
  Var x = tape.use(p);
  for (int i = 0; i < n; ++i) x = ops::tanh(x);
  const int64_t forward = arena::bytes_in_use();
  arena::reset_peak();
  tape.backward(x);
  EXPECT_LT(arena::peak_bytes_in_use(), forward + 4 * 8192);
  x = Var();
  EXPECT_LT(arena::bytes_in_use(), forward - (n - 2) * 8000);
}
#endif

}  // namespace
}  // namespace adder
