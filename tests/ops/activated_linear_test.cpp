#include "framework/ops/activated_linear.h"

#include "framework/ops/activation.h"
#include "framework/ops/add.h"
#include "framework/ops/linear.h"
#include "kernels/activation/ref.h"
#include "kernels/matmul/ref.h"
#include "tests/support/check.h"
#include "tests/support/same.h"

namespace adder {
namespace {

using Kind = kernels::ActivationKind;

OpCase activated_linear_case(Kind f, int64_t rows, int64_t k, int64_t n, bool bias) {
  OpCase c{.op = [f](const std::vector<Var>& in) { return std::vector<Var>{ops::activated_linear(f, in[0], in[1], in[2])}; },
           .ref = reference([f](auto in) {
             in[0] = kernels::ref::activation(f, decltype(in){in[0]})[0];
             return kernels::ref::linear(in);
           }),
           .inputs = {normal_input({rows, k}, 1), normal_input({n, k}, 2), Tensor()}};
  if (bias) c.inputs[2] = normal_input({n}, 3);
  return c;
}

TEST(ActivatedLinear, MatchesItsDefinition) {
  for (const Kind f : {Kind::gelu_erf, Kind::gelu_tanh, Kind::silu, Kind::relu_squared})
    for (const bool bias : {false, true}) expect_op("activated_linear", activated_linear_case(f, 5, 7, 3, bias));
  expect_op("activated_linear", activated_linear_case(Kind::gelu_erf, 1, 1, 1, true));
  expect_op("activated_linear", activated_linear_case(Kind::silu, 515, 2, 3, true));
}

TEST(ActivatedLinear, SameBitsOnThreadsAndTargets) {
  expect_bits("activated_linear", activated_linear_case(Kind::gelu_erf, 1100, 65, 33, true));
}

// Rows of a part are 512 at most; x with rows that lie apart, too.
TEST(ActivatedLinear, HasTheBitsOfTheTwoOps) {
  for (const int64_t rows : {1, 64, 511, 512, 513, 1025, 1537})
    for (const bool apart : {false, true}) {
      const int64_t k = 37, n = 21;
      const Tensor wide = normal_input({rows, 2 * k}, 1).to(DType::f32), w = normal_input({n, k}, 2).to(DType::f32);
      const Tensor x = apart ? wide.narrow(1, 3, k) : wide.narrow(1, 0, k).clone(), b = normal_input({n}, 3).to(DType::f32);
      const auto run = [&](bool together) {
        Tape tape;
        const std::vector<Var> in{tape.leaf(x), tape.leaf(w), tape.leaf(b)};
        std::vector<Tensor> all;
        const Var y = together ? ops::activated_linear(Kind::gelu_erf, in[0], in[1], in[2])
                               : ops::linear(ops::gelu_erf(in[0]), in[1], in[2]);
        all.push_back(y.value());
        for (const Var& v : in) watch(v, [&](const Tensor& g) { all.push_back(g.clone()); });
        tape.backward({{y, normal_input({rows, n}, 4).to(DType::f32)}});
        return all;
      };
      const auto one = run(true), two = run(false);
      ASSERT_EQ(one.size(), 4u);
      for (size_t i = 0; i < 4; ++i)
        expect_same(one[i], two[i], std::to_string(rows) + " rows, apart " + std::to_string(apart) + ", tensor " + std::to_string(i));
    }
}

TEST(ActivatedLinear, WritesTheGradientOverAnInputThatNobodyElseHolds) {
  const int64_t rows = 600, k = 19;
  const Tensor x = normal_input({rows, k}, 1).to(DType::f32), w = normal_input({k, k}, 2).to(DType::f32);
  const auto run = [&](bool hand_over, int64_t& bytes) {
    Tape tape;
    const Var in = tape.leaf(x), weight = tape.leaf(w);
    Var moved = ops::add(in, Tensor::full(x.shape(), 0.5));
    const Var held = hand_over ? Var() : moved;
    const Tensor before = moved.value().clone();
    const Var y = ops::activated_linear(Kind::silu, std::move(moved), weight, {});
    std::vector<Tensor> all{y.value()};
    for (const Var& v : {in, weight}) watch(v, [&](const Tensor& g) { all.push_back(g.clone()); });
    const Tensor dy = Tensor::full(y.shape(), 0.5);
    arena::reset_peak();
    const int64_t start = arena::bytes_in_use();
    tape.backward({{y, dy}});
    bytes = arena::peak_bytes_in_use() - start;
    if (held.defined()) expect_same(held.value(), before, "an x that is held");
    return all;
  };
  int64_t over_bytes = 0, beside_bytes = 0;
  const auto over = run(true, over_bytes), beside = run(false, beside_bytes);
  for (size_t i = 0; i < over.size(); ++i) expect_same(over[i], beside[i], "tensor " + std::to_string(i));
  EXPECT_LT(over_bytes + rows * k * 4 / 2, beside_bytes);
}

TEST(ActivatedLinear, AGradientThatNobodyWantsIsLeftOut) {
  const OpCase c = activated_linear_case(Kind::gelu_erf, 530, 9, 4, true);
  std::vector<Tensor> x;
  for (const Tensor& t : c.inputs) x.push_back(t.to(DType::f32));
  const auto gradient = [&](size_t wanted, bool alone) {
    Tape tape;
    std::vector<Var> in;
    for (size_t i = 0; i < 3; ++i) in.push_back(!alone || i == wanted ? tape.leaf(x[i]) : Var(x[i]));
    const Var y = c.op(in)[0];
    Tensor g;
    watch(in[wanted], [&](const Tensor& d) { g = d.clone(); });
    tape.backward({{y, Tensor::full(y.shape(), 0.25)}});
    return g;
  };
  for (size_t i = 0; i < 3; ++i) expect_same(gradient(i, true), gradient(i, false), "input " + std::to_string(i));
}

TEST(ActivatedLinear, NamesTheArgumentThatDoesNotFit) {
  const auto run = [](Shape x, Shape w, Shape b) {
    return message_of([=] { ops::activated_linear(Kind::silu, Tensor::zeros(x), Tensor::zeros(w), Tensor::zeros(b)); });
  };
  EXPECT_EQ(run({2, 7}, {3, 6}, {3}), "[activated_linear] w has shape [3, 6], expected [n, 7]");
  EXPECT_EQ(run({2, 7}, {3, 7}, {2}), "[activated_linear] b has shape [2], expected [3]");
}

}  // namespace
}  // namespace adder
