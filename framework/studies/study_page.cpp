#include "framework/studies/study_page.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "framework/studies/study_folder.h"

namespace adder::studies {
namespace {

using report::Tone;

std::vector<std::string> arm_names(const StudySet& set) {
  std::vector<std::string> names;
  for (const StudyPlan& plan : set.plans)
    for (const Arm& arm : plan.arms)
      if (std::find(names.begin(), names.end(), arm.name) == names.end()) names.push_back(arm.name);
  return names;
}

Tone tone_of(Answer answer) {
  return answer == Answer::supported ? Tone::good : answer == Answer::refuted ? Tone::bad : Tone::open;
}

std::string counted(int64_t n, const std::string& word) { return std::to_string(n) + " " + word + (n == 1 ? "" : "s"); }

// ---- the first screen -------------------------------------------------------------------------------------

// Those that a reader would want to know of first.
std::string not_supported(const StudySet& set, const std::vector<Findings>& all) {
  std::string text;
  for (const Answer answer : {Answer::refuted, Answer::undecided}) {
    std::string list;
    for (size_t p = 0; p < all.size(); ++p)
      for (size_t i = 0; i < all[p].verdicts.size(); ++i)
        if (all[p].verdicts[i].answer == answer) list += (list.empty() ? "" : "; ") + set.plans[p].study.claims[i].statement;
    if (!list.empty()) text += (text.empty() ? "" : ". ") + std::string(answer == Answer::refuted ? "Refuted: " : "Undecided: ") + list;
  }
  return text.empty() ? "all of them supported" : text + ".";
}

void first_screen(report::Page& page, const StudySet& set, const std::vector<Findings>& all) {
  std::map<Answer, int64_t> count;
  int64_t claims = 0, missing = 0;
  const ClaimConfig* only = nullptr;
  const Verdict* verdict = nullptr;
  for (size_t p = 0; p < all.size(); ++p) {
    missing += all[p].missing;
    for (size_t i = 0; i < all[p].verdicts.size(); ++i)
      ++claims, ++count[all[p].verdicts[i].answer], only = &set.plans[p].study.claims[i], verdict = &all[p].verdicts[i];
  }
  const std::string unfinished = missing ? counted(missing, "run") + " missing: this is a part. " : "";
  const std::string form = unfinished + (set.full ? "The full form." : "The small form: short runs, small models; --full is the one to quote.");
  if (claims == 1)
    page.verdict(tone_of(verdict->answer), name(verdict->answer) + ": " + only->statement, only->text() + ": " + shown_effect(*verdict),
                 "n = " + std::to_string(verdict->n) + (verdict->why.empty() ? "" : "; " + verdict->why) + ". " + form);
  else if (claims > 1)
    page.verdict(missing || count[Answer::undecided] ? Tone::open : Tone::plain,
                 counted(count[Answer::supported], "claim") + " supported, " + std::to_string(count[Answer::refuted]) + " refuted, " +
                     std::to_string(count[Answer::undecided]) + " undecided",
                 not_supported(set, all), form);
  else
    page.verdict(Tone::plain, "no claim was stated", "what was measured follows", form);
}

// What failed of the checklist, once for all studies that it is true of, then what the studies themselves say.
std::vector<std::string> doubts(const StudySet& set, const std::vector<Findings>& all) {
  std::vector<std::pair<std::string, std::string>> failed;  // the text, and of which studies
  for (const auto& [tone, text] : checklist(set, all)) {
    if (tone != Tone::bad) continue;
    const size_t colon = all.size() > 1 ? text.find(": ") : std::string::npos;
    const std::string study = colon == std::string::npos ? "" : text.substr(0, colon), what = colon == std::string::npos ? text : text.substr(colon + 2);
    const auto same = std::find_if(failed.begin(), failed.end(), [&](const auto& f) { return f.first == what; });
    if (same == failed.end()) failed.emplace_back(what, study);
    else same->second += ", " + study;
  }
  std::vector<std::string> list;
  for (const auto& [what, studies] : failed) list.push_back(what + (studies.empty() ? "" : " (" + studies + ")"));
  for (const StudyPlan& plan : set.plans)
    for (const std::string& doubt : plan.study.doubts) list.push_back((all.size() > 1 ? plan.study.name + ": " : "") + doubt);
  return list;
}

void claims_table(report::Page& page, const StudySet& set, const std::vector<Findings>& all) {
  report::Table table{{"claim, and what was tested", "verdict", "effect [interval]", "n", "p"}, {}, 2};
  for (size_t p = 0; p < all.size(); ++p)
    for (size_t i = 0; i < all[p].verdicts.size(); ++i) {
      const ClaimConfig& c = set.plans[p].study.claims[i];
      const Verdict& v = all[p].verdicts[i];
      std::string remarks = v.why.empty() ? "" : "; " + v.why;
      if (v.needed > v.n) remarks += "; about " + std::to_string(v.needed) + " would decide";
      table.rows.push_back({c.statement + "\n" + c.text() + remarks, name(v.answer), shown_number(v.effect) + "\n" + shown_interval(v.low, v.high),
                            std::to_string(v.n), shown_number(v.p)});
    }
  if (!table.rows.empty())
    page.table(table, "Each interval at the level that Holm's procedure leaves the claim among those of its study; p is the level at which it would just decide.");
}

// ---- what was measured ------------------------------------------------------------------------------------

std::string cell(const Findings& f, const std::string& value, const std::string& arm) {
  const auto samples = f.samples.find(value);
  if (samples == f.samples.end() || !samples->second.contains(arm)) return "";
  const Sample& sample = samples->second.at(arm);
  if (sample.empty()) return sample.failed ? "none of " + std::to_string(sample.failed) : "";
  const Reading& reading = f.reading_of.at(value);
  const Summary s = summary_of(sample, reading);
  std::string text = shown_number(s.mean);
  if (reading.yes_or_no) return std::to_string(std::count(sample.values.begin(), sample.values.end(), 1.0)) + " of " + std::to_string(sample.values.size());
  if (!sample.at_least.empty()) text += ", " + std::to_string(sample.at_least.size()) + " of " + std::to_string(sample.values.size() + sample.at_least.size()) + " never";
  if (sample.failed) text += ", " + std::to_string(sample.failed) + " without";
  const bool bounded = std::isfinite(s.low) || std::isfinite(s.high);
  return s.low != s.high && bounded ? text + "\n" + shown_interval(s.low, s.high) : text;
}

// A row for each value that one of the arms has.
void add_rows(report::Table& table, const StudyPlan& plan, const Findings& f, const std::vector<std::string>& arms, bool with_name) {
  for (const std::string& value : f.values) {
    std::vector<std::string> row = {value + "\n" + f.units.at(value) + (with_name ? ", study " + plan.study.name : "")};
    bool any = false;
    for (const std::string& arm : arms) row.push_back(cell(f, value, arm)), any |= !row.back().empty();
    if (any) table.rows.push_back(std::move(row));
  }
}

constexpr char kMeans[] = "Means with 95 % intervals: Student's t over seeds or rounds; k of n; ranges where no seed draws. On the way to a loss or to a task's threshold medians by order statistics; a run that never got there may have taken any longer.";

// Those arms that several studies measured, side by side; each study's part has all of its own.
void property_table(report::Page& page, const StudySet& set, const std::vector<Findings>& all) {
  std::vector<std::string> arms;
  for (const std::string& name : arm_names(set)) {
    const auto has = [&](const StudyPlan& plan) { return std::any_of(plan.arms.begin(), plan.arms.end(), [&](const Arm& a) { return a.name == name; }); };
    if (all.size() == 1 || std::count_if(set.plans.begin(), set.plans.end(), has) > 1) arms.push_back(name);
  }
  report::Table table{{"property"}, {}, 1};
  table.heads.insert(table.heads.end(), arms.begin(), arms.end());
  for (size_t p = 0; p < all.size(); ++p) add_rows(table, set.plans[p], all[p], arms, all.size() > 1);
  page.heading("Every property measured");
  page.table(table, kMeans);
}

// "seconds" of "training.seconds@128", and 128.
bool split_at(const std::string& value, std::string& base, double& x) {
  const size_t at = value.find('@');
  if (at == std::string::npos) return false;
  base = value.substr(0, at), x = std::stod(value.substr(at + 1));
  return true;
}

// One chart for each "value@x" family.
void curves(report::Page& page, const StudyPlan& plan, const Findings& f, const report::Palette& palette) {
  std::vector<std::string> bases;
  std::string base;
  double x = 0;
  for (const std::string& value : f.values)
    if (split_at(value, base, x) && std::find(bases.begin(), bases.end(), base) == bases.end()) bases.push_back(base);
  std::vector<report::Figure> figures;
  for (const std::string& family : bases) {
    const bool share = family.ends_with("accuracy");
    report::LineChart chart{family + " against length", "Means; the band is the 95 % interval over seeds or rounds.", {"tokens", true}, {"", !share}, {}};
    for (const Arm& arm : plan.arms) {
      report::Series line{arm.name, {}, {}};
      line.markers = true;
      for (const std::string& value : f.values) {
        const auto samples = f.samples.find(value);
        if (!split_at(value, base, x) || base != family || samples == f.samples.end() || !samples->second.contains(arm.name)) continue;
        const Summary s = summary_of(samples->second.at(arm.name), f.reading_of.at(value));
        line.x.push_back(x), line.y.push_back(s.mean), line.low.push_back(s.low), line.high.push_back(s.high);
        chart.y.label = f.units.at(value);
      }
      if (line.x.size() > 1) chart.series.push_back(std::move(line));
    }
    if (!chart.series.empty()) figures.push_back(draw(chart, palette));
  }
  if (!figures.empty()) page.figures(figures);
}

void learning_curves(report::Page& page, const StudyPlan& plan, const Findings& f, const report::Palette& palette) {
  report::LineChart chart{"Loss while training", "On the validation split (of a task: held-out examples); the first seed of each arm bold, the others faint.",
                          {"step"}, {"nats a token"}, {}};
  for (const Arm& arm : plan.arms) {
    const auto runs = f.curves.find(arm.name);
    if (runs == f.curves.end()) continue;
    for (size_t r = 0; r < runs->second.items.size(); ++r) {
      report::Series line{arm.name, {}, {}};
      line.faint = r > 0;
      for (const JsonValue& point : runs->second.items[r].items)
        line.x.push_back(double(point.items[0].integer)), line.y.push_back(point.items[1].is(JsonValue::Kind::integer) ? double(point.items[1].integer) : point.items[1].number);
      if (line.x.size() > 1) chart.series.push_back(std::move(line));
    }
  }
  if (!chart.series.empty()) page.figure(draw(chart, palette));
}

// Each value that no family holds, its arms side by side, with every seed.
void intervals(report::Page& page, const StudyPlan& plan, const Findings& f, const report::Palette& palette) {
  std::vector<report::Figure> figures;
  for (const std::string& value : f.values) {
    if (value.find('@') != std::string::npos || !f.samples.contains(value)) continue;
    report::IntervalChart chart{value, "Mean, 95 % interval, and each seed or round.", {f.units.at(value)}, {}};
    for (const Arm& arm : plan.arms) {
      const auto sample = f.samples.at(value).find(arm.name);
      if (sample == f.samples.at(value).end()) continue;
      const Summary s = summary_of(sample->second, f.reading_of.at(value));
      chart.rows.push_back({arm.name, s.mean, s.low, s.high, sample->second.values, sample->second.values.empty()});
    }
    if (!chart.rows.empty()) figures.push_back(draw(chart, palette));
  }
  if (!figures.empty()) page.figures(figures);
}

void arms_table(report::Page& page, const StudyPlan& plan) {
  report::Table table{{"arm", "parameters", "outside embedding and head", "FLOPs a training token", "state bytes"}, {}, 1};
  for (const Arm& arm : plan.arms)
    table.rows.push_back({arm.name + (arm.note.empty() ? "" : "\n" + arm.note), std::to_string(arm.all_parameters), std::to_string(arm.parameters),
                          shown_number(arm.flops), shown_number(arm.state_bytes)});
  page.table(table, "The arms. State: of one sequence after a training context.");
}

// The spread of an arm over seeds alone: no smaller difference means anything.
void noise_floor(report::Page& page, const StudyPlan& plan, const Findings& f) {
  report::Table table{{"value", "standard deviation over seeds", "seeds", "difference found 8 times of 10"}, {}, 2};
  for (const NoiseFloor& floor : noise_floors(plan, f)) {
    std::string deviations;
    for (const auto& [arm, deviation] : floor.deviations) deviations += (deviations.empty() ? "" : ", ") + arm + " " + shown_number(deviation);
    table.rows.push_back({floor.value, deviations, std::to_string(floor.seeds), shown_number(floor.detectable)});
  }
  if (!table.rows.empty())
    page.table(table, "The noise floor: the same arm with other seeds. The last column: what a test at level " + shown_number(plan.study.alpha) + " finds between two arms as noisy as these, were their seeds not paired.");
}

void text_intervals(report::Page& page, const Findings& f) {
  for (const auto& [pair, i] : f.text_intervals)
    page.paragraph("The text itself: " + pair + " lies in [" + shown_number(i.low) + ", " + shown_number(i.high) +
                   "] (95 %, paired block bootstrap over the scored windows, blocks of at least 1,000 tokens, means over seeds).");
}

void sweep_chart(report::Page& page, const StudyPlan& plan, const Findings& f, const report::Palette& palette) {
  report::LineChart chart{"The sweep of " + plan.study.sweep.key, "Loss on the validation split at the end of each trial, mean over its seeds; where a trial failed there is no point.",
                          {plan.study.sweep.key, true}, {"nats a token"}, {}};
  for (const Arm& arm : plan.arms) {
    const auto trials = f.trials.find(arm.name);
    if (trials == f.trials.end()) continue;
    report::Series line{arm.name, {}, {}};
    line.markers = true;
    for (const auto& [value, sample] : trials->second)
      if (!sample.failed) line.x.push_back(value), line.y.push_back(statistics::mean(sample.values));
    if (!line.x.empty()) chart.series.push_back(std::move(line));
  }
  if (!chart.series.empty()) page.figure(draw(chart, palette));
}

// Which run a number is of; its folder's name is the hash of all that decides it.
void runs_table(report::Page& page, const StudyPlan& plan) {
  report::Table table{{"run", "folder below runs/"}, {}, 2};
  for (const Job& job : plan.jobs) table.rows.push_back({job.name, job.folder});
  page.folded_table("the " + counted(int64_t(table.rows.size()), "run") + " behind it", table);
}

void study_part(report::Page& page, const StudyPlan& plan, const Findings& f, const report::Palette& palette, bool only) {
  if (!only) page.heading(plan.study.name + ": " + plan.study.question);
  arms_table(page, plan);
  if (!only) {
    report::Table table{{"property"}, {}, 1};
    for (const Arm& arm : plan.arms) table.heads.push_back(arm.name);
    std::vector<std::string> arms(table.heads.begin() + 1, table.heads.end());
    add_rows(table, plan, f, arms, false);
    page.table(table, kMeans);
  }
  sweep_chart(page, plan, f, palette);
  noise_floor(page, plan, f);
  text_intervals(page, f);
  fit_part(page, plan, f.fits, palette);
  curves(page, plan, f, palette);
  learning_curves(page, plan, f, palette);
  intervals(page, plan, f, palette);
  runs_table(page, plan);
  if (!f.failures.empty()) page.points(f.failures);
}

}  // namespace

std::string shown_number(double x) {
  if (std::isnan(x)) return "?";
  if (std::isinf(x)) return x > 0 ? "∞" : "-∞";
  char text[40];
  std::snprintf(text, sizeof text, "%.4g", x);
  return text;
}

std::string shown_interval(double low, double high) { return "[" + shown_number(low) + ", " + shown_number(high) + "]"; }
std::string shown_effect(const Verdict& v) { return shown_number(v.effect) + " " + shown_interval(v.low, v.high); }

std::string shown_claim(const ClaimConfig& c, const Verdict& v) {
  std::string line = c.id + ": " + c.text() + ": " + shown_effect(v) + ", n = " + std::to_string(v.n);
  if (!v.why.empty()) line += "; " + v.why;
  if (v.needed > v.n) line += "; about " + std::to_string(v.needed) + " would decide";
  return line;
}

report::Page study_page(const StudySet& set, const std::vector<Findings>& all) {
  const report::Palette palette(arm_names(set));
  report::Page page(set.question.empty() ? set.name : set.question, "adder study " + set.name, palette);
  first_screen(page, set, all);
  const std::vector<std::string> reasons = doubts(set, all);
  if (!reasons.empty()) page.paragraph("Reasons not to believe it:"), page.points(reasons);
  claims_table(page, set, all);
  property_table(page, set, all);
  page.heading("What a reviewer would ask");
  page.checklist(checklist(set, all));
  page.heading("Figures");
  page.toggles();
  for (size_t p = 0; p < all.size(); ++p) study_part(page, set.plans[p], all[p], palette, all.size() == 1);
  page.heading("Where the numbers come from");
  page.paragraph("Each run's folder below runs/ is named by the hash of its resolved config, its data and the program's numerics; results.json has every number here, results.csv each seed's, hashes.json the files behind them.");
  page.command("adder study --verify DIR");
  return page;
}

}  // namespace adder::studies
