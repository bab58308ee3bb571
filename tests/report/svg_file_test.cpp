#include "framework/report/svg_file.h"

#include <gtest/gtest.h>

namespace adder::report {
namespace {

TEST(SvgFile, IsCompleteWithoutThePage) {
  const Palette palette({"a & b", "c"});
  const LineChart chart{"Title <x>", "what it shows", {"x"}, {"y"}, {{"a & b", {1, 2, 3}, {1, 4, 9}}, {"c", {1, 2, 3}, {3, 2, 1}}}};
  const std::string svg = standalone_svg(draw(chart, palette), palette);
  EXPECT_EQ(svg.rfind("<svg xmlns=\"http://www.w3.org/2000/svg\" ", 0), 0u) << svg.substr(0, 80);
  EXPECT_EQ(svg.substr(svg.size() - 7), "</svg>\n");
  EXPECT_NE(svg.find("--c1"), std::string::npos) << "the palette's colours";
  EXPECT_NE(svg.find("prefers-color-scheme:dark"), std::string::npos);
  EXPECT_EQ(svg.find("<style>"), svg.find('>') + 1) << "before the first shape";
  EXPECT_EQ(svg, standalone_svg(draw(chart, palette), palette));
}

}  // namespace
}  // namespace adder::report
