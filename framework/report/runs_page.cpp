#include "framework/report/runs_page.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "framework/core/error.h"
#include "framework/report/run_curves.h"
#include "framework/report/svg.h"
#include "framework/report/svg_file.h"
#include "framework/training/run_folder.h"

namespace adder::report {
namespace {

struct Named {
  std::string name;  // of the run's folder
  RunCurves curves;
};

struct Shared {
  const char *curve, *file, *title, *description, *unit;
  bool log;
};
constexpr Shared kShared[] = {
    {"eval/loss", "validation_loss.svg", "Validation loss", "Of the validation split, or of a task's held-out examples.", "loss", false},
    {"train/loss", "training_loss.svg", "Training loss", "Of the training batches, before each update.", "loss", false},
    {"grad_norm", "gradient_norm.svg", "Gradient norm", "Of all parameters together, before clipping.", "norm", true},
};

// The last part of its path; the whole path where another run has the same.
std::string name_of(const std::vector<std::string>& runs, size_t i) {
  const auto last = [](const std::string& path) {
    const auto normal = std::filesystem::path(path).lexically_normal();
    return (normal.has_filename() ? normal : normal.parent_path()).filename().string();
  };
  for (size_t j = 0; j < runs.size(); ++j)
    if (j != i && last(runs[j]) == last(runs[i])) return runs[i];
  return last(runs[i]);
}

std::vector<Named> read_runs(const std::vector<std::string>& runs) {
  std::vector<Named> list;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (std::count(runs.begin(), runs.end(), runs[i]) > 1) throw UsageError(runs[i] + " was given twice; expected different runs");
    if (!RunFolder(runs[i]).holds_run())
      throw UnreadableError(runs[i] + ": holds no config.json and metrics.jsonl; expected the folder of a run (adder train --out)");
    list.push_back({name_of(runs, i), read_curves(RunFolder(runs[i]).metrics_path())});
  }
  return list;
}

LineChart chart_of(const Shared& s, const std::vector<Named>& runs) {
  LineChart chart{s.title, s.description, {"step"}, {s.unit, s.log}, {}};
  for (const Named& run : runs)
    if (const Curve* curve = run.curves.find(s.curve)) {
      const Curve thin = thinned(*curve);
      Series line{run.name, thin.steps, thin.values};
      line.markers = thin.values.size() < 10;
      chart.series.push_back(std::move(line));
    }
  return chart;
}

std::string last_value(const Named& run, const char* name) {
  const Curve* curve = run.curves.find(name);
  return curve ? shown(curve->last()) : "—";
}

std::string largest_value(const Named& run, const char* name) {
  const Curve* curve = run.curves.find(name);
  if (!curve) return "—";
  double most = -INFINITY;
  for (const double x : curve->values) most = std::isnan(x) || x > most ? x : most;
  return shown(most);
}

}  // namespace

void write_runs_report(const std::string& folder, const std::vector<std::string>& paths, const std::string& command) {
  const std::vector<Named> runs = read_runs(paths);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw UsageError("--out " + folder + ": no folder can be made there: " + error.message());
  std::vector<std::string> names;
  for (const Named& run : runs) names.push_back(run.name);
  const Palette palette(names);
  Page page(std::to_string(runs.size()) + " runs", "adder report", palette);
  Table table{{"run", "steps", "validation loss", "training loss", "largest gradient norm"}, {}, 1};
  for (const Named& run : runs)
    table.rows.push_back({run.name, std::to_string(run.curves.last_step), last_value(run, "eval/loss"), last_value(run, "train/loss"),
                          largest_value(run, "grad_norm")});
  page.table(table, "Losses are the last ones. One run of one seed each: what tells arms apart is a study (adder study).");
  page.toggles();
  for (const Shared& s : kShared) {
    const LineChart chart = chart_of(s, runs);
    if (chart.series.empty()) continue;
    const Figure figure = draw(chart, palette);
    page.figure(figure);
    write_svg(folder + "/" + s.file, figure, palette);
  }
  page.command(command);
  write_page(folder + "/report.html", page);
}

}  // namespace adder::report
