#include "framework/gradient_lab/lyapunov.h"

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <numbers>
#include <numeric>

#include "framework/gradient_lab/block_jacobians.h"
#include "framework/gradient_lab/long_jacobian.h"
#include "tests/gradient_lab/lab_support.h"
#include "tests/gradient_lab/linear_model.h"
#include "tests/gradient_lab/matrices.h"
#include "tests/support/check.h"

namespace adder::lab {
namespace {

double digamma(double x) {
  double result = 0;
  for (; x < 12; ++x) result -= 1 / x;
  const double y = 1 / (x * x);
  return result + std::log(x) - 0.5 / x - y * (1.0 / 12 - y * (1.0 / 120 - y * (1.0 / 252 - y / 240)));
}
double trigamma(double x) {
  double result = 0;
  for (; x < 12; ++x) result += 1 / (x * x);
  const double y = 1 / (x * x);
  return result + 1 / x + y / 2 + y / x * (1.0 / 6 - y * (1.0 / 30 - y / 42));
}

// Oracle 5 (Newman, 1986): a fresh matrix of N(0, g^2 / N) at each step.
TEST(Lyapunov, OfIndependentGaussianJacobians) {
  const int64_t n = 16, steps = 4000;
  const double g = 1.3;
  const GivenJacobians J(n, steps, [&](int64_t t) { return gaussian(n, n, g / std::sqrt(double(n)), 7, uint64_t(t)); });
  const Lyapunov l = lyapunov(J, {.burn_in = 0.02});
  for (int64_t i = 1; i <= n; ++i) {
    const double shape = double(n - i + 1) / 2;
    const double want = 0.5 * (std::log(2.0) + digamma(shape)) + std::log(g / std::sqrt(double(n)));
    const double deviation = std::sqrt(trigamma(shape) / (4 * double(l.steps)));
    EXPECT_NEAR(l.exponents[size_t(i - 1)], want, 4 * deviation) << i;
    EXPECT_GT(l.errors[size_t(i - 1)], deviation / 3) << i;
    EXPECT_LT(l.errors[size_t(i - 1)], deviation * 3) << i;
  }
  EXPECT_NEAR(std::accumulate(l.exponents.begin(), l.exponents.end(), 0.0), l.log_det, 1e-10);
}

std::vector<double> log_eigenvalues(const Matrix& m) {
  const Eigen::VectorXcd values = m.eigenvalues();
  std::vector<double> logs;
  for (const auto& e : values) logs.push_back(std::log(std::abs(e)));
  std::sort(logs.begin(), logs.end(), std::greater<>());
  return logs;
}

// Oracle 6: a fixed matrix stretches as its eigenvalues say.
TEST(Lyapunov, OfAFixedMatrixAreItsEigenvalues) {
  const Matrix random = gaussian(8, 8, 0.4, 4), symmetric = random + random.transpose();
  const std::vector<double> of_random = log_eigenvalues(random), of_symmetric = log_eigenvalues(symmetric);
  for (const int64_t every : {1, 5}) {
    const LyapunovOptions options{.every = every, .burn_in = 1.0 / 3};
    const Lyapunov real = lyapunov(GivenJacobians(8, 3000, [&](int64_t) { return symmetric; }), options);
    const Lyapunov complex = lyapunov(GivenJacobians(8, 3000, [&](int64_t) { return random; }), options);
    EXPECT_EQ(real.steps, 2000);
    for (size_t i = 0; i < 8; ++i) {
      EXPECT_NEAR(real.exponents[i], of_symmetric[i], 1e-9) << every;
      EXPECT_NEAR(complex.exponents[i], of_random[i], 4e-4) << every << ": pairs turn, and their means settle slowly";
    }
  }
}

TEST(Lyapunov, OfALinearModel) {
  LinearModel model(orthogonal_matrix(6, 0.7, DType::f64), kLabVocabulary);
  const Lyapunov l = lyapunov(BlockJacobians(model, lab_ids(1, 101), 0));
  for (const double exponent : l.exponents) EXPECT_NEAR(exponent, std::log(0.7), 1e-12);
  for (const double error : l.errors) EXPECT_LT(error, 1e-12);
}

// h <- W tanh(h), W_ij ~ N(0, g^2 / N); J = W diag(1 - tanh^2).
class TanhNetwork : public Jacobians {
 public:
  TanhNetwork(int64_t n, double g, int64_t steps, uint64_t seed) : w_(gaussian(n, n, g / std::sqrt(double(n)), seed)) {
    Eigen::VectorXd h = gaussian(n, 1, 1, seed + 1);
    for (int64_t t = -200; t < steps; ++t) {
      const Eigen::VectorXd active = h.array().tanh();
      if (t >= 0) slopes_.push_back(1 - active.array().square());
      h = w_ * active;
    }
  }
  int64_t size() const override { return w_.rows(); }
  int64_t steps() const override { return int64_t(slopes_.size()); }
  Matrix times(int64_t t, const Matrix& v) const override { return w_ * (slopes_[size_t(t)].asDiagonal() * v); }
  Matrix transposed_times(int64_t t, const Matrix& u) const override { return slopes_[size_t(t)].asDiagonal() * (w_.transpose() * u); }

