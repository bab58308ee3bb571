#include "framework/gradient_lab/curse_page.h"

#include <algorithm>
#include <cmath>

#include "framework/report/page.h"
#include "framework/report/svg.h"

namespace adder::lab {
namespace {

constexpr size_t kCount = std::size(kParametrisations);
constexpr double kWithin = 0.02;

double memory(const CursePoint& p) { return 1 / (1 - p.lambda); }
double miss(const CursePoint& p, size_t i) { return p.measured[i].mean / p.formula[i] - 1; }

std::string percent(double share) { return report::shown(100 * share, 2) + " %"; }

// How the root mean square grows from the last doubling of the memory to the next.
double power(const std::vector<CursePoint>& points, size_t i) {
  const CursePoint &a = points[points.size() - 2], &b = points.back();
  return 0.5 * std::log(b.formula[i] / a.formula[i]) / std::log(memory(b) / memory(a));
}

}  // namespace

std::vector<CursePoint> measure_curse(double rho, int64_t samples, uint64_t seed) {
  std::vector<CursePoint> points;
  for (int64_t m = 2; m <= 512; m *= 2) {
    CursePoint p{1 - 1 / double(m), {}, {}};
    p.measured = measure_sensitivity(p.lambda, rho, samples, seed + uint64_t(m));
    for (const Parametrisation way : kParametrisations) p.formula.push_back(sensitivity_formula(way, p.lambda, rho));
    points.push_back(p);
  }
  return points;
}

report::Palette curse_palette() {
  std::vector<std::string> names;
  for (const Parametrisation p : kParametrisations) names.push_back(name(p));
  return report::Palette(names);
}

report::Figure curse_figure(const std::vector<CursePoint>& points, double rho) {
  report::LineChart chart{"The curse of memory",
                          "Root mean square of d output / d parameter in h_t = lambda h_(t-1) + x_t against the memory. Lines: the "
                          "formula of Zucchet and Orvieto; markers: measured through the LRU's scan. Inputs of autocorrelation " +
                              report::shown(rho, 3) + "^D.",
                          {.label = "memory 1 / (1 - lambda), steps", .log = true},
                          {.label = "root mean square of d output / d parameter", .log = true},
                          {}};
  for (size_t i = 0; i < kCount; ++i) {
    report::Series line{name(kParametrisations[i]), {}, {}}, marks = line;
    for (const CursePoint& p : points) {
      line.x.push_back(memory(p)), line.y.push_back(std::sqrt(p.formula[i]));
      marks.x.push_back(memory(p)), marks.y.push_back(std::sqrt(p.measured[i].mean));
    }
    marks.line = false, marks.markers = true, marks.faint = true;
    chart.series.push_back(line), chart.series.push_back(marks);
  }
  return draw(chart, curse_palette());
}

report::Table curse_table(const std::vector<CursePoint>& points) {
  report::Table table{{"memory"}, {}, 0};
  for (const Parametrisation p : kParametrisations) table.heads.push_back(name(p)), table.heads.push_back("off the formula");
  for (const CursePoint& p : points) {
    table.rows.push_back({report::shown(memory(p))});
    for (size_t i = 0; i < kCount; ++i) {
      table.rows.back().push_back(report::shown(std::sqrt(p.measured[i].mean)));
      table.rows.back().push_back(percent(miss(p, i)));
    }
  }
  return table;
}

double worst_miss(const std::vector<CursePoint>& points) {
  double worst = 0;
  for (const CursePoint& p : points)
    for (size_t i = 0; i < kCount; ++i) worst = std::max(worst, std::abs(miss(p, i)));
  return worst;
}

void write_curse_page(const std::string& path, const std::vector<CursePoint>& points, double rho, const std::string& command) {
  const double worst = worst_miss(points);
  report::Page page("The curse of memory", "adder probe", curse_palette());
  page.verdict(worst <= kWithin ? report::Tone::good : report::Tone::bad,
               "Without any gradient that vanishes or explodes, a recurrence feels its parameter the more, the longer it remembers",
               "the mean squares that were measured miss the formula by at most " + percent(worst),
               "Zucchet and Orvieto (2024), \"Recurrent neural networks: vanishing and exploding gradients are not the end of the story\".");
  page.figure(curse_figure(points, rho));
  std::vector<std::string> items;
  for (size_t i = 0; i < kCount; ++i)
    items.push_back(name(kParametrisations[i]) + ": grows as the memory to the power " + report::shown(power(points, i), 3));
  page.points(items);
  page.table(curse_table(points), "Root mean squares; the difference of the mean squares from the formula.");
  page.command(command);
  report::write_page(path, page);
}

}  // namespace adder::lab
