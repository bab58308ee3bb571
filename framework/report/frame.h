// The box that charts are drawn in: its margins, grid, ticks and labels.
#pragma once
#include "framework/report/scale.h"
#include "framework/report/svg.h"

namespace adder::report {

struct Frame {
  double width = 400, height = 260, left = 58, right = 16, top = 12, bottom = 44;
  double x0() const { return left; }
  double x1() const { return width - right; }
  double y0() const { return height - bottom; }  // pixels run downwards
  double y1() const { return top; }
};

void draw_x_axis(Svg& svg, const Frame& f, const Axis& axis, const Scale& scale);
void draw_y_axis(Svg& svg, const Frame& f, const Axis& axis, const Scale& scale);

// About how wide a label is, in pixels, in a wide sans-serif face; and as much of it as fits, "…" at its end where some does not.
double text_width(const std::string& text);
std::string fitted(const std::string& text, double width);
inline constexpr double kWidestLabel = 170;

// Labels at these heights, pushed apart so that none covers another; the order stays.
std::vector<double> spread(std::vector<double> heights, double apart, double low, double high);

}  // namespace adder::report
