// A page is one file that asks nobody for anything, says the same each time, and lets no string out of its place.
#include "framework/report/page.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <regex>

#include "framework/core/error.h"
#include "framework/report/svg.h"
#include "framework/training/durable_file.h"
#include "tests/support/check.h"

namespace adder::report {
namespace {

const char* const kHostile = "</title><script>alert('x')</script><img src=http://a.b/c onerror=\"x\"> & \x01";

LineChart chart_of(const std::string& name) {
  LineChart chart{name, name, {"step"}, {"loss"}, {}};
  chart.series.push_back({name, {1, 2, 3}, {3, 2, 1.5}, {2.5, 1.5, 1}, {3.5, 2.5, 2}});
  return chart;
}

Page hostile_page() {
  const Palette palette({kHostile, "other"});
  Page page(kHostile, kHostile, palette);
  page.verdict(Tone::bad, kHostile, kHostile, kHostile);
  page.toggles();
  page.heading(kHostile), page.paragraph(kHostile), page.points({kHostile}), page.command(kHostile);
  page.checklist({{Tone::open, kHostile}});
  page.facts({{kHostile, kHostile}});
  page.table({{kHostile}, {{kHostile}}}, kHostile);
  page.figure(draw(chart_of(kHostile), palette));
  page.figures(draw_together({chart_of(kHostile), chart_of("other")}, palette));
  IntervalChart intervals;
  intervals.title = intervals.description = intervals.axis.label = kHostile;
  intervals.rows = {{kHostile, 1, 0, 2, {1, 2}}}, intervals.references = {{kHostile, 1}};
  page.figure(draw(intervals));
  HeatMap map;
  map.title = map.description = map.x.label = map.value.label = kHostile;
  map.columns = {1, 2}, map.rows = {kHostile}, map.values = {{1, 2}};
  page.figure(draw(map));
  Histogram histogram;
  histogram.title = histogram.description = histogram.x.label = kHostile;
  histogram.edges = {0, 1, 2}, histogram.counts = {3, 4};
  page.figure(draw(histogram));
  return page;
}

TEST(Page, EveryStringIsEscaped) {
  const std::string html = hostile_page().html();
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("<img"), std::string::npos);
  EXPECT_EQ(html.find('\x01'), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;"), std::string::npos);
  // Every tag that is opened is one of ours.
  const std::regex tag("<([a-zA-Z!]+)");
  const std::string known =
      " !DOCTYPE html head meta link title style body main p h h1 h2 ul li pre dl div dt dd table thead tbody tr th td section "
      "figure figcaption b details summary fieldset legend label input span svg desc line rect path circle text g ";
  for (std::sregex_iterator it(html.begin(), html.end(), tag), end; it != end; ++it)
    EXPECT_NE(known.find(" " + (*it)[1].str()), std::string::npos) << it->str();
}

TEST(Page, AsksTheNetworkForNothing) {
  const Palette palette({"a"});
  Page page("t", "k", palette);
  page.figure(draw(chart_of("a"), palette));
  const std::string html = page.html();
  for (const char* word : {"http:", "https:", "src=", "url(", "@import", "<script", "//"})
    EXPECT_EQ(html.find(word), std::string::npos) << word;
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
}

TEST(Page, IsTheSameBytesEachTimeAndSmall) {
  const std::string once = hostile_page().html();
  EXPECT_EQ(once, hostile_page().html());
  EXPECT_LT(once.size(), 100'000u);
}

TEST(Page, IsWrittenWhole) {
  const std::string path = testing::TempDir() + "page_test.html";
  const Page page("t", "k");
  write_page(path, page);
  EXPECT_EQ(read_text_file(path), page.html());
  std::filesystem::remove(path);
}

TEST(Page, EveryPictureHasATitleAndADescriptionAndItsNumbers) {
  const std::string html = hostile_page().html();
  const auto count = [&](const std::string& word) {
    int n = 0;
    for (size_t at = 0; (at = html.find(word, at)) != std::string::npos; ++at) ++n;
    return n;
  };
  EXPECT_EQ(count("<svg"), count("<desc>"));
  EXPECT_EQ(count("<svg"), count("role=\"img\"><title>"));
  EXPECT_EQ(count("<figure>"), 6);
  EXPECT_EQ(count("<summary>data</summary>"), 6);
}

// ---- the eye ----

double luminance(const std::string& hex) {
  const auto channel = [&](int i) {
    const double c = std::stoi(hex.substr(size_t(1 + 2 * i), 2), nullptr, 16) / 255.0;
    return c <= 0.03928 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * channel(0) + 0.7152 * channel(1) + 0.0722 * channel(2);
}
double contrast(const std::string& a, const std::string& b) {
  const double x = luminance(a), y = luminance(b);
  return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

// WCAG 2.1: 3 : 1 for graphics by day and by night. Labels at lines are text in the lines' colours: 4.5 : 1.
TEST(Palette, ColoursStandOutByDayAndByNight) {
  const std::string css = palette_css(Palette({"a"}));
  const size_t night = css.find("@media");
  const std::regex colour("--c\\d:(#[0-9a-f]{6})");
  int seen = 0;
  for (std::sregex_iterator it(css.begin(), css.end(), colour), end; it != end; ++it, ++seen) {
    const bool by_day = size_t(it->position()) < night;
    EXPECT_GE(contrast((*it)[1], by_day ? "#ffffff" : "#17181a"), by_day ? 3.6 : 4.5) << it->str();
  }
  EXPECT_EQ(seen, 16);
}

TEST(Palette, ANameHasItsStyleAndAnUnknownOneIsAnError) {
  std::vector<std::string> names;
  for (int i = 0; i < 12; ++i) names.push_back("arm " + std::to_string(i));
  const Palette palette(names);
  EXPECT_EQ(palette.classes("arm 0"), "s0 c0");
  EXPECT_EQ(palette.classes("arm 8"), "s8 c0");
  EXPECT_NE(palette.marker("arm 0"), palette.marker("arm 8"));
  EXPECT_EQ(message_of([&] { palette.index("lstm"); }), "[report] no style was given to \"lstm\"");
}

}  // namespace
}  // namespace adder::report
