// What the lab must find because mathematics says so (the other oracles stand beside the measure that finds them).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "framework/gradient_lab/block_jacobians.h"
#include "framework/gradient_lab/lag_profile.h"
#include "framework/gradient_lab/long_jacobian.h"
#include "framework/ops/diagonal_ssm.h"
#include "framework/ops/scan.h"
#include "framework/ops/ssd.h"
#include "framework/ops/zoh.h"
#include "tests/gradient_lab/lab_support.h"
#include "tests/gradient_lab/matrices.h"

namespace adder::lab {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

void zero_all_but(Model& model, const std::string& kept) {
  ParameterList& list = model.parameters();
  for (size_t i = 0; i < list.size(); ++i)
    if (list[i].name.find("mixer") != std::string::npos && list[i].name.find(kept) == std::string::npos) list[i].value.zero();
}

// Oracle 8: an LSTM without weights forgets as its forget gate's bias says, dc_T / dc_0 = sigmoid(b)^T.
TEST(Oracle, AnLstmWithoutWeights) {
  const std::pair<double, double> known[] = {{0, 7.89e-31}, {1, 2.48e-14}, {2, 3.07e-6}, {3, 7.76e-3}, {5, 0.511}};
  for (const auto& [bias, retained] : known) {
    const auto model = lab_model("lstm", DType::f64, "", 0);
    zero_all_but(*model, "nothing");
    model->parameters().find("blocks.0.mixer.bias_ih")->value.narrow(0, 8, 8).fill(bias);
    const Tensor ids = lab_ids(1, 101);
    const BlockJacobians J(*model, ids, 0);
    Matrix product = Matrix::Identity(16, 16);  // of h, then c
    for (int64_t t = 0; t < 100; ++t) product = J.dense(t) * product;
    const double cell = product(8, 8), want = std::pow(sigmoid(bias), 100);
    EXPECT_NEAR(cell, want, 1e-12 * want) << bias;
    EXPECT_NEAR(cell / retained, 1, 0.005) << bias;
    const Decay carousel = decays_along(*model, ids).at("blocks.0");
    EXPECT_NEAR(diagonal_product(carousel, 100)[0], std::log10(want), 1e-9);
    // h_T sees c_0 too, through an output gate of 1/2: the whole state's norm is sqrt(1 + 1/4) of it.
    EXPECT_NEAR(exact_norms(J, {100}, 1)[0].sigma[0], std::log10(want) + std::log10(1.25) / 2, 1e-9) << bias;
  }
}

// Chrono initialisation: f = u / (1 + u) for u in [1, T - 1], a time constant of u + 1 steps.
TEST(Oracle, ChronoInitialisationSpreadsTheTimeConstants) {
  const auto model = lab_model("lstm", DType::f64, R"("d_hidden": 400, "chrono_steps": 100)", 0);
  for (const char* weight : {"weight_ih", "weight_hh"})
    model->parameters().find(std::string("blocks.0.mixer.") + weight)->value.zero();
  const Decay carousel = decays_along(*model, lab_ids(1, 2)).at("blocks.0");
  double mean = 0;
  for (int64_t i = 0; i < 400; ++i) {
    const double forget = std::exp(carousel.log_abs.item(400 + i)), time = 1 / (1 - forget);
    EXPECT_GE(time, 2 - 1e-9);
    EXPECT_LE(time, 100 + 1e-9);
    mean += time / 400;
  }
  EXPECT_NEAR(mean, 51, 4 * 98 / std::sqrt(12.0 * 400)) << "uniform between 2 and 100";
}

// Oracle 9: a constant gate, dh_T / dh_0 = (1 - z)^T; a GRU's with z for 1 - z.
TEST(Oracle, MinimalAndGatedRecurrencesWithAConstantGate) {
  const double bias = 0.7;
  const auto min_gru = lab_model("min_gru", DType::f64, "", 0);
  zero_all_but(*min_gru, "nothing");
  min_gru->parameters().find("blocks.0.mixer.linear_z.bias")->value.fill(bias);
  const auto gru = lab_model("gru", DType::f64, "", 0);
  zero_all_but(*gru, "nothing");
  gru->parameters().find("blocks.0.mixer.bias_ih")->value.narrow(0, 8, 8).fill(bias);
  for (const auto& [model, kept] : {std::pair{min_gru.get(), 1 - sigmoid(bias)}, {gru.get(), sigmoid(bias)}}) {
    const Tensor ids = lab_ids(1, 201);
    const double want = 200 * std::log10(kept);
    EXPECT_NEAR(exact_norms(BlockJacobians(*model, ids, 0), {200}, 1)[0].sigma[0], want, 1e-9);
    EXPECT_NEAR(diagonal_product(decays_along(*model, ids).at("blocks.0"), 200)[3], want, 1e-9);
  }
}

// Oracle 10: Mamba at its start, time steps log-uniform in [1e-3, 1e-1] and A = -n: the share of states that retain more
// than q after T steps is the mean over n of clip(log10(log(1 / q) / (n T 1e-3)) / 2, 0, 1).
TEST(Oracle, MambasRetentionAtItsStart) {
  const auto model = lab_model("mamba", DType::f64, R"("expand": 512, "selective": ["B"])", 0);
  const Decay decay = decays_along(*model, lab_ids(1, 1)).at("blocks.0");
  const int64_t channels = 8 * 512, states = 16;
  ASSERT_EQ(decay.log_abs.dim(2), channels * states);
  struct Known {
    int64_t steps;
    double share, rms;
  };
  for (const Known& k : {Known{16, .657, .51}, {64, .362, .28}, {256, .095, .113}, {1024, .0127, .026}, {4096, 0, .0007}}) {
    std::vector<double> products;  // nothing depends on the input: T steps are T times one
    double squares = 0, share = 0;
    for (int64_t i = 0; i < channels * states; ++i) {
      products.push_back(double(k.steps) * decay.log_abs.item(i) / std::log(10.0));
      squares += std::pow(10, 2 * products.back()) / double(channels * states);
    }
    for (int64_t n = 1; n <= states; ++n)
      share += std::clamp(std::log10(std::log(10.0) / (double(n * k.steps) * 1e-3)) / 2, 0.0, 1.0) / double(states);
    EXPECT_NEAR(share, k.share, 1e-3) << k.steps;
    // The states of a channel share its time step: their shares are counted as one draw a channel.
    const double deviation = std::sqrt(share * (1 - share) / double(channels));
    EXPECT_NEAR(share_above(products, 0.1), share, 4 * deviation + 1e-12) << k.steps;
    EXPECT_NEAR(std::sqrt(squares), k.rms, 0.05 * k.rms + 1e-4) << k.steps;
  }
}

// LRU's ring: |lambda|^2 uniform between r_min^2 and r_max^2, so P(|lambda|^T > q) = (r_max^2 - q^(2 / T)) / (r_max^2 - r_min^2).
TEST(Oracle, LrusRetentionAtItsStart) {
  const auto model = lab_model("lru", DType::f64, R"("d_state": 20000, "r_min": 0.9, "r_max": 0.999)", 0);
  const Decay decay = decays_along(*model, lab_ids(1, 1)).at("blocks.0");
  EXPECT_EQ(decay.each, 2);
  for (const auto& [steps, known] : {std::pair{16, 1.0}, {64, .358}, {256, .084}, {1024, .013}}) {
    std::vector<double> products;
    for (int64_t i = 0; i < 20000; ++i) products.push_back(steps * decay.log_abs.item(i) / std::log(10.0));
    const double share = std::clamp((.999 * .999 - std::pow(.1, 2.0 / steps)) / (.999 * .999 - .81), 0.0, 1.0);
    EXPECT_NEAR(share, known, 1e-3);
    EXPECT_NEAR(share_above(products, 0.1), share, 4 * std::sqrt(share * (1 - share) / 20000) + 1e-12);
  }
}

// Oracle 12: |L(theta + e v) - L(theta) - e g.v| falls as e^2, in every architecture.
TEST(Oracle, TaylorsRemainderHasSlopeTwo) {
  for (const LabCase& c : lab_cases()) {
    const auto model = lab_model(c.architecture, DType::f64, c.more);
    const Tensor ids = lab_ids(2, 9), labels = lab_ids(2, 9, 4);
    ParameterList& list = model->parameters();
    const double loss = loss_and_gradients(*model, {ids, {}}, labels);
    std::vector<Tensor> start, direction;
    double slope = 0;
    for (size_t i = 0; i < list.size(); ++i) {
      start.push_back(list[i].value.clone());
      direction.push_back(normal_input(list[i].value.shape(), 50 + i, 0.1));
      for (int64_t k = 0; k < list[i].value.size(); ++k)
        slope += direction[i].item(k) * (list[i].grad.defined() ? list[i].grad.item(k) : 0);
    }
    std::vector<double> logs;
    for (const double e : {1e-2, 1e-3, 1e-4}) {
      for (size_t i = 0; i < list.size(); ++i)
        for (int64_t k = 0; k < list[i].value.size(); ++k)
          list[i].value.data<double>()[k] = start[i].item(k) + e * direction[i].item(k);
      logs.push_back(std::log10(std::abs(loss_and_gradients(*model, {ids, {}}, labels) - loss - e * slope)));
    }
    EXPECT_NEAR((logs[0] - logs[2]) / 2, 2, 0.05) << c.architecture << " " << c.more;
    EXPECT_NEAR(logs[1] - logs[2], 2, 0.05) << c.architecture << " " << c.more;
  }
}

// Oracle 15: a time-invariant state space by steps, as a scan and as a convolution; and with A = -1 zero-order hold's
// a and b sum to 1.
TEST(Oracle, OneStateSpaceInFourForms) {
  const int64_t L = 37, E = 3, N = 4;
  const Tensor dt = uniform_input({E}, 1, 0.05, 0.5), A = uniform_input({E, N}, 2, -2, -0.1);
  const auto z = ops::zoh(dt, A);
  const Tensor u = normal_input({1, L, E}, 3), C = normal_input({E, N}, 4);
  ops::DiagonalSsmInputs in{u, z.a_re, {}, z.b_re, {}, C, {}};
  const Tensor y = ops::diagonal_ssm(in).y.value();
  const Tensor a = Tensor::empty({1, L, E * N}, DType::f64), b = Tensor::like(a);
  for (int64_t i = 0; i < L * E * N; ++i) {
    a.data<double>()[i] = z.a_re.value().item(i % (E * N));
    b.data<double>()[i] = z.b_re.value().item(i % (E * N)) * u.item(i / N);
  }
  const Tensor h = ops::scan(a, b).h.value();
  ops::DiagonalSsmInputs one = in;
  for (int64_t t = 0; t < L; ++t) {
    one.u = row_of(u, t, 1);
    const auto step = ops::diagonal_ssm(one);
    one.h0_re = step.last_re;
    for (int64_t e = 0; e < E; ++e) {
      double scanned = 0, convolved = 0;
      for (int64_t n = 0; n < N; ++n) {
        const double c = C.item(e * N + n), decay = z.a_re.value().item(e * N + n);
        scanned += c * h.item((t * E + e) * N + n);
        for (int64_t k = 0; k <= t; ++k)
          convolved += c * std::pow(decay, double(k)) * z.b_re.value().item(e * N + n) * u.item((t - k) * E + e);
      }
      const double whole = y.item(t * E + e), size = 1e-12 * std::max(1.0, std::abs(whole));
      EXPECT_NEAR(step.y.value().item(e), whole, size);
      EXPECT_NEAR(scanned, whole, size);
      EXPECT_NEAR(convolved, whole, size);
    }
  }
  const auto unit = ops::zoh(dt, Tensor::full({E, N}, -1, DType::f64));
  for (int64_t i = 0; i < E * N; ++i)
    EXPECT_NEAR(unit.a_re.value().item(i) + unit.b_re.value().item(i), 1, 1e-15);
}

TEST(Oracle, SsdInChunksOfAnySize) {
  ops::SsdInputs in;
  in.x = normal_input({2, 45, 6}, 1), in.dt = normal_input({2, 45, 3}, 2);
  in.A = uniform_input({3}, 3, -2, -0.1), in.B = normal_input({2, 45, 4}, 4), in.C = normal_input({2, 45, 4}, 5);
  const Tensor steps = ops::ssd(in, {.chunk_size = 1}).y.value();
  for (const int64_t chunk : {7, 16, 64}) EXPECT_LT(nmax(ops::ssd(in, {.chunk_size = chunk}).y.value(), steps), 1e-13) << chunk;
}

// Oracle 16: the adjoint of h_t = a_t h_{t-1} + b_t is g_t = dy_t + a_{t+1} g_{t+1}, db = g, da_t = g_t h_{t-1}; and watch on
// b sees dL / dh_t.
TEST(Oracle, TheTransposedScan) {
  const int64_t L = 50;
  Tape tape;
  const Var a = tape.leaf(uniform_input({1, L, 1}, 1, -1, 1)), b = tape.leaf(normal_input({1, L, 1}, 2));
  const Tensor dy = normal_input({1, L, 1}, 3);
  const auto r = ops::scan(a, b);
  Tensor seen;
  watch(b, [&](const Tensor& adjoint) { seen = adjoint.clone(); });
  tape.backward({{r.h, dy}});
  double g = 0;
  for (int64_t t = L - 1; t >= 0; --t) {
    g = dy.item(t) + (t + 1 < L ? a.value().item(t + 1) * g : 0);
    EXPECT_NEAR(seen.item(t), g, 1e-13);
    EXPECT_NEAR(a.node()->gathered().item(t), t > 0 ? g * r.h.value().item(t - 1) : 0, 1e-13);
  }
}

}  // namespace
}  // namespace adder::lab
