#include <algorithm>
#include <cmath>

#include "framework/gradient_lab/magnitude.h"
#include "framework/gradient_lab/probe_report.h"
#include "framework/gradient_lab/step_probe.h"
#include "framework/report/page.h"

namespace adder::lab {
namespace {

using report::Tone;

constexpr char kLoss[] = "loss", kFit[] = "fitted parabola", kRows[] = "rows";

std::string shown(double x) { return std::isnan(x) ? "none" : rounded(x, 4); }

report::LineChart line_chart(const StepProbe& p) {
  report::LineChart chart{"The loss along the step",
                          "0 is before the step, 1 after it; the same batch all along. The parabola is fitted to loss and slope at both ends. 13 forward passes.",
                          {"position (steps)"}, {"loss"}, {}};
  report::Series loss{kLoss, {}, {}}, fit{kFit, {}, {}};
  for (const LinePoint& point : p.line) {
    loss.x.push_back(point.position), loss.y.push_back(point.loss);
    fit.x.push_back(point.position), fit.y.push_back(p.parabola.at(point.position));
  }
  loss.markers = true;
  chart.series = {loss, fit};
  return chart;
}

report::LineChart row_chart(const StepProbe& p) {
  return {"How far the rows agree",
          "Each row's gradient along the batch's, as a share of the batch's: their mean is 1; rows below 0 pull the other way. Share of rows at or below. One backward pass a row.",
          {"g_n . G / |G|^2"}, {"share of rows"}, {report::ecdf(kRows, p.rows.projections)}};
}

report::Histogram histogram(const std::string& title, const std::string& description, const std::string& axis, const Histogram& h) {
  report::Histogram chart{title, description, {axis, true}, {}, {}};
  int first = 0, last = Histogram::kBins - 1;
  while (first < last && h.counts[size_t(first)] == 0) ++first;
  while (last > first && h.counts[size_t(last)] == 0) --last;
  for (int i = first; i <= last; ++i) chart.edges.push_back(Histogram::edge(i)), chart.counts.push_back(double(h.counts[size_t(i)]));
  chart.edges.push_back(Histogram::edge(last + 1));
  if (h.counts[0] > 0) chart.description += " The leftmost bin holds what is smaller, too, and 0.";
  return chart;
}

report::Table measure_table(const std::vector<StepMeasure>& measures) {
  report::Table table{{"measure", "what it says", "after", "cost", "value"}, {}, 4};
  for (const StepMeasure& m : measures) table.rows.push_back({m.name, m.meaning, m.source, m.cost, shown(m.value)});
  return table;
}

}  // namespace

void write_step_page(const std::string& path, const StepProbe& p, const ProbeSubject& subject) {
  const report::Palette palette({kLoss, kFit, kRows});
  const std::vector<StepMeasure> measures = step_measures(p);
  report::Page page(subject.title, "adder probe --step", palette);
  const auto alpha = std::find_if(measures.begin(), measures.end(), [](const StepMeasure& m) { return m.key == "alpha"; });
  page.verdict(Tone::plain, alpha->meaning, "step length alpha " + shown(p.alpha),
               "One step of one batch of " + std::to_string(p.rows.rows) + " rows: another batch has other figures. In float64, without dropout and z-loss but in the step itself.");
  page.table(measure_table(measures), "Cost: a row is one backward pass of that row alone; a Hessian product is two backward passes of the batch.");
  if (!p.line.empty()) page.figure(draw(line_chart(p), palette));
  page.figure(draw(row_chart(p), palette));
  page.figures({draw(histogram("Gradients", "Of all parameters, by size; no further cost.", "|gradient|", p.gradients)),
                draw(histogram("Parameters", "Of all of them, by size; no further cost.", "|weight|", p.parameters))});
  page.heading("What was probed");
  page.facts(subject.facts);
  page.command(subject.command);
  report::write_page(path, page);
}

}  // namespace adder::lab
