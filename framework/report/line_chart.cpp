#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/report/figure.h"
#include "framework/report/frame.h"

namespace adder::report {
namespace {

void check(const LineChart& chart) {
  for (const Series& s : chart.series) {
    const bool band = !s.low.empty() || !s.high.empty();
    if (s.x.size() != s.y.size() || (band && (s.low.size() != s.x.size() || s.high.size() != s.x.size())))
      throw Error("[report] the series \"" + s.name + "\" of \"" + chart.title + "\" has " + std::to_string(s.x.size()) +
                  " x, " + std::to_string(s.y.size()) + " y and a band of " + std::to_string(s.low.size()) + " and " +
                  std::to_string(s.high.size()));
  }
}

struct Ranges {
  std::pair<double, double> x, y;
};

Ranges ranges_of(const std::vector<LineChart>& charts) {
  Extent x(charts[0].x), y(charts[0].y);
  for (const LineChart& chart : charts) {
    for (const Series& s : chart.series) x.add(s.x), y.add(s.y), y.add(s.low), y.add(s.high);
    for (const Reference& r : chart.references) y.add(r.y);
  }
  return {x.range(), y.range()};
}

struct Drawing {
  Svg& svg;
  const Frame& f;
  const Scale &x, &y;
  int missing = 0;

  void band(const Series& s, const std::string& classes) {
    std::vector<Point> outline;
    for (size_t i = 0; i < s.low.size(); ++i)
      if (x.has_place_for(s.x[i]) && std::isfinite(s.low[i])) outline.push_back({x(s.x[i]), height(s.low[i])});
    for (size_t i = s.high.size(); i-- > 0;)
      if (x.has_place_for(s.x[i]) && std::isfinite(s.high[i])) outline.push_back({x(s.x[i]), height(s.high[i])});
    svg.area(outline, "band " + classes);
  }
  // What lies beyond a range, or at 0 of a logarithmic axis, is drawn at its edge.
  double height(double v) const { return v > 0 || y.has_place_for(v) ? y(v) : f.y0(); }

  // A line breaks where a value has no place.
  std::vector<Point> line(const Series& s, const std::string& classes, char marker) {
    std::vector<Point> part, all;
    for (size_t i = 0; i <= s.x.size(); ++i) {
      if (i < s.x.size() && x.has_place_for(s.x[i]) && y.has_place_for(s.y[i])) {
        part.push_back({x(s.x[i]), y(s.y[i])});
        continue;
      }
      missing += i < s.x.size();
      if (s.line) svg.path(part, std::string(s.faint ? "faint " : "") + "line " + classes);
      if (s.markers) for (const Point& p : part) svg.marker(marker, p, "mark " + classes);
      if (!s.line && !s.markers) for (const Point& p : part) svg.marker('o', p, "mark " + classes);
      all.insert(all.end(), part.begin(), part.end());
      part.clear();
    }
    return all;
  }
};

Table data_of(const LineChart& chart) {
  Table table;
  table.heads = {"series", chart.x.label, chart.y.label};
  bool bands = false;
  for (const Series& s : chart.series) bands = bands || !s.low.empty();
  if (bands) table.heads.insert(table.heads.end(), {"low", "high"});
  for (const Series& s : chart.series)
    for (size_t i = 0; i < s.x.size(); ++i) {
      table.rows.push_back({s.name, shown(s.x[i], 6), shown(s.y[i])});
      if (!bands) continue;
      const bool has = !s.low.empty();
      table.rows.back().insert(table.rows.back().end(), {has ? shown(s.low[i]) : "", has ? shown(s.high[i]) : ""});
    }
  return table;
}

Figure draw_within(const LineChart& chart, const Palette& palette, const Ranges& ranges, Frame f) {
  check(chart);
  double widest = 0;
  for (const Series& s : chart.series) widest = s.faint ? widest : std::max(widest, text_width(s.name));
  for (const Reference& r : chart.references) widest = std::max(widest, text_width(r.label));
  f.right = 12 + std::min(widest, kWidestLabel);
  Svg svg(f.width, f.height, chart.title, chart.description);
  const Scale x(chart.x, ranges.x, f.x0(), f.x1()), y(chart.y, ranges.y, f.y0(), f.y1());
  draw_x_axis(svg, f, chart.x, x);
  draw_y_axis(svg, f, chart.y, y);

  Drawing drawing{svg, f, x, y};
  struct Label {
    std::string text, classes;
    double height;
  };
  std::vector<Label> labels;
  for (const Reference& r : chart.references) {
    if (!y.has_place_for(r.y)) continue;
    svg.line({f.x0(), y(r.y)}, {f.x1(), y(r.y)}, "reference");
    labels.push_back({r.label, "label", y(r.y)});
  }
  for (const Series& s : chart.series)
    if (!s.low.empty()) drawing.band(s, palette.classes(s.name));
  for (const Series& s : chart.series) {
    const auto points = drawing.line(s, palette.classes(s.name), palette.marker(s.name));
    if (!s.faint && !points.empty())
      labels.push_back({s.name, "label " + palette.classes(s.name), points.back().y});
  }
  std::vector<double> heights;
  for (const Label& label : labels) heights.push_back(label.height);
  heights = spread(heights, 11, f.y1() + 4, f.y0());
  for (size_t i = 0; i < labels.size(); ++i)
    svg.text({f.x1() + 5, heights[i] + 3.5}, fitted(labels[i].text, kWidestLabel), "start", labels[i].classes);

  Figure figure{svg.finish(), chart.title, chart.description, data_of(chart)};
  if (drawing.missing)
    figure.caption += " Not drawn: " + std::to_string(drawing.missing) +
                      (drawing.missing == 1 ? " value" : " values") + " without a place on these axes.";
  return figure;
}

}  // namespace

Figure draw(const LineChart& chart, const Palette& palette) {
  return draw_within(chart, palette, ranges_of({chart}), {.width = 640, .height = 320});
}

std::vector<Figure> draw_together(std::vector<LineChart> charts, const Palette& palette) {
  std::vector<Figure> figures;
  if (charts.empty()) return figures;
  const Ranges ranges = ranges_of(charts);
  for (const LineChart& chart : charts) figures.push_back(draw_within(chart, palette, ranges, {}));
  return figures;
}

Series ecdf(const std::string& name, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  Series s;
  s.name = name;
  for (size_t i = 0; i < values.size(); ++i) {
    s.x.insert(s.x.end(), {values[i], values[i]});
    s.y.insert(s.y.end(), {double(i) / double(values.size()), double(i + 1) / double(values.size())});
  }
  return s;
}

}  // namespace adder::report
