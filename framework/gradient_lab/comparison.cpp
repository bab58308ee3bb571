#include "framework/gradient_lab/comparison.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/data/hdf5.h"
#include "framework/gradient_lab/magnitude.h"
#include "framework/report/page.h"
#include "framework/report/svg_file.h"
#include "framework/training/durable_file.h"

namespace adder::lab {
namespace {

using report::Tone;

report::Series profile_series(const Compared& m) {
  const std::vector<double> mean = mean_profile(m.probe.profile.embedding);
  report::Series s{m.name, {}, {}};
  for (const int64_t k : spread_lags(1, m.probe.lags(), 1.03)) s.x.push_back(double(k)), s.y.push_back(mean[size_t(k)] - mean[1]);
  return s;
}

report::Table summary(const std::vector<Compared>& models) {
  report::Table table{{"model", "memory", "at the last lag, of lag 1", "verdict"}, {}, 4};
  for (const Compared& m : models) {
    const std::vector<double> mean = mean_profile(m.probe.profile.embedding);
    table.rows.push_back({m.name, shown_memory(m.probe.profile.memory), shown_power(mean.back() - mean[1]), headline(m.probe.findings)});
  }
  return table;
}

report::Figure profiles_figure(const std::vector<Compared>& models, const report::Palette& palette) {
  report::LineChart chart{"How much the loss of a token owes to the tokens before it",
                          "The norm of d loss at t / d embedding at t - k over that at k = 1, means of the probes. A straight line down is an exponential memory. Where the norm is exactly 0 there is no point.",
                          {"lag k (tokens)"}, {"log10 of the norm over that at lag 1"}, {}};
  for (const Compared& m : models) chart.series.push_back(profile_series(m));
  return draw(chart, palette);
}

std::vector<std::string> names_of(const std::vector<Compared>& models) {
  std::vector<std::string> names;
  for (const Compared& m : models) names.push_back(m.name);
  return names;
}

// The model whose gradient reaches farthest: the largest share left at the last lag.
std::string farthest(const std::vector<Compared>& models) {
  const auto rest = [](const Compared& m) {
    const std::vector<double> mean = mean_profile(m.probe.profile.embedding);
    return mean.back() - mean[1];
  };
  const auto best = std::max_element(models.begin(), models.end(), [&](const auto& a, const auto& b) { return rest(a) < rest(b); });
  return best->name + " keeps the largest share of its gradient over " + std::to_string(best->probe.lags()) + " tokens: " +
         shown_power(rest(*best)) + " of that of one token back";
}

}  // namespace

void require_comparable(const std::vector<Compared>& models) {
  for (const Compared& m : models)
    if (m.probe.lags() != models[0].probe.lags())
      throw UsageError(m.name + " was probed over " + std::to_string(m.probe.lags()) + " lags, " + models[0].name + " over " +
                       std::to_string(models[0].probe.lags()) + "; give one --length for all");
}

void write_comparison_file(const std::string& path, const std::vector<Compared>& models, const std::string& command) {
  require_comparable(models);
  const int64_t lags = models[0].probe.lags() + 1, n = int64_t(models.size());
  std::vector<double> all, memory;
  for (const Compared& m : models) {
    const std::vector<double> mean = mean_profile(m.probe.profile.embedding);
    all.insert(all.end(), mean.begin(), mean.end());
    memory.push_back(m.probe.profile.memory.xi());
  }
  std::vector<int32_t> lag(static_cast<size_t>(lags));
  for (int64_t i = 0; i < lags; ++i) lag[size_t(i)] = int32_t(i);
  DurableFile durable(path);
  Hdf5File file = Hdf5File::create(durable.temporary());
  file.write("/lag", Tensor::from<int32_t>({lags}, lag));
  file.write_strings("/model", names_of(models));
  file.write("/embedding", Tensor::from<double>({n, lags}, all));
  file.write("/memory_length", Tensor::from<double>({n}, memory));
  file.set_scales("/embedding", {"/model", "/lag"});
  file.set_scales("/memory_length", {"/model"});
  file.set_attribute("/", "command", command);
  file.close();
  durable.commit();
}

void write_comparison_figure(const std::string& path, const std::vector<Compared>& models) {
  const report::Palette palette(names_of(models));
  report::write_svg(path, profiles_figure(models, palette), palette);
}

void write_comparison_page(const std::string& path, const std::vector<Compared>& models, const std::string& command) {
  require_comparable(models);
  const report::Palette palette(names_of(models));
  report::Page page("How far back gradients reach", "adder probe", palette);
  page.verdict(Tone::plain, farthest(models), std::to_string(models.size()) + " models",
               "Means of " + std::to_string(models[0].probe.probes()) + " probes of each, in float64; one text, one seed each.");
  page.figure(profiles_figure(models, palette));
  page.table(summary(models));
  for (const Compared& m : models) {
    page.heading(m.name);
    page.facts(m.subject.facts);
    std::vector<std::pair<Tone, std::string>> items;
    for (const Finding& f : m.probe.findings)
      items.emplace_back(f.verdict == Verdict::healthy ? Tone::good : Tone::bad, f.what + ": " + name(f.verdict) + ": " + f.text);
    page.checklist(items);
  }
  page.command(command);
  report::write_page(path, page);
}

}  // namespace adder::lab
