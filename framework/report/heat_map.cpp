#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/report/figure.h"
#include "framework/report/frame.h"

namespace adder::report {
namespace {

// Where column i begins and ends: half way to its neighbours, on the axis's own scale.
std::vector<double> borders(const std::vector<double>& columns, bool log) {
  const auto between = [&](double a, double b) { return log ? std::sqrt(a * b) : (a + b) / 2; };
  const auto beyond = [&](double edge, double inner) { return log ? edge * edge / inner : 2 * edge - inner; };
  std::vector<double> edges;
  const size_t n = columns.size();
  for (size_t i = 1; i < n; ++i) edges.push_back(between(columns[i - 1], columns[i]));
  edges.insert(edges.begin(), n > 1 ? beyond(columns[0], edges[0]) : (log ? columns[0] / 2 : columns[0] - 0.5));
  if (!log && columns[0] >= 0) edges[0] = std::max(edges[0], 0.0);  // no step is below 0
  edges.push_back(n > 1 ? beyond(columns[n - 1], edges.back()) : (log ? columns[0] * 2 : columns[0] + 0.5));
  return edges;
}

void draw_scale(Svg& svg, const Frame& f, const HeatMap& map, const Scale& scale) {
  constexpr int kSteps = 24;
  const double width = 10, left = f.x1() + 14, step = (f.y0() - f.y1()) / kSteps;
  for (int i = 0; i < kSteps; ++i) svg.cell({left, f.y0() - step * (i + 1)}, width, step + 0.3, (i + 0.5) / kSteps);
  for (const Tick& tick : scale.ticks())
    if (!tick.label.empty())
      svg.text({left + width + 4, f.y0() - scale(tick.value) * (f.y0() - f.y1()) + 3.5}, tick.label, "start", "tick");
  svg.text({f.width - 6, (f.y0() + f.y1()) / 2}, map.value.label, "middle", "", true);
}

}  // namespace

Figure draw(const HeatMap& map) {
  if (map.columns.empty() || map.values.size() != map.rows.size())
    throw Error("[report] the heat map \"" + map.title + "\" has " + std::to_string(map.values.size()) + " rows of values, expected " +
                std::to_string(map.rows.size()) + ", and at least one column");
  constexpr double kRow = 18;
  Frame f;
  double widest = 7;
  for (const std::string& row : map.rows) widest = std::max(widest, text_width(row));
  f.width = 640, f.left = 12 + std::min(widest, 1.5 * kWidestLabel), f.right = 90;
  f.height = f.top + f.bottom + std::max(90.0, kRow * double(map.rows.size()));
  const double row_height = (f.y0() - f.y1()) / double(map.rows.size());
  Extent values(map.value);
  for (const auto& row : map.values) values.add(row);
  const Scale share(map.value, values.tight_range(), 0, 1);
  const std::vector<double> edges = borders(map.columns, map.x.log);
  const Scale x(map.x, {edges.front(), edges.back()}, f.x0(), f.x1());

  Svg svg(f.width, f.height, map.title, map.description);
  Figure figure{"", map.title, map.description, {{""}, {}}};
  for (const double c : map.columns) figure.data.heads.push_back(shown(c, 6));
  for (size_t r = 0; r < map.rows.size(); ++r) {
    const double y = f.y1() + row_height * double(r);
    if (map.values[r].size() != map.columns.size())
      throw Error("[report] row \"" + map.rows[r] + "\" of \"" + map.title + "\" has " + std::to_string(map.values[r].size()) +
                  " values, expected " + std::to_string(map.columns.size()));
    figure.data.rows.push_back({map.rows[r]});
    for (size_t c = 0; c < map.columns.size(); ++c) {
      const double v = map.values[r][c], left = x(edges[c]);
      const bool placed = std::isfinite(v) && (!map.value.log || v > 0);
      svg.cell({left, y}, x(edges[c + 1]) - left + 0.2, row_height + 0.2, placed ? share(v) : -1);
      figure.data.rows.back().push_back(shown(v, 3));
    }
    svg.text({f.x0() - 5, y + row_height / 2 + 3.5}, fitted(map.rows[r], 1.5 * kWidestLabel), "end", "tick");
  }
  draw_x_axis(svg, f, map.x, x);
  draw_scale(svg, f, map, share);
  figure.svg = svg.finish();
  return figure;
}

}  // namespace adder::report
