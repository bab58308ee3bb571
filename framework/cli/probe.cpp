// adder probe: how far back the gradient reaches, and where it vanishes or explodes.
#include <CLI/CLI.hpp>
#include <cmath>
#include <filesystem>

#include "framework/cli/command.h"
#include "framework/cli/compute_options.h"
#include "framework/cli/output.h"
#include "framework/cli/probe_source.h"
#include "framework/cli/version.h"
#include "framework/core/error.h"
#include "framework/gradient_lab/magnitude.h"
#include "framework/gradient_lab/probe_report.h"
#include "framework/training/durable_file.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
constexpr char kJsonFile[] = "probe.json", kDataFile[] = "probe.h5", kPageFile[] = "report.html";

struct ProbeOptions {
  ProbeSourceOptions source;
  int64_t exponents = 8;
  std::string out;
  bool json = false;
  ComputeOptions compute;
};

// ---- results ------------------------------------------------------------------------------------

JsonValue numbers(const std::vector<double>& values) {
  JsonValue list = JsonValue::array();
  for (const double v : values) list.push(JsonValue(v));
  return list;
}

std::vector<double> mean_of(const Tensor& all, int64_t index) {
  return lab::mean_profile(lab::some_rows(all, index, 1).reshape({all.dim(1), all.dim(2)}));
}

// The mean profile of each series, from lag `first` on.
JsonValue profiles_json(const std::vector<std::string>& names, const Tensor& all, size_t first) {
  JsonValue result = JsonValue::object();
  for (size_t i = 0; i < names.size(); ++i) {
    const std::vector<double> mean = mean_of(all, int64_t(i));
    result.set(names[i], numbers({mean.begin() + long(first), mean.end()}));
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
  result.set("exponents", numbers(s.lyapunov.exponents));
  result.set("errors", numbers(s.lyapunov.errors));
  result.set("kaplan_yorke", s.lyapunov.kaplan_yorke());
  return result;
}

JsonValue to_json(const lab::Probe& probe, const lab::ProbeSubject& subject) {
  JsonValue result = JsonValue::object(), spectra = JsonValue::array(), findings = JsonValue::array();
  for (const auto& [name, value] : subject.facts) result.set(name, value);
  result.set("command", subject.command);
  result.set("probes", probe.probes());
  result.set("lags", probe.lags());
  result.set("verdict", lab::headline(probe.findings));
  for (const lab::Finding& f : probe.findings) {
    JsonValue entry = JsonValue::object();
    entry.set("what", f.what);
    entry.set("verdict", lab::name(f.verdict));
    entry.set("text", f.text);
    findings.push(std::move(entry));
  }
  result.set("findings", std::move(findings));
  result.set("memory", memory_json(probe.profile.memory));
  result.set("stream", profiles_json(probe.profile.places, probe.profile.stream, 0));
  result.set("states", profiles_json(probe.profile.states, probe.profile.state, 1));
  for (const lab::Spectrum& s : probe.spectra) spectra.push(spectrum_json(s));
  result.set("lyapunov", std::move(spectra));
  return result;
}

// ---- for people ---------------------------------------------------------------------------------

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

void print_text(const lab::Probe& probe, const lab::ProbeSubject& subject) {
  auto facts = subject.facts;
  facts.emplace_back("memory", lab::shown_memory(probe.profile.memory));
  print(aligned(facts));
  print_profiles(probe);
  print_spectra(probe.spectra);
  std::string text = "\n";
  for (const lab::Finding& f : probe.findings) text += lab::name(f.verdict) + "  " + f.what + ": " + f.text + "\n";
  print(text + "\n" + lab::headline(probe.findings) + "\n");
}

// ---- the command --------------------------------------------------------------------------------

std::string command_line(const ProbeOptions& o) {
  std::string text = "adder probe " + shell_quoted(o.source.path) + (o.source.best ? " --best" : "");
  for (const std::string& setting : o.source.planned.settings) text += " --set " + shell_quoted(setting);
  if (o.source.planned.vocabulary) text += " --vocabulary " + std::to_string(o.source.planned.vocabulary);
  if (o.source.length) text += " --length " + std::to_string(o.source.length);
  text += " --probes " + std::to_string(o.source.probes) + " --exponents " + std::to_string(o.exponents);
  return text + (o.source.random ? " --random" : "");
}

void check_folder(const std::string& folder) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_directory(folder, error))
    throw UsageError("--out " + folder + ": is no folder, expected one, or a name that is free");
}

void write_files(const std::string& folder, const lab::Probe& probe, const lab::ProbeSubject& subject) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error("--out " + folder + ": no folder can be made there: " + error.message());
  write_durably(folder + "/" + kJsonFile, dump(to_json(probe, subject)) + "\n");
  lab::write_probe_file(folder + "/" + kDataFile, probe, subject);
  lab::write_probe_page(folder + "/" + kPageFile, probe, subject);
  note(folder + ": " + kPageFile + ", " + kDataFile + ", " + kJsonFile);
}

int probe_command(const ProbeOptions& options, const ModelFactory& factory) {
  options.compute.apply();
  if (options.exponents < 0)
    throw UsageError("--exponents is " + std::to_string(options.exponents) + ", expected at least 1, or 0: none");
  if (!options.out.empty()) check_folder(options.out);
  const ProbeSource source = open_probe(options.source, factory);
  const lab::ProbeSubject subject{source.architecture + ": where the gradient reaches",
                                  {{"model", source.model}, {"text", source.text}, {"program", version_line()}},
                                  command_line(options)};
  const lab::Probe probe = lab::probe(*source.net, source.ids, source.labels, options.exponents);
  if (options.json)
    print_json(to_json(probe, subject));
  else
    print_text(probe, subject);
  if (!options.out.empty()) write_files(options.out, probe, subject);
  return kOk;
}

}  // namespace

Action declare_probe(CLI::App& app) {
  auto options = std::make_shared<ProbeOptions>();
  ProbeSourceOptions& source = options->source;
  app.add_option("RUN|CHECKPOINT|CONFIG", source.path,
                 "a run's folder (its last checkpoint), a checkpoint file, or a config, CONFIG.json: its model untrained")
      ->required()
      ->type_name("PATH");
  app.add_flag("--best", source.best, "of a run: the checkpoint of the lowest evaluation loss");
  declare_planned(app, source.planned);
  app.add_option("--length", source.length, "tokens of a probe; default: the config's context, at most 1024; of a task: its length")
      ->type_name("L");
  app.add_option("--probes", source.probes, "stretches of tokens; the loss is that of each one's last token")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--exponents", options->exponents, "Lyapunov exponents of each recurrent block, the largest; 0: none")
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--random", source.random, "random tokens in place of the text");
  app.add_option("--out", options->out, "a folder for probe.json, probe.h5 and report.html")->type_name("DIR");
  app.add_flag("--json", options->json, "the result as one JSON document; norms as base-10 logarithms");
  declare_compute(app, options->compute);
  app.footer(
      "Norms are those of the gradient of one token's loss by what stood k tokens before, in float64; no norm is too small\n"
      "or too large to be shown. Nothing is trained, and the model is not changed.\n"
      "Example: adder probe configs/shakespeare_mamba.json --length 512 --out probes/mamba");
  return [options](const ModelFactory& factory) { return probe_command(*options, factory); };
}

}  // namespace adder