 private:
  Matrix w_;
  std::vector<Eigen::VectorXd> slopes_;
};

// Oracle 7: mean field (Sompolinsky, Crisanti & Sommers, 1988) says 1/2 log(g^2 E[(1 - tanh^2)^2]) where
// D = g^2 E[tanh^2] and the mean is over h ~ N(0, D).
double mean_field_exponent(double g) {
  const auto mean = [](double variance, const std::function<double(double)>& f) {
    double sum = 0, weights = 0;
    for (double z = -9; z <= 9; z += 1e-3) {
      const double weight = std::exp(-z * z / 2);
      sum += weight * f(std::sqrt(variance) * z), weights += weight;
    }
    return sum / weights;
  };
  double variance = g * g;
  for (int i = 0; i < 60; ++i) variance = g * g * mean(variance, [](double h) { return std::tanh(h) * std::tanh(h); });
  return 0.5 * std::log(g * g * mean(variance, [](double h) { return std::pow(1 - std::tanh(h) * std::tanh(h), 2); }));
}

TEST(Lyapunov, OfAChaoticNetworkAsMeanFieldSays) {
  EXPECT_NEAR(mean_field_exponent(2), 0.1547, 1e-4);
#ifdef ADDER_ASAN
  const int64_t n = 200, steps = 600;
#else
  const int64_t n = 400, steps = 1500;
#endif
  for (const double g : {2.0, 3.0}) {
    const Lyapunov l = lyapunov(TanhNetwork(n, g, steps, 3), {.count = 1});
    EXPECT_NEAR(l.exponents[0], mean_field_exponent(g), 0.02) << g;
    EXPECT_GT(l.entropy(), 0);
    EXPECT_TRUE(std::isnan(l.kaplan_yorke())) << "one exponent does not tell";
  }
}

TEST(Lyapunov, DiagonalModelsInClosedForm) {
  for (const LabCase& c : lab_cases()) {
    const auto model = lab_model(c.architecture, DType::f64, c.more);
    const Tensor ids = lab_ids(1, 81);
    const Decays decays = decays_along(*model, ids);
    if (decays.empty() || !decays.begin()->second.whole) continue;  // attention, rnn, lstm, gru, …
    const BlockJacobians J(*model, ids, 0);
    const Lyapunov by_qr = lyapunov(J, {.burn_in = 0}), closed = diagonal_lyapunov(decays.at("blocks.0"));
    EXPECT_EQ(closed.size, J.size());
    EXPECT_NEAR(closed.log_det, by_qr.log_det, 1e-9 * std::abs(by_qr.log_det)) << c.architecture;
    // QR needs some steps to turn its basis into the slowest direction.
    EXPECT_NEAR(closed.exponents[0], by_qr.exponents[0], 0.05) << c.architecture;
  }
}

TEST(Lyapunov, DimensionAndEntropy) {
  Lyapunov l;
  l.size = 3, l.exponents = {0.9, 0, -14.57};  // Lorenz's
  EXPECT_NEAR(l.kaplan_yorke(), 2.0618, 1e-4);
  EXPECT_NEAR(l.entropy(), 0.9, 1e-12);
  l.exponents = {-1, -2, -3};
  EXPECT_EQ(l.kaplan_yorke(), 0);
  EXPECT_EQ(l.entropy(), 0);
  l.exponents = {1, 0.5, -1};
  EXPECT_EQ(l.kaplan_yorke(), 3);
}

// A model's own: the exponents of an LSTM sum to the mean of log |det J|, and bound its long Jacobian.
TEST(Lyapunov, OfAnLstm) {
  const auto model = lab_model("lstm");
  const BlockJacobians J(*model, lab_ids(1, 301), 1);
  const Lyapunov all = lyapunov(J), few = lyapunov(J, {.count = 2});
  EXPECT_EQ(all.exponents.size(), 16u);
  EXPECT_NEAR(std::accumulate(all.exponents.begin(), all.exponents.end(), 0.0), all.log_det, 1e-9 * std::abs(all.log_det));
  EXPECT_NEAR(few.exponents[0], all.exponents[0], 1e-6);
  EXPECT_NEAR(few.exponents[1], all.exponents[1], 1e-2);
  EXPECT_TRUE(std::isnan(few.log_det));
  EXPECT_EQ(all.batches.size(), 10u);
  EXPECT_EQ(all.batch_steps, 27);
  const double sigma = exact_norms(J, {300}, 1)[0].sigma[0] * std::log(10.0) / 300;
  EXPECT_NEAR(all.exponents[0], sigma, 0.05);
}

TEST(Lyapunov, RefusesTooFewSteps) {
  const GivenJacobians J(2, 8, [](int64_t) { return Matrix(Matrix::Identity(2, 2)); });
  EXPECT_NE(message_of([&] { lyapunov(J); }).find("[lyapunov] 8 steps, expected enough for 10 batches of 1"),
            std::string::npos);
}

}  // namespace
}  // namespace adder::lab
