#include "framework/cli/probe_output.h"

#include <cmath>

#include "framework/cli/output.h"
#include "framework/gradient_lab/magnitude.h"

namespace adder {
namespace {

std::vector<double> mean_of(const Tensor& all, int64_t index) {
  return lab::mean_profile(lab::some_rows(all, index, 1).reshape({all.dim(1), all.dim(2)}));
}

// The mean profile of each series, from lag `first` on.
JsonValue profiles_json(const std::vector<std::string>& names, const Tensor& all, size_t first) {
  JsonValue result = JsonValue::object();
  for (size_t i = 0; i < names.size(); ++i) {
    const std::vector<double> mean = mean_of(all, int64_t(i));
    result.set(names[i], JsonValue::array(std::vector<double>{mean.begin() + long(first), mean.end()}));
  }
  return result;
}

JsonValue memory_json(const lab::MemoryLength& m) {
  JsonValue result = JsonValue::object();
  result.set("length", m.xi());
  result.set("low", m.xi_low());
  result.set("high", m.xi_high());
  result.set("misfit", m.misfit);
  result.set("tenth", m.tenth);
  result.set("reach", m.reach);
  return result;
}

JsonValue spectrum_json(const lab::Spectrum& s) {
  JsonValue result = JsonValue::object();
  result.set("block", s.block);
  result.set("method", s.method);
  result.set("size", s.lyapunov.size);
  result.set("steps", s.lyapunov.steps);
  result.set("exponents", JsonValue::array(s.lyapunov.exponents));
  result.set("errors", JsonValue::array(s.lyapunov.errors));
  result.set("kaplan_yorke", s.lyapunov.kaplan_yorke());
  return result;
}

JsonValue total_json(const lab::TotalAdjoint& total) {
  JsonValue result = JsonValue::object();
  const int64_t length = total.norms.dim(1);
  for (size_t p = 0; p < total.places.size(); ++p) {
    const double* row = total.norms.data<double>() + int64_t(p) * length;
    result.set(total.places[p], JsonValue::array(std::vector<double>{row, row + length}));
  }
  return result;
}

JsonValue products_json(const std::vector<lab::LongProduct>& products) {
  JsonValue list = JsonValue::array();
  for (const lab::LongProduct& p : products)
    for (const lab::JacobianNorms& n : p.norms) {
      JsonValue entry = JsonValue::object();
      entry.set("block", p.block);
      entry.set("method", p.method);
      entry.set("lag", n.lag);
      entry.set("sigma_max", n.sigma[0]);
      entry.set("frobenius", n.frobenius);
      entry.set("stable_rank", n.stable_rank());
      list.push(std::move(entry));
    }
  return list;
}

}  // namespace

JsonValue to_json(const std::vector<lab::Finding>& findings) {
  JsonValue list = JsonValue::array();
  for (const lab::Finding& f : findings) {
    JsonValue entry = JsonValue::object();
    entry.set("what", f.what);
    entry.set("verdict", lab::name(f.verdict));
    entry.set("text", f.text);
    list.push(std::move(entry));
  }
  return list;
}

JsonValue to_json(const lab::Probe& probe, const lab::ProbeSubject& subject) {
  JsonValue result = JsonValue::object(), spectra = JsonValue::array();
  for (const auto& [name, value] : subject.facts) result.set(name, value);
  result.set("command", subject.command);
  result.set("probes", probe.probes());
  result.set("lags", probe.lags());
  result.set("verdict", lab::headline(probe.findings));
  result.set("findings", to_json(probe.findings));
  result.set("memory", memory_json(probe.profile.memory));
  result.set("stream", profiles_json(probe.profile.places, probe.profile.stream, 0));
  result.set("states", profiles_json(probe.profile.states, probe.profile.state, 1));
  for (const lab::Spectrum& s : probe.spectra) spectra.push(spectrum_json(s));
  result.set("lyapunov", std::move(spectra));
  result.set("total", total_json(probe.total));
  result.set("long_jacobian", products_json(probe.products));
  return result;
}

namespace {

void print_profiles(const lab::Probe& probe) {
  const lab::LagProfile& p = probe.profile;
  std::vector<std::string> heads = {"lag"};
  std::vector<std::vector<double>> columns;
  for (size_t i = 0; i < p.places.size(); ++i) heads.push_back(p.places[i]), columns.push_back(mean_of(p.stream, int64_t(i)));
  for (size_t i = 0; i < p.states.size(); ++i) heads.push_back(p.states[i]), columns.push_back(mean_of(p.state, int64_t(i)));
  std::vector<std::vector<std::string>> rows;
  for (const int64_t k : lab::spread_lags(0, probe.lags(), 2)) {
    rows.push_back({std::to_string(k)});
    for (size_t i = 0; i < columns.size(); ++i)
      rows.back().push_back(k == 0 && i >= p.places.size() ? "" : lab::shown_power(columns[i][size_t(k)]));
  }
  print("\nThe norm of d loss at t / d what stands at t - lag, mean of the probes\n" + table(heads, rows, 0));
}

void print_spectra(const std::vector<lab::Spectrum>& spectra) {
  if (spectra.empty()) return;
  std::vector<std::vector<std::string>> rows;
  for (const lab::Spectrum& s : spectra) {
    std::string list;
    for (const double x : s.lyapunov.exponents) list += (list.empty() ? "" : " ") + significant(x, 3);
    rows.push_back({s.block, s.method, with_commas(s.lyapunov.size), significant(s.lyapunov.errors[0], 2), list});
  }
  print("\nLyapunov exponents, nats a token\n" + table({"block", "by", "numbers", "error", "the largest"}, rows, 2));
}

void print_products(const std::vector<lab::LongProduct>& products) {
  if (products.empty()) return;
  std::vector<std::vector<std::string>> rows;
  for (const lab::LongProduct& p : products)
    for (const lab::JacobianNorms& n : p.norms)
      rows.push_back({p.block, p.method, std::to_string(n.lag), lab::shown_power(n.sigma[0]), significant(n.stable_rank(), 3)});
  print("\nProducts of the state's Jacobians over the last k steps\n" +
        table({"block", "by", "k", "sigma_max", "stable rank"}, rows, 2));
}

}  // namespace

void print_text(const lab::Probe& probe, const lab::ProbeSubject& subject) {
  auto facts = subject.facts;
  facts.emplace_back("memory", lab::shown_memory(probe.profile.memory));
  print(aligned(facts));
  print_profiles(probe);
  print_spectra(probe.spectra);
  print_products(probe.products);
  std::string text = "\n";
  for (const lab::Finding& f : probe.findings) text += lab::name(f.verdict) + "  " + f.what + ": " + f.text + "\n";
  print(text + "\n" + lab::headline(probe.findings) + "\n");
}

}  // namespace adder
