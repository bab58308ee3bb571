#include "framework/report/run_page.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "framework/config/json.h"
#include "framework/core/error.h"
#include "framework/data/hash.h"
#include "framework/report/run_curves.h"
#include "framework/report/svg.h"
#include "framework/training/durable_file.h"
#include "framework/training/run_folder.h"

namespace adder::report {
namespace {

using Kind = JsonValue::Kind;
constexpr size_t kMostColumns = 30;  // of a heat map: its table has to fit on paper
const char kThinned[] = " Of each stretch of steps the least and the largest value are drawn.";

struct Run {
  std::string folder, config_text, metrics_text;
  JsonValue config;
  RunCurves curves;

  // "training.steps"; null where the config has none.
  const JsonValue* key(const std::string& path) const {
    const size_t dot = path.find('.');
    const JsonValue* section = config.find(path.substr(0, dot));
    return dot == std::string::npos || !section ? section : section->find(path.substr(dot + 1));
  }
  std::string shown_key(const std::string& path) const {
    const JsonValue* value = key(path);
    return !value ? "" : value->is(Kind::string) ? value->string : dump(*value, -1);
  }
  double number(const std::string& path) const {
    const JsonValue* value = key(path);
    return !value ? NAN : value->is(Kind::integer) ? double(value->integer) : value->is(Kind::number) ? value->number : NAN;
  }
  bool is_task() const {
    const JsonValue* task = config.find("data") ? config.find("data")->find("task") : nullptr;
    return task && task->find("name") && !task->find("name")->string.empty();
  }
};

Run read_run(const std::string& folder) {
  const RunFolder files(folder);
  Run run;
  run.folder = folder;
  for (const std::string& path : {files.config_path(), files.metrics_path()})
    if (std::error_code error; !std::filesystem::exists(path, error)) throw UnreadableError(path + ": no such file; expected the folder of a run (adder train --out)");
  run.config_text = read_text_file(files.config_path()), run.metrics_text = read_text_file(files.metrics_path());
  try {
    run.config = parse_json(run.config_text, files.config_path());
  } catch (const UsageError& problem) {
    throw UnreadableError(problem.what());
  }
  run.curves = read_curves(files.metrics_path());
  return run;
}

// ---- the first screen -------------------------------------------------------------------------------------

struct Best {
  double value = NAN, step = 0;
};
Best least(const Curve& curve) {
  Best best;
  for (size_t i = 0; i < curve.values.size(); ++i)
    if (std::isfinite(curve.values[i]) && !(best.value <= curve.values[i])) best = {curve.values[i], curve.steps[i]};
  return best;
}

std::string loss_line(const Run& run) {
  const Curve* eval = run.curves.find("eval/loss");
  const Curve* train = run.curves.find("train/loss");
  if (!eval) return train ? "training loss " + shown(train->last()) + "; nothing was evaluated" : "no loss was logged";
  const Best best = least(*eval);
  std::string text = (run.is_task() ? "held-out loss " : "validation loss ") + shown(eval->last()) + " at step " + shown(eval->steps.back(), 9);
  if (std::isfinite(best.value) && best.value != eval->last()) text += ", " + shown(best.value) + " at its best, step " + shown(best.step, 9);
  return text;
}

// Beside what the loss stands.
std::string beside(const Run& run) {
  const auto last = [&](const char* name) {
    const Curve* curve = run.curves.find(name);
    return curve ? curve->last() : NAN;
  };
  const Curve* eval = run.curves.find("eval/loss");
  std::string text;
  if (const double excess = last("eval/excess"); !std::isnan(excess))
    text = shown(excess) + " above the text's own source (standard error " + shown(last("eval/excess_standard_error"), 2) + ")";
  else if (const double baseline = last("task/baseline_loss"); !std::isnan(baseline) && eval)
    text = "the best predictor without memory loses " + shown(baseline);
  for (const auto& [name, words] : {std::pair("eval/token_accuracy", "of the scored tokens are right"), std::pair("eval/sequence_accuracy", "of the sequences")})
    if (const double share = last(name); !std::isnan(share)) text += (text.empty() ? "" : "; ") + shown(100 * share) + " % " + words;
  if (const double bits = last("eval/bits_per_byte"); !std::isnan(bits)) text += (text.empty() ? "" : "; ") + shown(bits) + " bits a byte";
  return text.empty() ? "no baseline was logged: adder train on the same text with \"architecture\": \"ngram\" gives one" : text;
}

bool all_finite(const Run& run) {
  for (const Curve& curve : run.curves.curves)
    if (curve.name.ends_with("/loss"))
      for (const double x : curve.values)
        if (!std::isfinite(x)) return false;
  return true;
}

std::vector<std::string> doubts(const Run& run) {
  std::vector<std::string> list = {"one run of one seed: how far another seed lies from it is not known (adder study measures that)"};
  const double steps = run.number("training.steps");
  if (double(run.curves.last_step) < steps) list.push_back("it ended, or stands, at step " + std::to_string(run.curves.last_step) + " of " + shown(steps, 9));
  if (run.curves.half_written) list.push_back("the last line of metrics.jsonl is only half there: the run is at work, or was killed");
  if (!all_finite(run)) list.push_back("a loss was not finite");
  if (const Curve* guard = run.curves.find("guard/acted")) list.push_back("its guard acted " + shown(guard->last()) + " times");
  if (!run.is_task() && run.curves.find("eval/loss")) list.push_back("the loss is of the validation split; what was chosen by it flatters it");
  return list;
}

void first_screen(Page& page, const Run& run) {
  const bool solved = run.curves.find("eval/solved") && run.curves.find("eval/solved")->last() == 1;
  std::string detail = std::to_string(run.curves.last_step) + " of " + run.shown_key("training.steps") + " steps";
  if (const Curve* tokens = run.curves.find("tokens")) detail += ", " + shown(tokens->last(), 9) + " tokens";
  if (const Curve* step = run.curves.find("eval/solved_step")) detail += "; the task was solved at step " + shown(step->last(), 9);
  page.verdict(!all_finite(run) ? Tone::bad : solved ? Tone::good : Tone::plain, loss_line(run), beside(run), detail + ".");
  page.paragraph("Reasons not to believe it:");
  page.points(doubts(run));
}

// ---- figures ----------------------------------------------------------------------------------------------

struct Chart {
  LineChart chart;
  void add(const Run& run, const std::string& curve, const std::string& name, bool markers) {
    const Curve* found = run.curves.find(curve);
    if (!found) return;
    const Curve thin = thinned(*found);
    if (thin.values.size() < found->values.size() && chart.description.find(kThinned) == std::string::npos) chart.description += kThinned;
    Series line{name, thin.steps, thin.values};
    line.markers = markers || thin.values.size() < 2;
    chart.series.push_back(std::move(line));
  }
  void add_reference(const std::string& label, double y) {
    if (std::isfinite(y)) chart.references.push_back({label, y});
  }
};

double last_of(const Run& run, const std::string& name) {
  const Curve* curve = run.curves.find(name);
  return curve ? curve->last() : NAN;
}

LineChart loss_chart(const Run& run) {
  Chart c{{"Loss", "Of training batches before each update, and of the validation split (of a task: held-out examples).", {"step"}, {run.is_task() ? "loss" : "nats a token"}, {}}};
  c.add(run, "train/loss", "training", false);
  c.add(run, "eval/loss", "validation", true);
  c.add_reference("floor", last_of(run, "eval/floor"));
  c.add_reference("baseline", last_of(run, "task/baseline_loss"));
  return c.chart;
}

LineChart accuracy_chart(const Run& run) {
  Chart c{{"Held-out accuracy", "Of a task's scored tokens, and of sequences without a mistake; @N: at that length.", {"step"}, {"share", false, std::pair(0.0, 1.0)}, {}}};
  for (const Curve& curve : run.curves.curves)
    if (curve.name.starts_with("eval/") && curve.name.find("_accuracy") != std::string::npos) c.add(run, curve.name, curve.name.substr(5), true);
  c.add_reference("chance", last_of(run, "task/chance"));
  c.add_reference("threshold", last_of(run, "task/threshold"));
  return c.chart;
}

LineChart norm_chart(const Run& run) {
  Chart c{{"Gradient norm", "Of all parameters together, before clipping.", {"step"}, {"norm", true}, {}}};
  c.add(run, "grad_norm", "gradient", false);
  if (const double clip = run.number("training.clip_norm"); clip > 0) c.add_reference("clipped at", clip);
  return c.chart;
}

LineChart rate_chart(const Run& run) {
  Chart c{{"Learning rate", "As the schedule gave it to each step.", {"step"}, {"learning rate"}, {}}};
  c.add(run, "learning_rate", "rate", false);
  return c.chart;
}

// A step's own seconds; steps that evaluate or save take longer elsewhere.
LineChart speed_chart(Run run) {
  const double a_step = run.number("training.batch_size") * run.number("training.context_length") * std::max(1.0, run.number("training.accumulate"));
  const bool known = std::isfinite(a_step) && !run.is_task();
  for (Curve& curve : run.curves.curves)
    if (curve.name == "seconds")
      for (double& s : curve.values) s = s > 0 ? (known ? a_step : 1) / s : NAN;
  Chart c{{"Speed", "Of the logged steps, each by itself; evaluations and checkpoints are not in it.", {"step"}, {known ? "tokens a second" : "steps a second"}, {}}};
  c.add(run, "seconds", "speed", false);
  return c.chart;
}

// ---- health -----------------------------------------------------------------------------------------------

// "update" of "health/update/blocks.0.mixer.in_proj.weight"; empty where it is one curve.
std::string family_of(const std::string& name) {
  const size_t slash = name.find('/', 7);
  return slash == std::string::npos ? "" : name.substr(7, slash - 7);
}

HeatMap health_map(const Run& run, const std::string& family) {
  HeatMap map;
  map.title = "health/" + family;
  map.x = {"step"}, map.value = {family, true};
  std::set<double> steps;
  std::vector<const Curve*> rows;
  for (const Curve& curve : run.curves.curves)
    if (curve.name.starts_with("health/" + family + "/")) rows.push_back(&curve), steps.insert(curve.steps.begin(), curve.steps.end());
  const size_t stride = (steps.size() + kMostColumns - 1) / kMostColumns;
  size_t place = 0;
  for (const double step : steps)
    if (place++ % stride == 0) map.columns.push_back(step);
  map.description = "By part, over the steps that logged it" + std::string(stride > 1 ? ", one of each " + std::to_string(stride) + " of them" : "") + "; hollow: 0, below it, or none.";
  for (const Curve* curve : rows) {
    std::vector<double> values(map.columns.size(), NAN);
    for (size_t i = 0; i < curve->steps.size(); ++i) {
      const auto column = std::lower_bound(map.columns.begin(), map.columns.end(), curve->steps[i]);
      if (column != map.columns.end() && *column == curve->steps[i]) values[size_t(column - map.columns.begin())] = curve->values[i];
    }
    map.rows.push_back(curve->name.substr(8 + family.size())), map.values.push_back(std::move(values));
  }
  return map;
}

// Of curves that no other figure has.
const std::map<std::string, std::string> kCaptions = {
    {"health/clip_scale", "What the gradient was multiplied by to keep to training.clip_norm; 1: it was short enough."},
    {"health/clip_fraction", "The share of the last steps whose gradient was clipped."},
    {"health/spike", "How far the loss lies above the median of the last steps, in robust standard deviations."},
    {"health/stream_growth", "The size of the residual stream (rms) behind the last block over that of the embedding."},
    {"health/gradient_square", "The squared norm of the true gradient, estimated without the noise of the batch."},
    {"health/gradient_noise", "tr(Sigma): the variance of one row's gradient, summed over all parameters."},
    {"health/noise_scale", "A batch of so many rows is half noise (McCandlish et al., 2018): noise over squared gradient."}};

// Curves that no figure above has: readings and health.
void health(Page& page, const Run& run, const Palette& palette) {
  static const std::set<std::string> known = {"z_loss", "tokens", "seconds", "grad_norm", "learning_rate"};
  std::vector<Figure> small, maps;
  std::set<std::string> families;
  for (const Curve& curve : run.curves.curves) {
    if (curve.name.starts_with("health/") && !family_of(curve.name).empty()) {
      if (families.insert(family_of(curve.name)).second) maps.push_back(draw(health_map(run, family_of(curve.name))));
      continue;
    }
    if (known.contains(curve.name) || curve.name.starts_with("train/") || curve.name.starts_with("eval/") || curve.name.starts_with("task/")) continue;
    const auto caption = kCaptions.find(curve.name);
    Chart c{{curve.name, caption == kCaptions.end() ? "As it was logged." : caption->second, {"step"}, {curve.name}, {}}};
    c.add(run, curve.name, "value", false);
    small.push_back(draw_together({c.chart}, palette)[0]);
  }
  if (small.empty() && maps.empty()) return;
  page.heading("Health");
  if (!small.empty()) page.figures(small);
  for (const Figure& f : maps) page.figure(f);
}

Palette palette_of(const Run& run) {
  std::vector<std::string> names = {"training", "validation", "gradient", "rate", "speed", "value"};
  for (const Curve& curve : run.curves.curves)
    if (curve.name.starts_with("eval/") && curve.name.find("_accuracy") != std::string::npos) names.push_back(curve.name.substr(5));
  return Palette(names);
}

void facts(Page& page, const Run& run) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const char* key : {"model.architecture", "model.d_model", "model.n_layers", "seed", "precision", "optimizer.name", "optimizer.learning_rate",
                          "schedule.name", "training.steps", "training.batch_size", "training.context_length", "data.train", "data.tokenizer"})
    if (const std::string text = run.shown_key(key); !text.empty() && text != "[]") rows.emplace_back(key, text);
  if (run.is_task()) rows.emplace_back("data.task", dump(*run.config.find("data")->find("task"), -1));
  page.facts(rows);
}

}  // namespace

Page run_page(const std::string& folder) {
  const Run run = read_run(folder);
  const Palette palette = palette_of(run);
  const std::string name = run.shown_key("name");
  Page page(name.empty() ? run.folder : name, "adder train, one run", palette);
  first_screen(page, run);
  page.heading("Figures");
  if (const LineChart loss = loss_chart(run); !loss.series.empty()) page.figure(draw(loss, palette));
  std::vector<Figure> figures;
  for (const LineChart& chart : {accuracy_chart(run), norm_chart(run), rate_chart(run), speed_chart(run)})
    if (!chart.series.empty()) figures.push_back(draw_together({chart}, palette)[0]);
  page.figures(figures);
  health(page, run, palette);
  page.heading("What was run");
  facts(page, run);
  page.heading("Where the numbers come from");
  page.paragraph("metrics.jsonl, hash " + hash_hex(run.metrics_text) + ", beside this page; config.json, hash " + hash_hex(run.config_text) + ", is all that it takes to run it again, to the same bits:");
  page.command("adder train RUN/config.json --out runs/again\nadder report runs/again");
  page.paragraph("config.json, every key resolved:");
  page.command(run.config_text);
  return page;
}

}  // namespace adder::report
