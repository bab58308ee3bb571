#include "framework/studies/fits.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/core/words.h"
#include "framework/studies/findings.h"

namespace adder::studies {
namespace {

using statistics::Interval;
using statistics::ScalingLaw;
using statistics::ScalingPoint;

ScalingLaw law_of(const FitConfig& fit) {
  return fit.law == "parameters" ? ScalingLaw::parameters : fit.law == "tokens" ? ScalingLaw::tokens : ScalingLaw::both;
}

bool takes(const FitConfig& fit, const Arm& arm) {
  return !arm.counts && (fit.arms.empty() || std::find(fit.arms.begin(), fit.arms.end(), arm.name) != fit.arms.end());
}

ScalingPoint sizes_of(const Arm& arm) {
  const TrainingConfig& t = arm.config.training;
  return {double(arm.parameters), double(t.steps * t.tokens_a_step()), 0};
}

// NaN where the arms have not one and the same.
double common(const std::vector<std::string>& arms, const std::map<std::string, double>& of) {
  double value = NAN;
  for (size_t i = 0; i < arms.size(); ++i) {
    const auto at = of.find(arms[i]);
    if (at == of.end() || (i > 0 && at->second != value)) return NAN;
    value = at->second;
  }
  return value;
}

JsonValue range(const Interval& i) {
  JsonValue list = JsonValue::array();
  list.push(i.low), list.push(i.high);
  return list;
}

void check_value(const StudyConfig& study, const FitConfig& fit, const Arm& arm, const std::string& where) {
  const std::vector<std::string> known = value_names(study, arm, true);
  if (std::find(known.begin(), known.end(), fit.measure) == known.end())
    throw UsageError(where + "there is no value \"" + fit.measure + "\" of trained models, of " + arm.name + (known.empty() ? "" : "; values: " + listed(known)));
}

}  // namespace

void check_fits(const StudyConfig& study, const std::vector<Arm>& arms) {
  for (const FitConfig& fit : study.fits) {
    const std::string where = fit.place.text() + ": fits: " + fit.id + ": ";
    for (const std::string& name : fit.arms) {
      const auto arm = std::find_if(arms.begin(), arms.end(), [&](const Arm& a) { return a.name == name; });
      if (arm == arms.end()) throw UsageError(where + "there is no arm \"" + name + "\"");
      if (arm->counts) throw UsageError(where + "the arm " + name + " counts the text, it has no size that a law is of");
    }
    for (const Arm& arm : arms)
      if (takes(fit, arm)) check_value(study, fit, arm, where);
    std::vector<ScalingPoint> points;
    for (const Arm& arm : arms)
      if (takes(fit, arm)) points.push_back(sizes_of(arm));
    if (const std::string lacks = statistics::lacks_for_scaling(points, law_of(fit)); !lacks.empty()) throw UsageError(where + lacks);
  }
}

std::vector<FitFinding> fits_of(const StudyPlan& plan, const Findings& f) {
  std::vector<FitFinding> list;
  for (const FitConfig& fit : plan.study.fits) {
    FitFinding finding;
    const auto samples = f.samples.find(fit.measure);
    for (const Arm& arm : plan.arms) {
      if (!takes(fit, arm)) continue;
      const auto sample = samples == f.samples.end() ? std::map<std::string, Sample>::const_iterator() : samples->second.find(arm.name);
      const bool any = samples != f.samples.end() && sample != samples->second.end();
      finding.missing += int64_t(plan.study.seeds.size()) - (any ? int64_t(sample->second.values.size()) : 0);
      if (!any) continue;
      for (const double loss : sample->second.values) {
        ScalingPoint point = sizes_of(arm);
        point.loss = loss;
        finding.points.push_back(point), finding.arms.push_back(arm.name);
      }
    }
    finding.source_loss = common(finding.arms, f.source_losses), finding.entropy_rate = common(finding.arms, f.entropy_rates);
    finding.why = statistics::lacks_for_scaling(finding.points, law_of(fit));
    for (const ScalingPoint& p : finding.points)
      if (!(p.loss > 0)) finding.why = "a value is not above 0, there is no law of it";
    if (finding.why.empty()) finding.fit = statistics::fit_scaling_law(finding.points, law_of(fit), 0.95, fit.draws, fit.huber);
    list.push_back(std::move(finding));
  }
  return list;
}

JsonValue fits_json(const StudyPlan& plan, const std::vector<FitFinding>& fits) {
  JsonValue list = JsonValue::array();
  for (size_t i = 0; i < fits.size(); ++i) {
    const FitConfig& config = plan.study.fits[i];
    const FitFinding& f = fits[i];
    JsonValue j = JsonValue::object(), points = JsonValue::array();
    j.set("id", config.id), j.set("measure", config.measure), j.set("law", config.law), j.set("runs", int64_t(f.points.size())), j.set("missing", f.missing);
    if (!f.why.empty()) {
      j.set("why", f.why);
      list.push(std::move(j));
      continue;
    }
    const statistics::ScalingConstants& c = f.fit.constants;
    j.set("E", c.floor), j.set("E_interval", range(f.fit.floor));
    if (c.a > 0) j.set("A", c.a), j.set("alpha", c.alpha), j.set("alpha_interval", range(f.fit.alpha));
    if (c.b > 0) j.set("B", c.b), j.set("beta", c.beta), j.set("beta_interval", range(f.fit.beta));
    if (std::isfinite(f.source_loss)) j.set("source_loss", f.source_loss), j.set("E_covers_source_loss", f.covers(f.source_loss));
    if (std::isfinite(f.entropy_rate)) j.set("entropy_rate", f.entropy_rate), j.set("E_covers_entropy_rate", f.covers(f.entropy_rate));
    for (size_t p = 0; p < f.points.size(); ++p) {
      JsonValue point = JsonValue::object();
      point.set("arm", f.arms[p]), point.set("parameters", f.points[p].parameters), point.set("tokens", f.points[p].tokens);
      point.set("loss", f.points[p].loss), point.set("log_residual", f.fit.residuals[p]);
      points.push(std::move(point));
    }
    j.set("points", std::move(points));
    list.push(std::move(j));
  }
  return list;
}

}  // namespace adder::studies
