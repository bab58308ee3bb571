// Rows by themselves, and the batch that they make.
#include "framework/gradient_lab/batch_loss.h"

#include "framework/core/error.h"
#include "framework/gradient_lab/curvature.h"
#include "tests/gradient_lab/lab_support.h"
#include "tests/gradient_lab/regression_model.h"

namespace adder::lab {
namespace {

Batch lab_batch(int64_t rows, int64_t length, uint64_t seed) {
  Batch batch;
  batch.ids = lab_ids(rows, length, seed), batch.labels = lab_ids(rows, length, seed + 1);
  return batch;
}

double largest(const Flat& x) {
  double most = 0;
  for (const double v : x) most = std::max(most, std::abs(v));
  return most;
}

// Two micro-batches whose rows have other numbers of scored tokens, one of them none.
TEST(BatchLoss, TheMeanOfTheRowsIsTheBatch) {
  for (const LabCase& c : lab_cases()) {
    const auto model = lab_model(c.architecture, DType::f64, c.more);
    Batch first = lab_batch(3, 6, 3);
    const Batch second = lab_batch(2, 6, 9);
    for (const int i : {0, 1, 6, 7, 8, 9, 10, 11, 17}) first.labels.data<int32_t>()[i] = kIgnoreLabel;
    const BatchLoss loss(*model, {first, second});
    EXPECT_EQ(loss.rows(), 4) << "a row without a scored token is none";
    const LossAndGradient whole = loss.gradient();
    EXPECT_NEAR(whole.loss, loss.loss(), 1e-12 * whole.loss);
    Flat mean(whole.gradient.size(), 0);
    double losses = 0;
    for (int64_t n = 0; n < loss.rows(); ++n) {
      const LossAndGradient row = loss.row(n);
      add_scaled(mean, 0.25, row.gradient), losses += row.loss / 4;
    }
    EXPECT_NEAR(losses, whole.loss, 1e-12 * whole.loss) << c.architecture;
    EXPECT_LT(largest(difference(mean, whole.gradient)), 1e-12 * largest(whole.gradient)) << c.architecture;
  }
}

TEST(BatchLoss, HessianProductsAreSymmetricOnEveryArchitecture) {
  for (const LabCase& c : lab_cases()) {
    const auto model = lab_model(c.architecture, DType::f64, c.more);
    const BatchLoss loss(*model, {lab_batch(2, 5, 3)});
    const Flat at = flat_values(model->parameters());
    Flat u(at.size()), v(at.size());
    const Random random(7, "directions");
    for (size_t i = 0; i < at.size(); ++i) u[i] = random.normal(i), v[i] = random.normal(i + 100000);
    const double a = dot(u, hessian_product(loss, at, v)), b = dot(v, hessian_product(loss, at, u));
    EXPECT_NEAR(a, b, 1e-5 * norm(u) * norm(hessian_product(loss, at, v))) << c.architecture;
    EXPECT_EQ(flat_values(model->parameters()), at) << "the model stands where it stood";
  }
}

TEST(BatchLoss, OfARegressionIsKnown) {
  RegressionModel model({1, -2});
  const BatchLoss loss(model, {regression_batch({{1, 0}, {1, 1}}, {3, 0})});
  EXPECT_DOUBLE_EQ(loss.loss(), (4.0 + 1.0) / 2);
  EXPECT_EQ(loss.row(0).gradient, (Flat{-4, 0}));
  EXPECT_EQ(loss.row(1).gradient, (Flat{-2, -2}));
  EXPECT_EQ(loss.gradient().gradient, (Flat{-3, -1}));
  const Flat product = hessian_product(loss, flat_values(model.parameters()), {1, 2});  // H = {{2, 1}, {1, 1}}
  EXPECT_NEAR(product[0], 4, 1e-8);
  EXPECT_NEAR(product[1], 3, 1e-8);
}

TEST(BatchLoss, WithoutAScoredTokenThereIsNone) {
  const auto model = lab_model("lstm");
  Batch batch = lab_batch(2, 5, 3);
  batch.labels.fill(kIgnoreLabel);
  EXPECT_THROW(BatchLoss(*model, {batch}), Error);
}

}  // namespace
}  // namespace adder::lab
