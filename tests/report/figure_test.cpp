#include "framework/report/figure.h"

#include <gtest/gtest.h>

#include <cmath>

#include "framework/report/frame.h"
#include "framework/report/svg.h"
#include "tests/support/check.h"

namespace adder::report {
namespace {

int count(const std::string& text, const std::string& word) {
  int n = 0;
  for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; ++at) ++n;
  return n;
}

TEST(Scale, RunsFromEndToEndAndClampsBeyond) {
  const Scale linear({"x"}, {0, 10}, 100, 200);
  EXPECT_EQ(linear(0), 100);
  EXPECT_EQ(linear(5), 150);
  EXPECT_EQ(linear(20), 200);
  EXPECT_FALSE(linear.has_place_for(20));
  EXPECT_FALSE(linear.has_place_for(NAN));
  const Scale log({"x", true}, {1, 1000}, 0, 300);
  EXPECT_NEAR(log(10), 100, 1e-9);
  EXPECT_FALSE(log.has_place_for(0));
}

TEST(Scale, TicksAreRoundNumbersWithinTheRange) {
  for (auto [low, high] : {std::pair{0.0, 1.0}, {-3.2, 17.0}, {1.5001, 1.5004}, {1e5, 3e6}}) {
    const Scale scale({"x"}, {low, high}, 0, 100);
    const auto ticks = scale.ticks();
    EXPECT_GE(ticks.size(), 3u);
    EXPECT_LE(ticks.size(), 12u);
    for (const Tick& t : ticks) EXPECT_TRUE(scale.has_place_for(t.value)) << t.label;
  }
  std::string labels;
  for (const Tick& t : Scale({"x", true}, {0.5, 2e4}, 0, 1).ticks()) labels += t.label.empty() ? "" : t.label + " ";
  EXPECT_EQ(labels, "1 10 100 1000 10000 ");
}

TEST(Extent, HoldsTheDataThatHasAPlace) {
  const Axis log{"x", true};
  Extent extent(log);
  EXPECT_FALSE(extent.any());
  extent.add({0, -1, NAN, 10, 1000});
  const auto [low, high] = extent.range();
  EXPECT_LT(low, 10);
  EXPECT_GT(low, 5);
  EXPECT_GT(high, 1000);
}

TEST(LineChart, BreaksWhereAValueIsMissingAndSaysSo) {
  const Palette palette({"a"});
  LineChart chart{"t", "d.", {"x"}, {"y"}, {{"a", {1, 2, 3, 4, 5}, {1, 2, NAN, 2, 1}}}};
  const Figure f = draw(chart, palette);
  EXPECT_EQ(count(f.svg, "class=\"line s0 c0\""), 2);
  EXPECT_NE(f.caption.find("Not drawn: 1 value without a place"), std::string::npos) << f.caption;
  EXPECT_EQ(f.data.rows.size(), 5u);
  EXPECT_EQ(f.data.rows[2][2], "not a number");
}

TEST(LineChart, TogetherTheyShareTheirAxes) {
  const Palette palette({"a"});
  const LineChart small{"s", "", {"x"}, {"y"}, {{"a", {0, 1}, {0, 1}}}}, large{"l", "", {"x"}, {"y"}, {{"a", {0, 100}, {0, 50}}}};
  const auto together = draw_together({small, large}, palette);
  ASSERT_EQ(together.size(), 2u);
  for (const Figure& f : together) EXPECT_NE(f.svg.find(">100</text>"), std::string::npos);
  EXPECT_EQ(draw(small, palette).svg.find(">100</text>"), std::string::npos);
}

TEST(LineChart, RefusesSeriesOfUnequalLength) {
  const Palette palette({"a"});
  const LineChart chart{"t", "", {"x"}, {"y"}, {{"a", {1, 2}, {1}}}};
  EXPECT_NE(message_of([&] { draw(chart, palette); }).find("\"a\" of \"t\" has 2 x, 1 y"), std::string::npos);
}

TEST(Ecdf, ClimbsByTheShareOfEachValue) {
  const Series s = ecdf("a", {3, 1, 2, 2});
  EXPECT_EQ(s.x, (std::vector<double>{1, 1, 2, 2, 2, 2, 3, 3}));
  EXPECT_EQ(s.y, (std::vector<double>{0, .25, .25, .5, .5, .75, .75, 1}));
}

TEST(IntervalChart, DrawsFailuresAsSuch) {
  IntervalChart chart;
  chart.title = "t", chart.axis.label = "x";
  chart.rows = {{"good", 1, 0.5, 1.5, {1.1}}, {"bad", NAN, NAN, NAN, {}, true}};
  const Figure f = draw(chart);
  EXPECT_EQ(count(f.svg, ">failed<"), 1);
  EXPECT_EQ(count(f.svg, "class=\"interval c0\""), 1);
  EXPECT_EQ(f.data.rows[1][1], "failed");
}

TEST(HeatMap, HasACellForEachValueAndTellsWhatDoesNotFit) {
  HeatMap map;
  map.title = "t", map.x.label = "x", map.value.label = "v";
  map.columns = {0, 1, 2}, map.rows = {"a", "b"}, map.values = {{1, 2, 3}, {4, NAN, 6}};
  const Figure f = draw(map);
  EXPECT_EQ(count(f.svg, "class=\"empty\""), 1);
  EXPECT_NE(f.svg.find("#440154"), std::string::npos) << "the least value is the darkest";
  map.values[1].pop_back();
  EXPECT_EQ(message_of([&] { draw(map); }), "[report] row \"b\" of \"t\" has 2 values, expected 3");
}

TEST(Frame, LabelsArePushedApartInTheirOrder) {
  const auto at = spread({50, 10, 51, 52}, 10, 0, 60);
  EXPECT_EQ(at, (std::vector<double>{40, 10, 50, 60}));
}

TEST(Svg, NumbersAreWrittenOneWay) {
  EXPECT_EQ(pixels(1.0), "1");
  EXPECT_EQ(pixels(-0.001), "0");
  EXPECT_EQ(pixels(1.256), "1.26");
  EXPECT_EQ(shown(NAN), "not a number");
  EXPECT_EQ(shown(1.23456e-9), "1.235e-09");
  EXPECT_EQ(message_of([] { pixels(INFINITY); }), "[report] a coordinate is not finite");
}

}  // namespace
}  // namespace adder::report
