// The coordinate check on small models: muP passes, the standard parametrisation fails.
#include "framework/gradient_lab/coordinates.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/gradient_lab/lab_support.h"

namespace adder::lab {
namespace {

Config config_of(const std::string& architecture, const std::string& more) {
  const std::string text = R"({"data": {"train": "unused.txt"}, "optimizer": {"learning_rate": 2e-3},
    "model": {"architecture": ")" + architecture + R"(", "n_layers": 2, "d_model": 32)" + more + "}}";
  return parse_config(text, architecture, {}, model_registry());
}

Batch some_batch() {
  Batch batch;
  batch.ids = lab_ids(4, 8, 3), batch.labels = lab_ids(4, 8, 4);
  return batch;
}

const CoordinateOptions kSmall = {{64, 128, 256}, 2, 3};
constexpr char kMup[] = R"(, "parametrisation": "mup", "base_width": 64)";

Coordinates check(const std::string& architecture, const std::string& more, const CoordinateOptions& options = kSmall) {
  return check_coordinates(config_of(architecture, more), model_registry(), kLabVocabulary, some_batch(), options);
}

TEST(Coordinates, MupPassesWhatTheStandardFails) {
  const Coordinates mup = check("attention", kMup), standard = check("attention", "");
  EXPECT_TRUE(mup.passed()) << headline(mup);
  EXPECT_FALSE(standard.passed()) << headline(standard);
  EXPECT_GT(standard.fits.back().slope, 0.3) << shown(standard.fits.back());
}

// At such small widths the gated ones shrink by a little more than the bound: what is random in an update still counts.
TEST(Coordinates, WhatMupTakesOffTheGrowthOfGatedOnes) {
  for (const char* architecture : {"gru", "min_gru"}) {
    const Coordinates mup = check(architecture, kMup), standard = check(architecture, "");
    EXPECT_LT(std::abs(mup.worst().slope), 0.2) << architecture << ": " << headline(mup);
    EXPECT_GT(standard.worst().slope, 0.3) << architecture << ": " << headline(standard);
  }
}

TEST(Coordinates, FitsALineThroughEveryModel) {
  const Coordinates c = check("rnn", kMup);
  // embed, two layers, final and logits: sizes at steps 0 to 3, changes at 1 to 3
  ASSERT_EQ(c.fits.size(), 5u * 7);
  int judged = 0;
  for (const CoordinateFit& fit : c.fits) {
    judged += fit.judged;
    ASSERT_EQ(fit.sizes.size(), 3u);
    double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
    for (size_t w = 0; w < 3; ++w) {
      ASSERT_EQ(fit.sizes[w].size(), 2u);
      for (const double size : fit.sizes[w]) mean_x += std::log(double(kSmall.widths[w])) / 6, mean_y += std::log(size) / 6;
    }
    for (size_t w = 0; w < 3; ++w)
      for (const double size : fit.sizes[w]) {
        const double x = std::log(double(kSmall.widths[w])) - mean_x;
        xx += x * x, xy += x * (std::log(size) - mean_y);
      }
    EXPECT_NEAR(fit.slope, xy / xx, 1e-12);
    EXPECT_LE(fit.low, fit.slope);
    EXPECT_GE(fit.high, fit.slope);
  }
  EXPECT_EQ(judged, 2 * 4 + 3);
  EXPECT_EQ(c.fits[0].place, "embed");
}

TEST(Coordinates, WarmupAndDecayAreSetAside) {
  Config slow = config_of("rnn", kMup);
  slow.schedule.warmup_steps = 500;
  const Coordinates a = check_coordinates(slow, model_registry(), kLabVocabulary, some_batch(), kSmall), b = check("rnn", kMup);
  EXPECT_EQ(a.fits.back().sizes, b.fits.back().sizes);
}

}  // namespace
}  // namespace adder::lab
