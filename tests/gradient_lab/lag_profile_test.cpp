#include "framework/gradient_lab/lag_profile.h"

#include <gtest/gtest.h>

#include "framework/gradient_lab/spread.h"
#include "framework/gradient_lab/total_adjoint.h"
#include "framework/studies/distributions.h"
#include "tests/gradient_lab/lab_support.h"
#include "tests/gradient_lab/linear_model.h"
#include "tests/support/check.h"

namespace adder::lab {
namespace {

Tensor profiles_of(int64_t probes, int64_t lags, const std::function<double(int64_t, int64_t)>& log10) {
  const Tensor p = Tensor::empty({probes, lags + 1}, DType::f64);
  for (int64_t i = 0; i < p.size(); ++i) p.data<double>()[i] = log10(i / (lags + 1), i % (lags + 1));
  return p;
}

TEST(Spread, StudentsQuantile) {
  for (const int64_t freedom : {1, 2, 3, 4, 7, 8, 29, 100})
    EXPECT_NEAR(t95(freedom), statistics::t_quantile(0.975, double(freedom)), 1e-6 * t95(freedom)) << freedom;
  EXPECT_TRUE(std::isnan(t95(0)));
  const MeanInterval m = mean_interval({1, 2, 3, 6});
  EXPECT_EQ(m.mean, 3);
  EXPECT_NEAR(m.high - m.mean, t95(3) * std::sqrt(14.0 / 3 / 4), 1e-12);
  EXPECT_TRUE(std::isnan(mean_interval({1}).low));
}

TEST(MemoryLength, OfAnExponential) {
  const double xi = 7.5;
  const MemoryLength m = fit_memory(profiles_of(3, 60, [&](int64_t p, int64_t k) { return double(p) - double(k) / xi / std::log(10.0); }));
  EXPECT_NEAR(m.xi(), xi, 1e-9);
  EXPECT_NEAR(m.xi_low(), xi, 1e-6);
  EXPECT_NEAR(m.xi_high(), xi, 1e-6);
  EXPECT_LT(m.misfit, 1e-12);
  EXPECT_EQ(m.tenth, 1 + int64_t(std::ceil(xi * std::log(10.0))));
  EXPECT_EQ(m.reach, 60);
}

TEST(MemoryLength, ItsIntervalCoversTheProbes) {
  const MemoryLength m = fit_memory(profiles_of(4, 40, [](int64_t p, int64_t k) { return -double(k) * (0.1 + 0.01 * double(p)); }));
  EXPECT_NEAR(m.rate, 0.115, 1e-12);
  EXPECT_NEAR(m.rate_high - m.rate, t95(3) * std::sqrt(5e-4 / 3 / 4), 1e-12);
  EXPECT_LT(m.xi_low(), m.xi());
  EXPECT_GT(m.xi_high(), m.xi());
}

TEST(MemoryLength, WhatDoesNotForget) {
  const MemoryLength flat = fit_memory(profiles_of(2, 30, [](int64_t, int64_t k) { return 0.01 * double(k); }));
  EXPECT_EQ(flat.xi(), INFINITY);
  EXPECT_EQ(flat.tenth, -1);
  EXPECT_TRUE(std::isnan(fit_memory(profiles_of(1, 30, [](int64_t, int64_t) { return 0.0; })).rate_low));
  const MemoryLength cut = fit_memory(profiles_of(2, 30, [](int64_t, int64_t k) { return k > 4 ? -INFINITY : 0; }));
  EXPECT_EQ(cut.reach, 4);
  EXPECT_EQ(cut.tenth, 5);
}

// Oracle 2 at the loss of one token: |d loss / d e_{t-k}| = rho^k |d loss / d h_t|.
TEST(LagProfile, OfAScaledOrthogonalRecurrence) {
  LinearModel model(orthogonal_matrix(8, 0.9, DType::f64), kLabVocabulary);
  const LagProfile p = lag_profile(model, lab_ids(3, 141), lab_ids(3, 141, 4), 120, 2);
  EXPECT_EQ(p.embedding.shape(), (Shape{3, 121}));
  EXPECT_EQ(p.states, (std::vector<std::string>{"blocks.0.mixer.h"}));
  for (int64_t b = 0; b < 3; ++b)
    for (const int64_t k : {1, 7, 100}) {
      const double* e = p.embedding.data<double>() + b * 121;
      EXPECT_NEAR(e[k] - e[0], double(k) * std::log10(0.9), 1e-9);
      EXPECT_NEAR(p.state.data<double>()[b * 121 + k], e[k], 1e-9) << "the state that a token leaves is its own h";
    }
  EXPECT_NEAR(p.memory.xi(), -1 / std::log(0.9), 1e-6);
  EXPECT_TRUE(std::isnan(p.state.item(0)));
}

// Far enough back no key is seen any more: exactly nothing arrives.
TEST(LagProfile, AWindowEndsTheReach) {
  const auto model = lab_model("attention", DType::f64, R"("window": 3)");
  const LagProfile p = lag_profile(*model, lab_ids(2, 12), lab_ids(2, 12, 4), 10);
  EXPECT_EQ(p.memory.reach, 4) << "two layers that see two tokens back";
  EXPECT_TRUE(p.states.empty());
}

TEST(LagProfile, RowsDoNotDependOnTheirNeighbours) {
  for (const char* architecture : {"lstm", "attention"}) {
    const auto model = lab_model(architecture, DType::f32);
    const Tensor ids = lab_ids(5, 9), labels = lab_ids(5, 9, 4);
    const LagProfile all = lag_profile(*model, ids, labels, 8, 5), pairs = lag_profile(*model, ids, labels, 8, 2);
    EXPECT_EQ(bits(all.embedding), bits(pairs.embedding)) << architecture;
    EXPECT_EQ(bits(all.state), bits(pairs.state)) << architecture;
  }
}

TEST(LagProfile, RefusesLagsBeyondTheText) {
  const auto model = lab_model("rnn");
  EXPECT_EQ(message_of([&] { lag_profile(*model, lab_ids(1, 6), lab_ids(1, 6), 6); }),
            "[lag_profile] lags is 6, expected 2 to the tokens before the last, 5");
}

TEST(TotalAdjoint, IsTheMeanOfItsRows) {
  const auto model = lab_model("gru");
  const Tensor ids = lab_ids(3, 7), labels = lab_ids(3, 7, 4);
  const TotalAdjoint total = total_adjoint(*model, ids, labels, 2);
  EXPECT_EQ(total.places, (std::vector<std::string>{"embed", "layers.0", "layers.1", "final", "blocks.0.mixer.h",
                                                    "blocks.1.mixer.h"}));
  EXPECT_EQ(total.streams, 4u);
  const Backsweep sweep = backsweep(*model, ids, labels);
  double sum = 0;
  for (int64_t b = 0; b < 3; ++b) sum += std::pow(10, sweep.stream.item((1 * 3 + b) * 7 + 2));
  EXPECT_NEAR(total.norms.item(1 * 7 + 2), std::log10(sum / 3), 1e-12);
  EXPECT_TRUE(std::isnan(total.norms.item(4 * 7 + 6)));
}

}  // namespace
}  // namespace adder::lab
