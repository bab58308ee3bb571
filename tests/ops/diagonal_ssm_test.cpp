#include "framework/ops/diagonal_ssm.h"

#include <cmath>
#include <complex>

#include "framework/ops/activation.h"
#include "framework/ops/view.h"
#include "framework/ops/zoh.h"
#include "kernels/diagonal_ssm/ref.h"
#include "tests/support/check.h"
#include "tests/support/fixtures.h"

namespace adder {
namespace {

struct Case {
  int64_t batch, length, channels, state;
  bool complex = true, D = true, h0 = true;
  std::vector<int64_t> starts = {};
};

ops::DiagonalSsmInputs inputs_of(const std::vector<Var>& in) {
  return {in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], in[8], in[9], in[10].value()};
}

OpCase ssm_case(const Case& c) {
  OpCase op;
  op.op = [c](const std::vector<Var>& in) {
    const auto r = ops::diagonal_ssm(inputs_of(in), c.complex);
    return c.complex ? std::vector<Var>{r.y, r.last_re, r.last_im} : std::vector<Var>{r.y, r.last_re};
  };
  op.ref = reference([c](const auto& in) { return kernels::ref::diagonal_ssm(in, c.complex ? 2 : 1); });
  const Shape matrix{c.channels, c.state}, state{c.batch, c.channels, c.state};
  const auto if_complex = [&](const Tensor& x) { return c.complex ? x : Tensor(); };
  op.inputs = {normal_input({c.batch, c.length, c.channels}, 1),
               uniform_input(matrix, 2, -0.7, 0.7), if_complex(uniform_input(matrix, 3, -0.7, 0.7)),
               normal_input(matrix, 4), if_complex(normal_input(matrix, 5)),
               normal_input(matrix, 6), if_complex(normal_input(matrix, 7)),
               c.D ? normal_input({c.channels}, 8) : Tensor(),
               c.h0 ? normal_input(state, 9) : Tensor(),
               c.h0 ? if_complex(normal_input(state, 10)) : Tensor(),
               resets_at(c.batch, c.length, c.starts)};
  return op;
}

TEST(DiagonalSsm, MatchesItsDefinition) {
  for (const bool complex : {false, true}) {
    for (auto [batch, length, channels, state] :
         {std::array<int64_t, 4>{2, 7, 5, 3}, {1, 1, 1, 1}, {2, 4, 17, 2}, {1, 5, 16, 4}})
      expect_op("diagonal_ssm", ssm_case({batch, length, channels, state, complex}));
    expect_op("diagonal_ssm", ssm_case({2, 6, 3, 2, complex, false, false}));
    expect_op("diagonal_ssm", ssm_case({1, 70, 2, 1, complex}));  // three chunks of 32 steps
  }
}

TEST(DiagonalSsm, NoStateCrossesADocumentsStart) {
  for (const bool complex : {false, true}) {
    for (int64_t i = 0; i < 5; ++i) expect_op("diagonal_ssm", ssm_case({1, 5, 2, 2, complex, true, true, {i}}));
    expect_op("diagonal_ssm", ssm_case({2, 6, 17, 1, complex, true, true, {0, 3, 4, 11}}));
    expect_op("diagonal_ssm", ssm_case({1, 40, 1, 1, complex, true, true, {31, 32, 33}}));
  }
}

TEST(DiagonalSsm, SameBitsOnThreadsAndTargets) {
  expect_bits("diagonal_ssm", ssm_case({3, 100, 130, 9}));
  expect_bits("diagonal_ssm", ssm_case({3, 100, 130, 9, false}));
}

std::vector<Var> as_inputs(const OpCase& c, DType dtype) {
  std::vector<Var> in;
  for (const Tensor& t : c.inputs) in.push_back(t.defined() && t.dtype() == DType::f64 ? t.to(dtype) : t);
  return in;
}

// The recurrence run in two stretches, and token by token, has the bits of one.
TEST(DiagonalSsm, CarriedStateGoesOn) {
  const std::vector<Var> in = as_inputs(ssm_case({2, 50, 19, 3, true, true, false}), DType::f32);
  const auto whole = ops::diagonal_ssm(inputs_of(in), true);
  for (const int64_t piece : {1, 7, 32}) {
    auto part = inputs_of(in);
    for (int64_t t = 0; t < 50; t += piece) {
      const int64_t n = std::min<int64_t>(piece, 50 - t);
      part.u = in[0].value().narrow(1, t, n);
      const auto r = ops::diagonal_ssm(part, true);
      for (int64_t i = 0; i < r.y.value().size(); ++i)
        ASSERT_EQ(r.y.value().item(i), whole.y.value().narrow(1, t, n).item(i)) << "from " << t;
      part.h0_re = r.last_re, part.h0_im = r.last_im;
    }
    for (int64_t i = 0; i < part.h0_re.value().size(); ++i)
      ASSERT_EQ(part.h0_re.value().item(i), whole.last_re.value().item(i));
  }
}

// The same output as a direct convolution with the kernel K_k = 2 Re sum_n c_n a_n^k b_n.
TEST(DiagonalSsm, IsTheConvolutionWithItsKernel) {
  const int64_t length = 40, channels = 5, state = 4;
  const std::vector<Var> in = as_inputs(ssm_case({2, length, channels, state, true, true, false}), DType::f64);
  const Tensor y = ops::diagonal_ssm(inputs_of(in), true).y.value(), u = in[0].value();
  const auto number = [&](size_t i, int64_t at) {
    return std::complex<double>(in[i].value().item(at), in[i + 1].value().item(at));
  };
  std::vector<std::complex<double>> power(size_t(channels * state), 1);
  Tensor kernel = Tensor::zeros({length, channels}, DType::f64);
  for (int64_t k = 0; k < length; ++k)
    for (int64_t i = 0; i < channels * state; ++i) {
      kernel.data<double>()[k * channels + i / state] += 2 * (number(5, i) * power[size_t(i)] * number(3, i)).real();
      power[size_t(i)] *= number(1, i);
    }
  for (int64_t b = 0; b < 2; ++b)
    for (int64_t t = 0; t < length; ++t)
      for (int64_t d = 0; d < channels; ++d) {
        double sum = in[7].value().item(d) * u.item((b * length + t) * channels + d);
        for (int64_t k = 0; k <= t; ++k) sum += kernel.item(k * channels + d) * u.item((b * length + t - k) * channels + d);
        ASSERT_NEAR(y.item((b * length + t) * channels + d), sum, 1e-12 * (1 + std::abs(sum)));
      }
}

TEST(DiagonalSsm, NamesTheArgumentThatDoesNotFit) {
  const auto zeros = [](Shape s) { return Var(Tensor::zeros(s)); };
  const Var u = zeros({2, 7, 5}), m = zeros({5, 3});
  EXPECT_EQ(message_of([&] { ops::diagonal_ssm({u, m, {}, zeros({5, 2}), {}, m, {}}); }),
            "[diagonal_ssm] b_re has shape [5, 2], expected [5, 3]");
  EXPECT_EQ(message_of([&] { ops::diagonal_ssm({u, m, {}, m, m, m, {}}); }),
            "[diagonal_ssm] b_im is given, but a_im is not");
  EXPECT_EQ(message_of([&] { ops::diagonal_ssm({u, m, {}, m, {}, m, {}, {}, {}, {}, Tensor::zeros({2, 7})}); }),
            "[diagonal_ssm] resets has dtype float32, expected int32");
}

// shared/parity's S4D, through zoh: values and gradients of its own parameters.
class S4dParity : public testing::TestWithParam<DType> {};

TEST_P(S4dParity, Holds) {
  SKIP_WITHOUT_SHARED();
  const Hdf5File file = fixtures::open("ops.h5");
  const double tolerance = GetParam() == DType::f32 ? 1e-5 : 1e-11;
  for (const bool complex : {false, true}) {
    const std::string group = complex ? "/s4d/lin/" : "/s4d/real/";
    std::vector<std::string> names = {"u", "log_dt", "C", "D", complex ? "log_A_real" : "log_A"};
    if (complex) names.push_back("A_imag");
    Tape tape;
    std::vector<Parameter> p(names.size());
    std::vector<Var> in;
    for (size_t i = 0; i < names.size(); ++i) {
      p[i].value = fixtures::read(file, group + "in/" + names[i]).to(GetParam());
      in.push_back(tape.use(p[i]));
    }
    const auto z = ops::zoh(ops::exp(in[1]), ops::neg_exp(in[4]), complex ? in[5] : Var());
    const Shape matrix = {p[2].value.dim(0), p[2].value.dim(1)};
    const auto part = [&](int64_t i) { return ops::reshape(ops::narrow(in[2], -1, i, 1), matrix); };
    ops::DiagonalSsmInputs ssm{in[0], z.a_re, z.a_im, z.b_re, z.b_im, complex ? part(0) : in[2], complex ? part(1) : Var()};
    ssm.D = in[3];
    const Var y = ops::diagonal_ssm(ssm, complex).y;
    EXPECT_LE(fixtures::nmax(y.value(), fixtures::read(file, group + "out/y")), tolerance) << group;
    tape.backward({{y, fixtures::read(file, group + "dout/y").to(GetParam())}});
    for (size_t i = 0; i < names.size(); ++i)
      EXPECT_LE(fixtures::nmax(p[i].grad, fixtures::read(file, group + "din/" + names[i])), tolerance) << group << names[i];
  }
}
INSTANTIATE_TEST_SUITE_P(All, S4dParity, testing::Values(DType::f32, DType::f64),
                         [](const auto& info) { return name(info.param); });

}  // namespace
}  // namespace adder
