#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/gradient_lab/health_series.h"
#include "framework/gradient_lab/magnitude.h"
#include "framework/report/page.h"

namespace adder::lab {
namespace {

using report::Tone;

constexpr size_t kColumns = 32, kRows = 20;  // of a heat map: what a page of 1 MB has room for
constexpr size_t kMaps = 4;                  // of a kind of histogram

struct Kind {
  const char *name, *title, *value, *meaning;
};
constexpr Kind kKinds[] = {
    {"gradient", "Gradients", "|gradient|", "A band that sinks is a gradient that vanishes; one at the bottom, coordinates that get none."},
    {"parameter", "Parameters", "|weight|", "A band that rises is a tensor that grows without bound."},
    {"time_step", "Time steps", "delta", "Long time steps take a token in, short ones pass it by."},
    {"time_constant", "Time constants", "tokens", "How long a state remembers: one above the context never forgets, one below 1 never remembers."},
    {"gate", "Gates", "odds g / (1 - g)", "1 is half open, 19 is 0.95, 0.053 is 0.05: bands far off on either side are gates that learn no more."}};

// Evenly spread, the first and the last among them.
std::vector<size_t> spread_indices(size_t count, size_t most) {
  std::vector<size_t> list;
  for (size_t i = 0; i < std::min(count, most); ++i) list.push_back(count <= most ? i : i * (count - 1) / (most - 1));
  return list;
}

// The bins that any step fills, `merged` of them a row.
struct Rows {
  int first = 0, last = 0, merged = 1;
};
Rows rows_of(const std::vector<Histogram>& series) {
  Histogram all;
  for (const Histogram& h : series) all.add(h);
  Rows rows{Histogram::kBins, 0, 1};
  for (int i = 0; i < Histogram::kBins; ++i)
    if (all.counts[size_t(i)] > 0) rows.first = std::min(rows.first, i), rows.last = i;
  while ((rows.last - rows.first) / rows.merged + 1 > int(kRows)) ++rows.merged;
  return rows;
}

std::string row_name(int from, int to) {
  const std::string low = from == 0 ? "0" : rounded(Histogram::edge(from));
  return to == Histogram::kBins ? low + " and more" : low + " to " + rounded(Histogram::edge(to));
}

report::HeatMap map_of(const HealthSeries& series, const Kind& kind, const std::string& part, const std::vector<Histogram>& histograms) {
  report::HeatMap map;
  map.title = std::string(kind.title) + ", " + part;
  map.description = std::string("Share of elements by ") + kind.value + " at each step looked into. " + kind.meaning;
  map.x = {"step"}, map.value = {"share"};
  const Rows rows = rows_of(histograms);
  const std::vector<size_t> columns = spread_indices(series.steps.size(), kColumns);
  for (const size_t c : columns) map.columns.push_back(double(series.steps[c]));
  for (int top = rows.last; top >= rows.first; top -= rows.merged) {
    const int bottom = std::max(rows.first, top - rows.merged + 1);
    map.rows.push_back(row_name(bottom, top + 1));
    map.values.emplace_back();
    for (const size_t c : columns) {
      int64_t sum = 0;
      for (int i = bottom; i <= top; ++i) sum += histograms[c].counts[size_t(i)];
      const double total = double(histograms[c].total());
      map.values.back().push_back(total > 0 ? double(sum) / total : std::nan(""));
    }
  }
  return map;
}

report::Series line(const std::string& name, const HealthSeries& series, const std::vector<double>& y) {
  report::Series s{name, {}, {}};
  for (const size_t i : spread_indices(series.steps.size(), 200)) s.x.push_back(double(series.steps[i])), s.y.push_back(y[i]);
  s.markers = series.steps.size() <= kColumns;
  return s;
}

void add_line(report::Page& page, const report::Palette& palette, const HealthSeries& series, const std::string& metric,
              const std::string& title, const std::string& description, const report::Axis& y) {
  const std::vector<double>* values = series.find(metric);
  if (!values) return;
  page.figure(draw(report::LineChart{title, description, {"step"}, y, {line(palette.names()[0], series, *values)}}, palette));
}

}  // namespace

std::vector<report::Figure> histogram_figures(const HealthSeries& series) {
  std::vector<report::Figure> figures;
  for (const Kind& kind : kKinds) {
    const std::string prefix = std::string(kind.name) + "/";
    std::vector<size_t> parts;
    for (size_t i = 0; i < series.histograms.size(); ++i) {
      const auto& [name, list] = series.histograms[i];
      const bool filled = std::any_of(list.begin(), list.end(), [](const Histogram& h) { return h.total() > 0; });
      const bool norm = name.ends_with("norm");  // few numbers, near 1
      if (name.starts_with(prefix) && filled && !norm) parts.push_back(i);
    }
    for (const size_t p : spread_indices(parts.size(), kMaps)) {
      const auto& [name, list] = series.histograms[parts[p]];
      figures.push_back(draw(map_of(series, kind, name.substr(prefix.size()), list)));
    }
  }
  return figures;
}

void write_health_page(const std::string& path, const HealthSeries& series, const std::string& run, const std::string& command) {
  const report::Palette palette({run});
  report::Page page(run + ": the health of its steps", "adder probe --health", palette);
  const std::vector<SeriesFinding> found = series_findings(series);
  const std::string steps = std::to_string(series.steps.size()) + " steps from " + std::to_string(series.steps.front()) + " to " +
                            std::to_string(series.steps.back());
  page.verdict(found.empty() ? Tone::good : Tone::bad,
               found.empty() ? "nothing stands out" : std::to_string(found.size()) + " things stand out, the first one at step " +
                                                          std::to_string(found.front().first),
               "", steps + " were looked into; what came between them was not seen.");
  std::vector<std::pair<Tone, std::string>> items;
  for (const SeriesFinding& f : found)
    items.emplace_back(Tone::bad, f.finding.what + ": " + name(f.finding.verdict) + ": " + f.finding.text + "; at " +
                                      std::to_string(f.steps) + " of the steps");
  page.checklist(items);
  add_line(page, palette, series, "train/loss", "Loss of the steps looked into", "Of each step's own batch, before its update.", {"nats a token"});
  add_line(page, palette, series, "grad_norm", "Norm of the whole gradient", "Before clipping.", {"norm", true});
  if (const double scale = series.noise_scale(); !std::isnan(scale)) {
    page.paragraph("The gradient noise scale is " + rounded(scale) +
                   " rows, from the last 20 steps looked into: far smaller batches are mostly noise, far larger ones mostly repeat themselves.");
    add_line(page, palette, series, "health/gradient_noise", "Noise of the gradient", "tr(Sigma): the variance of one row's gradient, all its numbers together.", {"tr(Sigma)", true});
  }
  page.heading("Histograms over the training");
  for (const report::Figure& figure : histogram_figures(series)) page.figure(figure);
  page.paragraph("At most " + std::to_string(kMaps) + " parts of each kind are drawn, evenly spread over the model, norms left out; health.h5 and metrics.jsonl hold all.");
  page.command(command);
  report::write_page(path, page);
}

}  // namespace adder::lab
