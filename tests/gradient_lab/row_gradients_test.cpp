// Figures of per-row gradients: worked out by hand, and of gradients drawn from a known distribution.
#include "framework/gradient_lab/row_gradients.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/core/error.h"

namespace adder::lab {
namespace {

RowFigures figures_of(const std::vector<Flat>& rows) {
  Flat mean(rows[0].size(), 0);
  for (const Flat& row : rows) add_scaled(mean, 1.0 / double(rows.size()), row);
  RowGradients gradients(mean);
  for (const Flat& row : rows) gradients.add(row);
  return gradients.figures();
}

TEST(RowGradients, WorkedOutByHand) {
  const RowFigures f = figures_of({{1, 0}, {3, 0}});
  EXPECT_DOUBLE_EQ(f.square, 4);
  EXPECT_DOUBLE_EQ(f.mean_square, 5);
  EXPECT_DOUBLE_EQ(f.trace, 2);
  EXPECT_DOUBLE_EQ(f.norm_test, 0.5);
  EXPECT_DOUBLE_EQ(f.inner_product_test, 0.5);
  EXPECT_DOUBLE_EQ(f.orthogonality_test, 0) << "all the spread is along the gradient";
  EXPECT_DOUBLE_EQ(f.noise.square, 3);
  EXPECT_DOUBLE_EQ(f.noise.trace, 2);
  EXPECT_DOUBLE_EQ(f.cabs(0.1, 2), 0.1);
  EXPECT_EQ(f.still, 1);
  EXPECT_DOUBLE_EQ(f.mean_gsnr, 2);
  EXPECT_DOUBLE_EQ(f.early_stopping, -3);
  EXPECT_EQ(f.projections, (std::vector<double>{0.5, 1.5}));
  const RowFigures across = figures_of({{1, 2}, {1, -2}});
  EXPECT_DOUBLE_EQ(across.inner_product_test, 0);
  EXPECT_DOUBLE_EQ(across.orthogonality_test, 2) << "sqrt(8 / (2 * 1 * 1))";
  EXPECT_DOUBLE_EQ(across.norm_test, 2);
}

TEST(RowGradients, OneRowHasNoSpread) {
  RowGradients gradients({1, 2});
  gradients.add({1, 2});
  EXPECT_THROW(gradients.figures(), Error);
}

std::vector<Flat> drawn(int rows, int size, double mean, double deviation) {
  const Random random(11, "rows");
  std::vector<Flat> list;
  for (int n = 0; n < rows; ++n) {
    list.emplace_back();
    for (int j = 0; j < size; ++j) list.back().push_back(mean + deviation * random.normal(uint64_t(n * size + j)));
  }
  return list;
}

// D = 2000 coordinates of mean 0.5 and deviation 2, N = 64 rows.
TEST(RowGradients, OfDrawnGradientsIsKnown) {
  const RowFigures f = figures_of(drawn(64, 2000, 0.5, 2));
  EXPECT_NEAR(f.trace, 4 * 2000, 4 * 2000 * 0.02);
  EXPECT_NEAR(f.noise.square, 0.25 * 2000, 60);  // standard error about 12
  EXPECT_NEAR(f.noise.scale(), 16, 2);
  const double whole = 0.25 * 2000 + 4 * 2000 / 64.0;  // |G|^2 holds its own noise
  EXPECT_NEAR(f.norm_test, std::sqrt(4 * 2000 / 64.0 / whole), 0.02);
  EXPECT_NEAR(f.mean_gsnr, (0.25 + 4 / 64.0) / 4 * 63 / 61, 0.01);
  EXPECT_LT(f.early_stopping, -3) << "a gradient of twice its noise is worth following";
  EXPECT_NEAR(std::pow(f.norm_test, 2), std::pow(f.inner_product_test, 2) + std::pow(f.orthogonality_test, 2), 1e-12);
}

// Where there is nothing but noise, the criterion is about (N - 1) / (N - 3) - 1 below 0: it stands at its threshold.
TEST(RowGradients, OfNoiseAloneStandsAtTheStop) {
  const RowFigures f = figures_of(drawn(64, 2000, 0, 2));
  EXPECT_NEAR(f.early_stopping, 1 - 63.0 / 61, 0.13);  // four standard errors
  EXPECT_GT(f.norm_test, 0.9);
}

}  // namespace
}  // namespace adder::lab
