#include <algorithm>
#include <cmath>

#include "framework/gradient_lab/coordinates.h"
#include "framework/gradient_lab/magnitude.h"
#include "framework/report/page.h"

namespace adder::lab {
namespace {

using report::Tone;

std::string after(int64_t steps) {
  return steps == 0 ? "at the start" : "after " + std::to_string(steps) + (steps == 1 ? " step" : " steps");
}

std::string series_name(int64_t step) { return "step " + std::to_string(step); }

// Means over the seeds by width, the band from the least to the largest.
report::Series series_of(const CoordinateFit& fit, const std::vector<int64_t>& widths) {
  report::Series s{series_name(fit.step), {}, {}};
  s.markers = true;
  for (size_t w = 0; w < widths.size(); ++w) {
    s.x.push_back(double(widths[w])), s.y.push_back(fit.mean(w));
    s.low.push_back(*std::min_element(fit.sizes[w].begin(), fit.sizes[w].end()));
    s.high.push_back(*std::max_element(fit.sizes[w].begin(), fit.sizes[w].end()));
  }
  return s;
}

std::vector<report::LineChart> charts(const Coordinates& c) {
  std::vector<report::LineChart> list;
  for (const CoordinateFit& fit : c.fits) {
    if (!fit.judged) continue;
    const std::string title = fit.change ? "The change of " + fit.place + " since the start" : fit.place;
    if (list.empty() || list.back().title != title)
      list.push_back({title, "The mean absolute value, means of the seeds; the band spans them. Level lines: no effect of the width.",
                      {"d_model", true}, {"mean |x|", true}, {}});
    list.back().series.push_back(series_of(fit, c.options.widths));
  }
  return list;
}

report::Table fit_table(const Coordinates& c) {
  report::Table table{{"place", "of", "after steps", "slope", "95 % interval", "verdict"}, {}, 2};
  for (const CoordinateFit& fit : c.fits)
    table.rows.push_back({fit.place, fit.change ? "change" : "size", std::to_string(fit.step), rounded(fit.slope, 2),
                          "[" + rounded(fit.low, 2) + ", " + rounded(fit.high, 2) + "]",
                          !fit.judged ? "not judged" : fit.within() ? "pass" : "fail"});
  return table;
}

report::Palette palette_of(const Coordinates& c) {
  std::vector<std::string> names;
  for (int64_t step = 0; step <= c.options.steps; ++step) names.push_back(series_name(step));
  return report::Palette(names);
}

}  // namespace

std::string shown(const CoordinateFit& fit) {
  return (fit.change ? "the change of " : "") + fit.place + " " + after(fit.step) + " goes as width^" + rounded(fit.slope, 2) + " [" +
         rounded(fit.low, 2) + ", " + rounded(fit.high, 2) + "]";
}

std::string headline(const Coordinates& c) {
  return std::string(c.passed() ? "pass" : "fail") + ": " + shown(c.worst()) + (c.passed() ? ", the farthest from 0" : "") +
         "; the bound is " + rounded(kSlopeBound, 2);
}

void write_coordinate_page(const std::string& path, const Coordinates& c,
                           const std::vector<std::pair<std::string, std::string>>& facts, const std::string& command) {
  const report::Palette palette = palette_of(c);
  report::Page page("Does the width change what a step does?", "adder probe --coordinates", palette);
  page.verdict(c.passed() ? Tone::good : Tone::bad, headline(c), std::to_string(c.options.widths.size()) + " widths, " +
               std::to_string(c.options.seeds) + " seeds each", "One batch, trained on over and over; other texts and later steps may differ.");
  page.figures(report::draw_together(charts(c), palette));
  page.table(fit_table(c), "Slopes of log(mean |x|) over log(d_model) by least squares, each model a point. Judged: the size of each block's output, and the change of the logits.");
  page.heading("What was trained");
  page.facts(facts);
  page.command(command);
  report::write_page(path, page);
}

}  // namespace adder::lab
