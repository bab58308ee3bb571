#include "framework/cli/probe_memory.h"

#include "framework/core/error.h"
#include "framework/cli/output.h"
#include "framework/gradient_lab/curse_page.h"
#include "framework/report/svg.h"
#include "framework/report/svg_file.h"
#include "framework/training/durable_file.h"

namespace adder {
namespace {

constexpr double kRho = 0.5;  // of the inputs' autocorrelation
constexpr int64_t kSamples = 60000;  // a mean square of Gaussian numbers is then known to 0.6 %
constexpr uint64_t kSeed = 1;
constexpr char kCommand[] = "adder probe --curse-of-memory";

JsonValue to_json(const std::vector<lab::CursePoint>& points) {
  JsonValue result = JsonValue::object(), list = JsonValue::array();
  for (const lab::CursePoint& p : points)
    for (size_t i = 0; i < std::size(lab::kParametrisations); ++i) {
      JsonValue row = JsonValue::object();
      row.set("lambda", p.lambda);
      row.set("parametrisation", lab::name(lab::kParametrisations[i]));
      row.set("measured", p.measured[i].mean);
      row.set("standard_error", p.measured[i].error);
      row.set("formula", p.formula[i]);
      list.push(row);
    }
  result.set("rho", kRho);
  result.set("samples", kSamples);
  result.set("worst_miss", lab::worst_miss(points));
  result.set("mean_squares", list);
  return result;
}

}  // namespace

int probe_curse_of_memory(const std::string& folder, bool json) {
  const std::vector<lab::CursePoint> points = lab::measure_curse(kRho, kSamples, kSeed);
  const JsonValue result = to_json(points);
  if (json) print_json(result);
  else {
    const report::Table rows = lab::curse_table(points);
    print("Root mean square of d output / d parameter in h_t = lambda h_(t-1) + x_t, by memory 1 / (1 - lambda)\n" +
          table(rows.heads, rows.rows, 0) + "\nfarthest from the formula: " + report::shown(100 * lab::worst_miss(points), 2) + " % of a mean square\n");
  }
  if (folder.empty()) return kOk;
  write_durably(folder + "/curse_of_memory.json", dump(result) + "\n");
  lab::write_curse_page(folder + "/report.html", points, kRho, kCommand + (" --out " + shell_quoted(folder)));
  report::write_svg(folder + "/curse_of_memory.svg", lab::curse_figure(points, kRho), lab::curse_palette());
  note(folder + ": report.html, curse_of_memory.svg, curse_of_memory.json");
  return kOk;
}

}  // namespace adder
