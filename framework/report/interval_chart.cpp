#include <algorithm>
#include <cmath>

#include "framework/report/figure.h"
#include "framework/report/frame.h"

namespace adder::report {

Figure draw(const IntervalChart& chart, const Palette& palette) {
  constexpr double kRow = 22;
  Frame f;
  double widest = 24;
  for (const Estimate& e : chart.rows) widest = std::max(widest, text_width(e.name));
  f.width = 560, f.left = 12 + std::min(widest, 1.5 * kWidestLabel), f.top = 8 + 13 * double(chart.references.size());
  f.height = f.top + f.bottom + kRow * double(chart.rows.size());
  Extent extent(chart.axis);
  for (const Estimate& e : chart.rows) extent.add({e.value, e.low, e.high}), extent.add(e.points);
  for (const Reference& r : chart.references) extent.add(r.y);
  Svg svg(f.width, f.height, chart.title, chart.description);
  const Scale x(chart.axis, extent.range(), f.x0(), f.x1());
  draw_x_axis(svg, f, chart.axis, x);
  double label = f.y1();
  for (const Reference& r : chart.references) {
    label -= 13;  // a line of its own for each
    if (!x.has_place_for(r.y)) continue;
    svg.line({x(r.y), f.y0()}, {x(r.y), label + 8}, "reference");
    svg.text({x(r.y) + (x(r.y) > f.width / 2 ? -4 : 4), label + 9}, r.label, x(r.y) > f.width / 2 ? "end" : "start", "label");
  }
  Figure figure{"", chart.title, chart.description, {{"", chart.axis.label, "low", "high", "each"}, {}}};
  for (size_t i = 0; i < chart.rows.size(); ++i) {
    const Estimate& e = chart.rows[i];
    const double y = f.y1() + kRow * (double(i) + 0.5);
    svg.text({f.x0() - 6, y + 3.5}, fitted(e.name, 1.5 * kWidestLabel), "end");
    const bool named = palette.has(e.name);
    const std::string classes = named ? palette.classes(e.name) : "c0";
    std::string each;
    for (const double p : e.points) {
      each += (each.empty() ? "" : ", ") + shown(p);
      if (x.has_place_for(p)) svg.marker('o', {x(p), y}, "faint mark " + classes);
    }
    if (e.failed || !std::isfinite(e.value)) svg.text({f.x0() + 6, y + 3.5}, "failed", "start", "failed " + classes);
    else if (x.has_place_for(e.value)) {
      if (std::isfinite(e.low) && std::isfinite(e.high)) svg.line({x(e.low), y}, {x(e.high), y}, "interval " + classes);
      svg.marker(named ? palette.marker(e.name) : 'd', {x(e.value), y}, "mark " + classes);
    }
    figure.data.rows.push_back({e.name, e.failed ? "failed" : shown(e.value), shown(e.low), shown(e.high), each});
  }
  figure.svg = svg.finish();
  return figure;
}

Figure draw(const Histogram& chart) {
  Frame f;
  const Axis count{"count", false, {}};
  Extent x_extent(chart.x), y_extent(count);
  x_extent.add(chart.edges), y_extent.add(0), y_extent.add(chart.counts);
  Svg svg(f.width, f.height, chart.title, chart.description);
  const Scale x(chart.x, {chart.edges.front(), chart.edges.back()}, f.x0(), f.x1());
  const Scale y(count, {0, std::max(1.0, y_extent.range().second)}, f.y0(), f.y1());
  draw_x_axis(svg, f, chart.x, x);
  draw_y_axis(svg, f, count, y);
  Figure figure{"", chart.title, chart.description, {{"from", "to", "count"}, {}, 0}};
  for (size_t i = 0; i < chart.counts.size(); ++i) {
    const double left = x(chart.edges[i]), right = x(chart.edges[i + 1]), top = y(chart.counts[i]);
    svg.rect({left, top}, std::max(0.5, right - left - 0.5), f.y0() - top, "bar c0");
    figure.data.rows.push_back({shown(chart.edges[i]), shown(chart.edges[i + 1]), shown(chart.counts[i], 9)});
  }
  figure.svg = svg.finish();
  return figure;
}

}  // namespace adder::report
