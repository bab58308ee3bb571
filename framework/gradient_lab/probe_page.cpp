#include <algorithm>
#include <cmath>

#include "framework/gradient_lab/magnitude.h"
#include "framework/gradient_lab/probe_report.h"
#include "framework/report/page.h"

namespace adder::lab {
namespace {

using report::Tone;

constexpr char kEmbeddings[] = "input embeddings";
constexpr double kFigureRatio = 1.03;  // between two lags that are drawn

Tensor profiles_of(const Tensor& all, int64_t index) {
  return some_rows(all, index, 1).reshape({all.dim(1), all.dim(2)});
}

// The mean over the probes at some lags, as logarithms.
report::Series series_of(const std::string& name, const Tensor& profiles, const std::vector<int64_t>& lags) {
  const std::vector<double> mean = mean_profile(profiles);
  report::Series s{name, {}, {}};
  for (const int64_t k : lags) s.x.push_back(double(k)), s.y.push_back(mean[size_t(k)]);
  return s;
}

// With the least and the largest of the probes around it.
report::Series banded(report::Series s, const Tensor& profiles) {
  const int64_t probes = profiles.dim(0), columns = profiles.dim(1);
  for (const double x : s.x) {
    double low = INFINITY, high = -INFINITY;
    for (int64_t p = 0; p < probes; ++p) {
      const double y = profiles.data<double>()[p * columns + int64_t(x)];
      low = std::min(low, y), high = std::max(high, y);
    }
    s.low.push_back(low), s.high.push_back(high);
  }
  return s;
}

report::Axis lag_axis() { return {"lag k (tokens)"}; }

report::LineChart embedding_chart(const Probe& probe) {
  const auto lags = spread_lags(0, probe.lags(), kFigureRatio);
  const Tensor& profiles = probe.profile.embedding;
  return {"How much the loss of a token owes to the tokens before it",
          "The norm of d loss at t / d embedding at t - k, mean of " + std::to_string(probe.probes()) +
              " probes; the band spans the probes. A straight line down is an exponential memory. Where the norm is exactly 0 there is no point.",
          lag_axis(), {"log10 of the norm"}, {banded(series_of(kEmbeddings, profiles, lags), profiles)}};
}

report::LineChart state_chart(const Probe& probe) {
  report::LineChart chart{"The same for the recurrent states",
                          "The norm of d loss at t / d the state that token t - k leaves, all its numbers together; means of the probes.",
                          lag_axis(), {"log10 of the norm"}, {}};
  const auto lags = spread_lags(1, probe.lags(), kFigureRatio);
  for (size_t s = 0; s < probe.profile.states.size(); ++s)
    chart.series.push_back(series_of(probe.profile.states[s], profiles_of(probe.profile.state, int64_t(s)), lags));
  return chart;
}

report::HeatMap stream_map(const Probe& probe) {
  report::HeatMap map;
  map.title = "The residual stream, by depth and lag";
  map.description = "log10 of the norm of d loss at t / d stream at t - k, means of the probes. At the last layer only the token's own place counts.";
  map.x = lag_axis(), map.value = {"log10 of the norm"};
  const auto lags = spread_lags(0, probe.lags(), 1.1);
  for (const int64_t k : lags) map.columns.push_back(double(k));
  for (size_t p = 0; p < probe.profile.places.size(); ++p) {
    const std::vector<double> mean = mean_profile(profiles_of(probe.profile.stream, int64_t(p)));
    map.rows.push_back(probe.profile.places[p]);
    map.values.emplace_back();
    for (const int64_t k : lags) map.values.back().push_back(std::isfinite(mean[size_t(k)]) ? mean[size_t(k)] : NAN);
  }
  return map;
}

// What training sees: by place and time, thinned to some hundred columns.
report::HeatMap total_map(const TotalAdjoint& total) {
  report::HeatMap map;
  map.title = "The gradient of the whole loss, by layer and time";
  map.description = "log10 of the norm of d (the sum of all losses) / d what stands there at token t, mean of the probes; of a state: what token t left, as the tokens after it feel it.";
  map.x = {"token t"}, map.value = {"log10 of the norm"};
  const int64_t length = total.norms.dim(1), step = std::max<int64_t>(1, length / 128);
  for (int64_t t = 0; t < length; t += step) map.columns.push_back(double(t));
  for (size_t p = 0; p < total.places.size(); ++p) {
    map.rows.push_back(total.places[p]);
    map.values.emplace_back();
    for (int64_t t = 0; t < length; t += step) {
      const double v = total.norms.data<double>()[int64_t(p) * length + t];
      map.values.back().push_back(std::isfinite(v) ? v : NAN);
    }
  }
  return map;
}

report::Table product_table(const Probe& probe) {
  report::Table table{{"block", "by", "over k steps", "sigma_max", "Frobenius norm", "stable rank"}, {}, 2};
  for (const LongProduct& p : probe.products)
    for (const JacobianNorms& n : p.norms)
      table.rows.push_back({p.block, p.method, std::to_string(n.lag), shown_power(n.sigma[0]), shown_power(n.frobenius),
                            rounded(n.stable_rank())});
  return table;
}

report::LineChart spectrum_chart(const Probe& probe) {
  report::LineChart chart{"Lyapunov exponents",
                          "Rates at which differences of a block's state grow (above 0) or shrink, the largest first; bands are two standard errors.",
                          {"exponent"}, {"nats a token"}, {}};
  chart.references = {{"neither", 0}};
  for (const Spectrum& s : probe.spectra) {
    report::Series line{s.block, {}, {}};
    line.markers = true;
    for (size_t i = 0; i < s.lyapunov.exponents.size(); ++i) {
      const double x = s.lyapunov.exponents[i], error = 2 * s.lyapunov.errors[i];
      line.x.push_back(double(i + 1)), line.y.push_back(x);
      line.low.push_back(x - error), line.high.push_back(x + error);
    }
    chart.series.push_back(std::move(line));
  }
  return chart;
}

report::Table spectrum_table(const Probe& probe) {
  report::Table table{{"block", "by", "numbers", "largest exponent", "standard error", "steps", "Kaplan-Yorke dimension"}, {}, 2};
  for (const Spectrum& s : probe.spectra) {
    const Lyapunov& l = s.lyapunov;
    table.rows.push_back({s.block, s.method, std::to_string(l.size), rounded(l.exponents[0]), rounded(l.errors[0]),
                          std::to_string(l.steps), rounded(l.kaplan_yorke())});
  }
  return table;
}

Tone tone_of(const std::vector<Finding>& findings) {
  const bool well = std::all_of(findings.begin(), findings.end(), [](const Finding& f) { return f.verdict == Verdict::healthy; });
  return well ? Tone::good : Tone::bad;
}

report::Palette palette_of(const Probe& probe) {
  std::vector<std::string> names = {kEmbeddings};
  names.insert(names.end(), probe.profile.states.begin(), probe.profile.states.end());
  for (const Spectrum& s : probe.spectra) names.push_back(s.block);
  return report::Palette(names);
}

}  // namespace

std::vector<int64_t> spread_lags(int64_t from, int64_t lags, double ratio) {
  std::vector<int64_t> list;
  for (int64_t k = from; k < lags; k = std::max(k + 1, int64_t(double(k) * ratio))) list.push_back(k);
  list.push_back(lags);
  return list;
}

std::string headline(const std::vector<Finding>& findings) {
  std::string text;
  for (const Verdict verdict : {Verdict::exploding, Verdict::vanishing}) {
    std::string places;
    for (const Finding& f : findings)
      if (f.verdict == verdict) places += (places.empty() ? "" : ", ") + f.what;
    if (places.empty()) continue;
    text += (text.empty() ? "the gradient " : "; it ") + std::string(verdict == Verdict::exploding ? "explodes: " : "vanishes: ") + places;
  }
  return text.empty() ? "the gradient neither vanishes nor explodes" : text;
}

std::string shown_memory(const MemoryLength& m) {
  if (std::isnan(m.rate)) return "none: no lag has a gradient";
  std::string text = std::isinf(m.xi()) ? "no decay over these lags" : rounded(m.xi()) + " tokens";
  if (!std::isnan(m.rate_low) && !std::isinf(m.xi())) text += " [" + rounded(m.xi_low()) + ", " + rounded(m.xi_high()) + "]";
  text += m.tenth < 0 ? "; a tenth is left at every lag" : "; below a tenth from lag " + std::to_string(m.tenth) + " on";
  return text + "; the fit misses by " + rounded(m.misfit) + " decades";
}

void write_probe_page(const std::string& path, const Probe& probe, const ProbeSubject& subject) {
  const report::Palette palette = palette_of(probe);
  report::Page page(subject.title, "adder probe", palette);
  page.verdict(tone_of(probe.findings), headline(probe.findings), "memory length " + shown_memory(probe.profile.memory),
               std::to_string(probe.probes()) + " probes over " + std::to_string(probe.lags()) +
                   " lags, in float64; one model, one text: other texts may be remembered differently.");
  std::vector<std::pair<Tone, std::string>> items;
  for (const Finding& f : probe.findings)
    items.emplace_back(f.verdict == Verdict::healthy ? Tone::good : Tone::bad, f.what + ": " + name(f.verdict) + ": " + f.text);
  page.checklist(items);
  page.figure(draw(embedding_chart(probe), palette));
  if (!probe.profile.states.empty()) page.figure(draw(state_chart(probe), palette));
  page.figure(draw(stream_map(probe)));
  page.figure(draw(total_map(probe.total)));
  if (!probe.spectra.empty()) {
    page.figure(draw(spectrum_chart(probe), palette));
    page.table(spectrum_table(probe), "Along the first stretch. NaN: more exponents would be needed.");
  }
  if (!probe.products.empty()) {
    page.heading("Products of Jacobians");
    page.table(product_table(probe), "d state at t / d state at t - k at the end of the first stretch: the most it stretches a difference, and how many directions it keeps (the stable rank, Frobenius norm over sigma_max, squared).");
  }
  page.heading("What was probed");
  page.facts(subject.facts);
  page.command(subject.command);
  report::write_page(path, page);
}

}  // namespace adder::lab
