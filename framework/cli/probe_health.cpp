#include "framework/cli/probe_health.h"

#include <cmath>
#include <filesystem>

#include "framework/cli/command.h"
#include "framework/cli/output.h"
#include "framework/config/json.h"
#include "framework/core/error.h"
#include "framework/gradient_lab/health_series.h"
#include "framework/training/run_folder.h"

namespace adder {
namespace {

namespace fs = std::filesystem;

JsonValue to_json(const lab::HealthSeries& series, const std::vector<lab::SeriesFinding>& found) {
  JsonValue result = JsonValue::object(), findings = JsonValue::array();
  for (const lab::SeriesFinding& f : found) {
    JsonValue entry = JsonValue::object();
    entry.set("what", f.finding.what);
    entry.set("verdict", lab::name(f.finding.verdict));
    entry.set("text", f.finding.text);
    entry.set("first", f.first);
    entry.set("steps", f.steps);
    findings.push(std::move(entry));
  }
  result.set("steps", JsonValue::array(series.steps));
  result.set("findings", std::move(findings));
  if (const double scale = series.noise_scale(); !std::isnan(scale)) result.set("noise_scale", scale);
  return result;
}

void print_text(const lab::HealthSeries& series, const std::vector<lab::SeriesFinding>& found) {
  std::string text = with_commas(int64_t(series.steps.size())) + " steps looked into, " + with_commas(series.steps.front()) + " to " +
                     with_commas(series.steps.back()) + "\n";
  if (const double scale = series.noise_scale(); !std::isnan(scale))
    text += "gradient noise scale " + significant(scale, 3) + " rows (tr(Sigma) / |G|^2, the last 20 of them)\n";
  for (const lab::SeriesFinding& f : found)
    text += lab::name(f.finding.verdict) + "  " + f.finding.what + ": " + f.finding.text + "; at " + with_commas(f.steps) + " of the steps\n";
  print(text + (found.empty() ? "nothing stands out\n" : ""));
}

}  // namespace

int probe_health(const std::string& path, const std::string& out, bool json) {
  const RunFolder run(path);
  if (!fs::is_directory(path) || !fs::exists(run.metrics_path()))
    throw UsageError("--health reads what a run told of its steps, but " + path + " is no run's folder: there is no metrics.jsonl");
  const lab::HealthSeries series = lab::read_health(run.metrics_path());
  const std::vector<lab::SeriesFinding> found = lab::series_findings(series);
  if (json) print_json(to_json(series, found));
  else print_text(series, found);
  if (out.empty()) return kOk;
  make_out_folder(out);
  lab::write_health_file(out + "/health.h5", series);
  lab::write_health_page(out + "/report.html", series, path, "adder probe " + shell_quoted(path) + " --health --out " + shell_quoted(out));
  note(out + ": report.html, health.h5");
  return kOk;
}

void write_run_health(const std::string& folder) {
  const std::string metrics = RunFolder(folder).metrics_path();
  if (!fs::exists(metrics)) return;
  try {
    lab::write_health_file(folder + "/health.h5", lab::read_health(metrics));
  } catch (const Error& problem) {  // it can be made again, the run is what counts
    warn(std::string("no health.h5: ") + problem.what());
  }
}

}  // namespace adder
