// What a report shows of a scaling law.
#include <algorithm>
#include <cmath>

#include "framework/studies/findings.h"
#include "framework/studies/fits.h"
#include "framework/studies/study_page.h"

namespace adder::studies {
namespace {

std::string with_range(double value, const statistics::Interval& i) {
  return shown_number(value) + " [" + shown_number(i.low) + ", " + shown_number(i.high) + "]";
}

std::string truth(const FitFinding& f, double value) {
  return std::isfinite(value) ? shown_number(value) + (f.covers(value) ? ", covered" : ", NOT covered") : "";
}

// Each run by its arm: its loss with the law's floor, or what the law leaves of it, against the size that the law is of.
report::LineChart chart_of(const StudyPlan& plan, const FitConfig& config, const FitFinding& f, bool residuals) {
  const bool by_tokens = config.law == "tokens";
  report::LineChart chart{config.id + ": " + (residuals ? "residuals" : config.measure), residuals ? "Each run's loss over the fitted law's, in percent." : "Each run, and the fitted floor.",
                          {by_tokens ? "tokens of training" : "parameters outside embedding and head", true}, {residuals ? "% of the law" : "nats a token"}, {}};
  chart.references.push_back(residuals ? report::Reference{"the law", 0} : report::Reference{"fitted floor E", f.fit.constants.floor});
  if (!residuals && std::isfinite(f.source_loss)) chart.references.push_back({"the source's own loss", f.source_loss});
  for (const Arm& arm : plan.arms) {
    report::Series runs{arm.name, {}, {}};
    runs.line = false, runs.markers = true;
    for (size_t p = 0; p < f.points.size(); ++p) {
      if (f.arms[p] != arm.name) continue;
      runs.x.push_back(by_tokens ? f.points[p].tokens : f.points[p].parameters);
      runs.y.push_back(residuals ? 100 * std::expm1(f.fit.residuals[p]) : f.points[p].loss);
    }
    if (!runs.x.empty()) chart.series.push_back(std::move(runs));
  }
  return chart;
}

}  // namespace

void fit_part(report::Page& page, const StudyPlan& plan, const std::vector<FitFinding>& fits, const report::Palette& palette) {
  if (fits.empty()) return;
  report::Table table{{"fit", "law", "runs", "E", "alpha", "beta", "largest residual", "source's loss on these tokens", "entropy rate", "remarks"}, {}, 2};
  std::vector<report::Figure> figures;
  for (size_t i = 0; i < fits.size(); ++i) {
    const FitConfig& config = plan.study.fits[i];
    const FitFinding& f = fits[i];
    std::string remarks = f.why;
    if (f.missing) remarks += (remarks.empty() ? "" : "; ") + std::to_string(f.missing) + " runs without a value";
    std::vector<std::string> row = {config.id, config.law == "both" ? "E + A N^-alpha + B D^-beta" : config.law == "tokens" ? "E + B D^-beta" : "E + A N^-alpha", std::to_string(f.points.size())};
    if (f.why.empty()) {
      const statistics::ScalingConstants& c = f.fit.constants;
      double residual = 0;
      for (const double r : f.fit.residuals) residual = std::max(residual, std::abs(r));
      for (const std::string& cell : {with_range(c.floor, f.fit.floor), c.a > 0 ? with_range(c.alpha, f.fit.alpha) : "", c.b > 0 ? with_range(c.beta, f.fit.beta) : "",
                                      shown_number(100 * residual) + " %", truth(f, f.source_loss), truth(f, f.entropy_rate)})
        row.push_back(cell);
      for (const bool residuals : {false, true}) figures.push_back(draw(chart_of(plan, config, f, residuals), palette));
    }
    row.resize(9), row.push_back(remarks);
    table.rows.push_back(std::move(row));
  }
  page.table(table, "Scaling laws (Hoffmann et al., 2022, approach 3): Huber loss on the logarithm; in brackets the 95 % bootstrap over runs. Nothing is claimed beyond the sizes that were run.");
  if (!figures.empty()) page.figures(figures);
}

}  // namespace adder::studies
