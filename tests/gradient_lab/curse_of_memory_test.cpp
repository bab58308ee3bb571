#include "framework/gradient_lab/curse_of_memory.h"
#include "framework/gradient_lab/curse_page.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/check.h"

namespace adder::lab {
namespace {

double formula(double lambda, double rho, Parametrisation p = Parametrisation::raw) {
  return sensitivity_formula(p, lambda, rho);
}

// Values of the paper's equations as they were computed elsewhere.
TEST(CurseOfMemory, Formula) {
  EXPECT_NEAR(formula(0.9, 0), 263.89, 0.01);
  EXPECT_NEAR(formula(0.99, 0), 251263, 10);
  EXPECT_NEAR(formula(0.9, 0.5), 778.1, 0.1);
  EXPECT_NEAR(formula(0.95, 0.9), 34815, 5);
}

TEST(CurseOfMemory, MeasuredOnTheFormula) {
  for (const auto& [lambda, rho] : {std::pair{0.8, 0.0}, {0.9, 0.5}, {0.7, 0.9}}) {
    const auto measured = measure_sensitivity(lambda, rho, 60000, 1);
    ASSERT_EQ(measured.size(), 4u);
    for (size_t p = 0; p < 4; ++p) {
      const double want = formula(lambda, rho, kParametrisations[p]);
      EXPECT_NEAR(measured[p].mean, want, 0.02 * want) << lambda << " " << rho << " " << name(kParametrisations[p]);
      EXPECT_NEAR(measured[p].mean, want, 4 * measured[p].error);
      EXPECT_LT(measured[p].error, 0.01 * want);
    }
  }
}

// Three powers of 1 / (1 - lambda); the exponential parametrisation leaves one, the normalisation none.
TEST(CurseOfMemory, WhatTheParametrisationsTake) {
  const auto power = [](Parametrisation p) {
    return std::log10(formula(0.99999, 0, p) / formula(0.9999, 0, p));
  };
  EXPECT_NEAR(power(Parametrisation::raw), 3, 0.01);
  EXPECT_NEAR(power(Parametrisation::sigmoid), 1, 0.01);
  EXPECT_NEAR(power(Parametrisation::exponential), 1, 0.01);
  EXPECT_NEAR(power(Parametrisation::normalised), 0, 0.01);
  EXPECT_NEAR(formula(0.99999, 0, Parametrisation::normalised), 0.25, 1e-4);
}

TEST(CurseOfMemory, RefusesWhatIsNoMemory) {
  EXPECT_EQ(message_of([] { formula(1, 0); }), "[curse_of_memory] lambda is 1.000000, expected between 0 and 1");
  EXPECT_EQ(message_of([] { measure_sensitivity(0.5, -1, 10, 1); }),
            "[curse_of_memory] rho is -1.000000, expected between -1 and 1");
}

TEST(CurseOfMemory, TheFigureShowsFormulaAndMeasurement) {
  std::vector<CursePoint> points;
  for (const double lambda : {0.5, 0.75}) {
    CursePoint p{lambda, {}, {}};
    for (const Parametrisation way : kParametrisations) p.formula.push_back(formula(lambda, 0.5, way)), p.measured.push_back({p.formula.back(), 0});
    points.push_back(p);
  }
  points[1].measured[2].mean *= 1.05;
  EXPECT_NEAR(worst_miss(points), 0.05, 1e-12);
  const report::Table table = curse_table(points);
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[1][0], "4");
  EXPECT_EQ(table.rows[1].size(), table.heads.size());
  EXPECT_NE(curse_figure(points, 0.5).svg.find("exp(-exp(nu)), normalised"), std::string::npos);
}

}  // namespace
}  // namespace adder::lab
