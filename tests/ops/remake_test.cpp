// Values that backward computes anew instead of keeping them: the same bits, for less memory.
#include "framework/ops/remake.h"

#include "framework/ops/activation.h"
#include "framework/ops/add.h"
#include "framework/ops/gated.h"
#include "framework/ops/layer_norm.h"
#include "framework/ops/linear.h"
#include "framework/ops/rms_norm.h"
#include "tests/support/check.h"
#include "tests/support/same.h"

namespace adder {
namespace {

struct Step {
  Tensor y, dx, dgain, dw, db;
};

struct Remade {
  const char* name;
  Var (*op)(const Var& x, const Var& gain);
};
Var layer_norm(const Var& x, const Var& gain) { return ops::layer_norm(x, gain, {}, 1e-5); }
Var shifted_layer_norm(const Var& x, const Var& gain) { return ops::layer_norm(x, gain, gain, 1e-5); }
Var rms_norm(const Var& x, const Var& gain) { return ops::rms_norm(x, gain, 1e-5); }
Var gelu(const Var& x, const Var&) { return ops::gelu_erf(x); }
Var swiglu(const Var& x, const Var&) { return ops::swiglu(ops::silu(x), x); }
constexpr Remade kOps[] = {{"layer_norm", layer_norm}, {"layer_norm with a bias", shifted_layer_norm}, {"rms_norm", rms_norm}, {"gelu_erf", gelu}, {"swiglu", swiglu}};

constexpr int64_t kRows = 70, kWidth = 37, kOut = 21;

// y = op(x) w^T + b; the weight recorded before the op, so that its gradient may wait, or after it.
Step step(const Remade& what, bool weight_first, bool held, bool bf16 = false) {
  Tape tape;
  Parameter w{.name = "w", .value = normal_input({kOut, kWidth}, 1).to(DType::f32)}, b{.name = "b", .value = normal_input({kOut}, 2).to(DType::f32)},
      gain{.name = "gain", .value = normal_input({kWidth}, 3).to(DType::f32)};
  w.value.multiply_in_bf16(bf16);
  Tensor x_value = normal_input({kRows, kWidth}, 4).to(DType::f32);
  const Tensor x_before = x_value.clone();
  const Var x = tape.leaf(x_value);
  if (!held) x_value = Tensor();
  if (weight_first) tape.use(w);
  Step s;
  watch(x, [&](const Tensor& dx) { s.dx = dx.clone(); });
  // through a sum, so that what the op reads is nobody else's
  const Var made = what.op(ops::add(x, x), tape.use(gain)), weight = tape.use(w);
  EXPECT_EQ(remade_in_time(made, weight), weight_first);
  const Var y = ops::linear(made, weight, tape.use(b));
  s.y = y.value();
  tape.backward({{y, normal_input({kRows, kOut}, 5).to(DType::f32)}});
  s.dgain = gain.grad, s.dw = w.grad, s.db = b.grad;
  if (held) expect_same(x_before, x_value, "x");
  return s;
}

void expect_same_bits_of(const Step& a, const Step& b) {
  expect_same(a.y, b.y, "y");
  expect_same(a.dx, b.dx, "dx");
  expect_same(a.dw, b.dw, "dw");
  expect_same(a.db, b.db, "db");
  ASSERT_EQ(a.dgain.defined(), b.dgain.defined());
  if (a.dgain.defined()) expect_same(a.dgain, b.dgain, "dgain");
}

TEST(Remake, ChangesNoBit) {
  for (const Remade& what : kOps) {
    SCOPED_TRACE(what.name);
    const Step kept = step(what, false, true);
    expect_same_bits_of(kept, step(what, true, true));
    expect_same_bits_of(kept, step(what, true, false));
    expect_same_bits_of(step(what, false, false, true), step(what, true, false, true));
  }
}

TEST(Remake, SeveralMayAwaitOneValue) {
  Tape tape;
  Parameter u{.name = "u", .value = normal_input({kOut, kWidth}, 1)}, v{.name = "v", .value = normal_input({kOut, kWidth}, 2)};
  const Tensor x_value = normal_input({kRows, kWidth}, 3), dy = normal_input({kRows, kOut}, 4);
  const Var x = tape.leaf(x_value), first = tape.use(u), second = tape.use(v);
  const Var y = ops::gelu_erf(ops::add(x, x));
  const Var sum = ops::add(ops::linear(y, first), ops::linear(y, second));
  tape.backward({{sum, dy}});
  ASSERT_TRUE(u.grad.defined() && v.grad.defined());
  expect_same(u.grad, v.grad, "both gradients are dy^T gelu(2 x)");
}

// The adjoint of a residual stream belongs to both branches: neither may write over it while the other needs it.
TEST(Remake, AResidualsAdjointIsNotWrittenOver) {
  for (const Remade& what : kOps) {
    SCOPED_TRACE(what.name);
    Tape tape;
    Parameter gain{.name = "gain", .value = normal_input({kWidth}, 1)};
    const Tensor dy = normal_input({kRows, kWidth}, 2), dy_before = dy.clone();
    const Var x = tape.leaf(normal_input({kRows, kWidth}, 3)), other = tape.leaf(normal_input({kRows, kWidth}, 4));
    const Var weight = tape.use(gain), stream = ops::add(x, other);
    Tensor d_other, d_branch;
    watch(other, [&](const Tensor& d) { d_other = d.clone(); });
    const Var branch = what.op(stream, weight);
    watch(branch, [&](const Tensor& d) { d_branch = d.clone(); });
    tape.backward({{ops::add(stream, branch), dy}});
    expect_same(dy, dy_before, "the given adjoint");
    expect_same(d_branch, dy, "the branch's adjoint");

    Tape alone;  // the branch's gradient by itself, added to dy
    const Var lone = alone.leaf(stream.value());
    Tensor own;
    watch(lone, [&](const Tensor& d) { own = d.clone(); });
    alone.backward({{what.op(lone, Var(gain.value)), dy}});
    for (int64_t i = 0; i < own.size(); ++i) ASSERT_NEAR(d_other.item(i), dy.item(i) + own.item(i), 1e-12) << i;
  }
}

#ifndef ADDER_ASAN
TEST(Remake, FreesTheActivationAfterForward) {
  const auto kept_bytes = [](bool weight_first) {
    Tape tape;
    Parameter w{.name = "w", .value = Tensor::zeros({8, 1000})};
    if (weight_first) tape.use(w);
    const Var x = tape.leaf(Tensor::zeros({500, 1000}));
    const int64_t before = arena::bytes_in_use();
    Var made = ops::gelu_erf(x);
    const Var y = ops::linear(made, tape.use(w));
    made = Var();
    return arena::bytes_in_use() - before;
  };
  EXPECT_GE(kept_bytes(false), 500 * 1000 * 4);
  EXPECT_LT(kept_bytes(true), 500 * 100 * 4);
}
#endif

TEST(Remake, AWeightIsCompleteWhenItsGradientHasBeenAdded) {
  Tape tape;
  Parameter w{.name = "w", .value = normal_input({kOut, kWidth}, 1), .grad = Tensor::full({kOut, kWidth}, 1, DType::f64)};
  int told = 0;
  tape.on_gradient([&](Parameter& p) {
    ++told;
    EXPECT_NE(p.grad.item(0), 1);
  });
  const Var weight = tape.use(w), x = tape.leaf(normal_input({kRows, kWidth}, 2));
  Profile profile;
  tape.profile(&profile), tape.require_finite(true);
  profile.begin_step();
  const Var y = ops::linear(ops::gelu_erf(x), weight);
  tape.backward({{y, normal_input({kRows, kOut}, 3)}});
  EXPECT_EQ(told, 1);
  for (const Profile::Row& row : profile.rows()) EXPECT_EQ(row.backward.calls, 1) << row.name;
}

// What a tape has forgotten is not computed anew: it is kept.
TEST(Remake, ATapeThatWasClearedPromisesNothing) {
  for (const bool by_backward : {false, true}) {
    Tape tape;
    Parameter w{.name = "w", .value = normal_input({kOut, kWidth}, 1)};
    const Var y = ops::gelu_erf(tape.leaf(normal_input({kRows, kWidth}, 2)));
    if (by_backward) tape.backward({{y, y.value()}});
    else tape.clear();
    const Var weight = tape.use(w);
    EXPECT_FALSE(remade_in_time(y, weight));
    tape.backward({{ops::linear(y, weight), normal_input({kRows, kOut}, 3)}});
    EXPECT_TRUE(w.grad.defined());
  }
}

// What awaits is held by the variable that it awaits, which must not hold itself: an error in between would leak all of it.
TEST(Remake, AnErrorInBetweenLeaksNothing) {
  const int64_t before = arena::bytes_in_use();
  {
    Tape tape;
    Parameter w{.name = "w", .value = normal_input({3, 4}, 1)};
    const Var weight = tape.use(w), x = tape.leaf(normal_input({2, 4}, 2));
    const Var y = remaking(record("failing", x.value().clone(), {x}, [](const Adjoints&) { throw Error("[failing] here"); }));
    EXPECT_EQ(message_of([&] { tape.backward({{ops::linear(y, weight), normal_input({2, 3}, 3)}}); }), "[failing] here");
  }
  EXPECT_EQ(arena::bytes_in_use(), before);
}

TEST(Remake, AnOpThatPromisedAndDidNotIsNamed) {
  Tape tape;
  Parameter w{.name = "w", .value = normal_input({3, 4}, 1)};
  const Var weight = tape.use(w), x = tape.leaf(normal_input({2, 4}, 2));
  const Var y = remaking(record("promising", x.value().clone(), {x}, [](const Adjoints& g) { g.give(0, g.out(0)); }));
  EXPECT_EQ(message_of([&] { tape.backward({{ops::linear(y, weight), normal_input({2, 3}, 3)}}); }),
            "[tape] linear awaits the output of promising, which did not compute it anew");
}

}  // namespace
}  // namespace adder
