// Eigenvalues and traces of matrices that are known.
#include "framework/gradient_lab/curvature.h"

#include <gtest/gtest.h>

#include <Eigen/Dense>

#include "tests/gradient_lab/regression_model.h"

namespace adder::lab {
namespace {

Product times(const Eigen::MatrixXd& m) {
  return [m](const Flat& v) {
    const Eigen::VectorXd r = m * Eigen::Map<const Eigen::VectorXd>(v.data(), long(v.size()));
    return Flat(r.data(), r.data() + r.size());
  };
}

Eigen::MatrixXd diagonal(std::initializer_list<double> values) {
  Eigen::VectorXd d(long(values.size()));
  std::copy(values.begin(), values.end(), d.data());
  return d.asDiagonal();
}

TEST(Curvature, TheLargestEigenvalue) {
  const Eigenvalue e = largest_eigenvalue(times(diagonal({1, -2, 5})), 3, 200, 1e-12);
  EXPECT_TRUE(e.converged);
  EXPECT_NEAR(e.value, 5, 1e-9);
  EXPECT_LT(e.residual, 1e-4);
}

TEST(Curvature, TheLargestIsNotTheOneOfLargestSize) {
  const Eigenvalue e = largest_eigenvalue(times(diagonal({-10, 3, 1})), 3, 400, 1e-12);
  EXPECT_NEAR(e.value, 3, 1e-6);
  EXPECT_EQ(largest_eigenvalue(times(diagonal({-1, -1})), 2, 50).value, -1) << "nothing rises";
  EXPECT_EQ(largest_eigenvalue(times(diagonal({0, 0})), 2, 50).value, 0);
}

TEST(Curvature, SaysWhereItDidNotConverge) {
  const Eigenvalue e = largest_eigenvalue(times(diagonal({1, 1.5, 2})), 3, 2, 1e-12);
  EXPECT_FALSE(e.converged);
  EXPECT_EQ(e.products, 2);
  EXPECT_GT(e.residual, 0);
  const double away = std::min({std::abs(e.value - 1), std::abs(e.value - 1.5), std::abs(e.value - 2)});
  EXPECT_LE(away, e.residual) << "an eigenvalue lies within the residual";
}

TEST(Curvature, TheTrace) {
  const TraceEstimate exact = trace_estimate(times(diagonal({1, -2, 5})), 3, 4);
  EXPECT_NEAR(exact.value, 4, 1e-12) << "of a diagonal matrix each probe is exact";
  EXPECT_NEAR(exact.error, 0, 1e-12);
  Eigen::MatrixXd m(6, 6);
  for (int i = 0; i < 6; ++i)
    for (int j = 0; j < 6; ++j) m(i, j) = 1.0 / (1 + i + j);
  const TraceEstimate estimate = trace_estimate(times(m), 6, 400);
  EXPECT_NEAR(estimate.value, m.trace(), 4 * estimate.error);
  EXPECT_GT(estimate.error, 0);
}

// By way of gradients: the Hessian of a regression is 2 / M X'X.
TEST(Curvature, OfARegressionIsThatOfItsInputs) {
  const Random random(5, "inputs");
  std::vector<std::vector<float>> inputs;
  std::vector<float> targets;
  Eigen::MatrixXd hessian = Eigen::MatrixXd::Zero(4, 4);
  for (int n = 0; n < 12; ++n) {
    Eigen::VectorXd x(4);
    inputs.emplace_back();
    for (int j = 0; j < 4; ++j) inputs.back().push_back(float(random.normal(uint64_t(n * 4 + j)) * (1 + j))), x[j] = inputs.back().back();
    targets.push_back(float(random.normal(uint64_t(1000 + n))));
    hessian += 2.0 / 12 * x * x.transpose();
  }
  RegressionModel model({0.3, -1, 2, 0.5});
  const BatchLoss loss(model, {regression_batch(inputs, targets)});
  const Flat at = flat_values(model.parameters());
  const Product product = [&](const Flat& v) { return hessian_product(loss, at, v); };
  const Eigen::VectorXd known = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(hessian).eigenvalues();
  EXPECT_NEAR(largest_eigenvalue(product, 4, 500, 1e-12).value, known[3], 1e-7 * known[3]);
  double trace = 0;
  for (int j = 0; j < 4; ++j) {
    Flat unit(4, 0);
    unit[size_t(j)] = 1;
    trace += product(unit)[size_t(j)];
  }
  EXPECT_NEAR(trace, hessian.trace(), 1e-7 * trace);
  const TraceEstimate estimate = trace_estimate(product, 4, 200);
  EXPECT_NEAR(estimate.value, hessian.trace(), 4 * estimate.error);
}

}  // namespace
}  // namespace adder::lab
