// What a study found, as JSON and CSV.
#include "framework/studies/findings.h"

namespace adder::studies {
namespace {

JsonValue claim_json(const ClaimConfig& c, const Verdict& v) {
  JsonValue j = JsonValue::object();
  j.set("id", c.id), j.set("statement", c.statement), j.set("test", c.text()), j.set("verdict", name(v.answer));
  j.set("effect", v.effect), j.set("low", v.low), j.set("high", v.high), j.set("confidence", v.confidence);
  j.set("n", v.n), j.set("failed", v.failed), j.set("p", v.p), j.set("sign_flip_p", v.sign_flip), j.set("method", v.method);
  if (v.never) j.set("never", v.never);
  if (!v.why.empty()) j.set("why", v.why);
  if (v.needed) j.set("would_decide", v.needed);
  j.set("each", JsonValue::array(v.each));
  return j;
}

}  // namespace

JsonValue to_json(const StudyPlan& plan, const Findings& o) {
  JsonValue j = JsonValue::object(), arms = JsonValue::array(), claims = JsonValue::array(), values = JsonValue::object();
  j.set("study", plan.study.name), j.set("question", plan.study.question), j.set("form", plan.study.is_full ? "full" : "small");
  j.set("missing", o.missing);
  for (const Arm& arm : plan.arms) {
    JsonValue a = JsonValue::object();
    a.set("name", arm.name), a.set("parameters", arm.all_parameters), a.set("non_embedding_parameters", arm.parameters);
    a.set("flops_a_token", arm.flops), a.set("state_bytes", arm.state_bytes);
    if (!arm.note.empty()) a.set("matched", arm.note);
    if (!arm.paces.empty()) a.set("seconds_a_token", JsonValue::array(arm.paces));
    arms.push(std::move(a));
  }
  for (size_t i = 0; i < plan.study.claims.size(); ++i) claims.push(claim_json(plan.study.claims[i], o.verdicts[i]));
  for (const std::string& value : o.values) {
    const auto samples = o.samples.find(value);
    if (samples == o.samples.end()) continue;
    JsonValue by_arm = JsonValue::object();
    for (const Arm& arm : plan.arms) {
      const auto s = samples->second.find(arm.name);
      if (s == samples->second.end()) continue;
      const Summary summary = summary_of(s->second, o.reading_of.at(value));
      JsonValue a = JsonValue::object();
      a.set(o.reading_of.at(value).waiting ? "median" : "mean", summary.mean), a.set("low", summary.low), a.set("high", summary.high), a.set("n", int64_t(s->second.values.size()));
      a.set("deviation", statistics::deviation(s->second.values)), a.set("failed", s->second.failed), a.set("each", JsonValue::array(s->second.values));
      if (!s->second.at_least.empty()) a.set("never_but_at_least", JsonValue::array(s->second.at_least));
      by_arm.set(arm.name, std::move(a));
    }
    values.set(value, std::move(by_arm));
  }
  JsonValue noise = JsonValue::object();
  for (const NoiseFloor& floor : noise_floors(plan, o)) {
    JsonValue n = JsonValue::object(), by_arm = JsonValue::object();
    for (const auto& [arm, deviation] : floor.deviations) by_arm.set(arm, deviation);
    n.set("seeds", floor.seeds), n.set("deviation", std::move(by_arm)), n.set("detectable_difference", floor.detectable);
    noise.set(floor.value, std::move(n));
  }
  j.set("arms", std::move(arms)), j.set("noise_floor", std::move(noise)), j.set("claims", std::move(claims)), j.set("values", std::move(values));
  if (plan.study.sweep.given()) {
    JsonValue sweep = JsonValue::object();
    for (const auto& [arm, values] : o.trials) {
      JsonValue list = JsonValue::array();
      for (const auto& [value, sample] : values) {
        JsonValue trial = JsonValue::object();
        trial.set("value", value), trial.set("validation_loss", JsonValue::array(sample.values)), trial.set("failed", sample.failed);
        list.push(std::move(trial));
      }
      sweep.set(arm, std::move(list));
    }
    j.set("sweep", std::move(sweep));
  }
  if (!o.fits.empty()) j.set("fits", fits_json(plan, o.fits));
  JsonValue failures = JsonValue::array(), text = JsonValue::object();
  for (const std::string& f : o.failures) failures.push(f);
  for (const auto& [pair, i] : o.text_intervals) text.set(pair, JsonValue::array(std::vector<double>{i.low, i.high}));
  j.set("failures", std::move(failures)), j.set("text_bootstrap", std::move(text));
  return j;
}

std::string to_csv(const std::vector<StudyPlan>& plans, const std::vector<Findings>& all) {
  const auto cell = [](const std::string& text) {
    std::string quoted = "\"";
    for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
    return quoted + "\"";
  };
  std::string csv = "study,value,unit,arm,seed_or_round,number,at_least\n";  // at_least 1: the run never got there, it had come so far
  for (size_t p = 0; p < plans.size(); ++p)
    for (const std::string& value : all[p].values) {
      const auto samples = all[p].samples.find(value);
      if (samples == all[p].samples.end()) continue;
      for (const auto& [arm, sample] : samples->second) {
        const auto row = [&, &arm = arm](int64_t key, double number, const char* at_least) {
          csv += cell(plans[p].study.name) + "," + cell(value) + "," + cell(all[p].units.at(value)) + "," + cell(arm) + "," + std::to_string(key) + "," +
                 dump(JsonValue(number)) + at_least;
        };
        for (size_t i = 0; i < sample.values.size(); ++i) row(sample.keys[i], sample.values[i], ",0\n");
        for (size_t i = 0; i < sample.at_least.size(); ++i) row(sample.waiting_keys[i], sample.at_least[i], ",1\n");
      }
    }
  return csv;
}

}  // namespace adder::studies
