#include "framework/report/frame.h"

#include <algorithm>
#include <numeric>

namespace adder::report {

void draw_x_axis(Svg& svg, const Frame& f, const Axis& axis, const Scale& scale) {
  for (const Tick& tick : scale.ticks()) {
    const double x = scale(tick.value);
    svg.line({x, f.y0()}, {x, f.y1()}, "grid");
    if (!tick.label.empty()) svg.text({x, f.y0() + 14}, tick.label, "middle", "tick");
  }
  svg.line({f.x0(), f.y0()}, {f.x1(), f.y0()}, "axis");
  svg.text({(f.x0() + f.x1()) / 2, f.height - 8}, axis.label, "middle");
}

void draw_y_axis(Svg& svg, const Frame& f, const Axis& axis, const Scale& scale) {
  for (const Tick& tick : scale.ticks()) {
    const double y = scale(tick.value);
    svg.line({f.x0(), y}, {f.x1(), y}, "grid");
    if (!tick.label.empty()) svg.text({f.x0() - 5, y + 3.5}, tick.label, "end", "tick");
  }
  svg.line({f.x0(), f.y0()}, {f.x0(), f.y1()}, "axis");
  svg.text({13, (f.y0() + f.y1()) / 2}, axis.label, "middle", "", true);
}

namespace {
double letter_width(char c) {
  if (uint8_t(c) >> 6 == 2) return 0;  // UTF-8: the rest of a letter
  const std::string narrow = "fijlrtI .,:;'|/()[]-", wide = "mwMW%@";
  return narrow.find(c) != std::string::npos ? 4.6 : wide.find(c) != std::string::npos ? 11 : 7;
}
}  // namespace

double text_width(const std::string& text) {
  double width = 0;
  for (const char c : text) width += letter_width(c);
  return width;
}

std::string fitted(const std::string& text, double width) {
  if (text_width(text) <= width) return text;
  double used = 11;  // the dots
  size_t end = 0;
  while (end < text.size() && used + letter_width(text[end]) <= width) used += letter_width(text[end++]);
  while (end > 0 && end < text.size() && uint8_t(text[end]) >> 6 == 2) --end;
  return text.substr(0, end) + "…";
}

std::vector<double> spread(std::vector<double> heights, double apart, double low, double high) {
  std::vector<size_t> order(heights.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return heights[a] < heights[b]; });
  double least = low;
  for (const size_t i : order) {
    heights[i] = std::max(heights[i], least);
    least = heights[i] + apart;
  }
  double most = high;
  for (size_t k = order.size(); k-- > 0;) {
    heights[order[k]] = std::min(heights[order[k]], most);
    most = heights[order[k]] - apart;
  }
  return heights;
}

}  // namespace adder::report
