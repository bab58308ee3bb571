// adder probe: how far back the gradient reaches, and where it vanishes or explodes.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>

#include "framework/cli/command.h"
#include "framework/cli/compute_options.h"
#include "framework/cli/output.h"
#include "framework/cli/probe_coordinates.h"
#include "framework/cli/probe_dump.h"
#include "framework/cli/probe_health.h"
#include "framework/cli/probe_memory.h"
#include "framework/cli/probe_output.h"
#include "framework/cli/probe_source.h"
#include "framework/cli/probe_step.h"
#include "framework/cli/version.h"
#include "framework/core/error.h"
#include "framework/gradient_lab/magnitude.h"
#include "framework/gradient_lab/comparison.h"
#include "framework/training/durable_file.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
constexpr char kJsonFile[] = "probe.json", kDataFile[] = "probe.h5", kPageFile[] = "report.html", kFigureFile[] = "lag_profiles.svg",
               kCoordinatesFile[] = "coordinates.json";

struct ProbeOptions {
  std::vector<std::string> paths;
  ProbeSourceOptions source;  // of each of them; its own `path` is not looked at
  int64_t exponents = 8, products = 20;
  bool coordinates = false;
  lab::CoordinateOptions widths;
  std::string out;
  bool json = false, curse_of_memory = false, health = false, step = false;
  ComputeOptions compute;
};

// ---- the command --------------------------------------------------------------------------------

std::string command_line(const ProbeOptions& o) {
  std::string text = "adder probe";
  for (const std::string& path : o.paths) text += " " + shell_quoted(path);
  if (o.source.best) text += " --best";
  for (const std::string& setting : o.source.planned.settings) text += " --set " + shell_quoted(setting);
  if (o.source.planned.vocabulary) text += " --vocabulary " + std::to_string(o.source.planned.vocabulary);
  if (o.source.length) text += " --length " + std::to_string(o.source.length);
  text += " --probes " + std::to_string(o.source.probes);
  if (!o.coordinates) return text + " --exponents " + std::to_string(o.exponents) + (o.source.random ? " --random" : "");
  std::string widths;
  for (const int64_t width : o.widths.widths) widths += (widths.empty() ? "" : ",") + std::to_string(width);
  text += " --coordinates --widths " + widths + " --seeds " + std::to_string(o.widths.seeds) + " --steps " + std::to_string(o.widths.steps);
  return text + (o.source.random ? " --random" : "");
}

void check_folder(const std::string& folder) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_directory(folder, error))
    throw UsageError("--out " + folder + ": is no folder, expected one, or a name that is free");
}

void write_files(const std::string& folder, const lab::Probe& probe, const lab::ProbeSubject& subject, const JsonValue& result) {
  make_out_folder(folder);
  write_durably(folder + "/" + kJsonFile, dump(result) + "\n");
  lab::write_probe_file(folder + "/" + kDataFile, probe, subject);
  lab::write_probe_page(folder + "/" + kPageFile, probe, subject);
  note(folder + ": " + kPageFile + ", " + kDataFile + ", " + kJsonFile);
}

// The stem of a config, the folder of a run, a checkpoint with its folder; the place in the list where that is not enough.
std::string short_name(const std::vector<std::string>& paths, size_t i) {
  const auto stem = [](const std::string& path) { return fs::path(path).lexically_normal().stem().string(); };
  const std::string name = stem(paths[i]);
  for (size_t j = 0; j < paths.size(); ++j)
    if (j != i && stem(paths[j]) == name) return std::to_string(i + 1) + "-" + name;
  return name.empty() ? std::to_string(i + 1) : name;
}

lab::Compared probe_one(const ProbeOptions& options, size_t i, const ModelFactory& factory) {
  ProbeSourceOptions one = options.source;
  one.path = options.paths[i];
  const ProbeSource source = open_probe(one, factory);
  ProbeOptions alone = options;
  alone.paths = {one.path};
  const lab::ProbeSubject subject{source.architecture + ": where the gradient reaches",
                                  {{"model", source.model}, {"text", source.text}, {"program", version_line()}},
                                  command_line(alone)};
  return {short_name(options.paths, i), lab::probe(*source.net, source.ids, source.labels, options.exponents), subject};
}

void write_comparison(const std::string& folder, const std::vector<lab::Compared>& models, const std::string& command) {
  for (const lab::Compared& m : models) write_files(folder + "/" + m.name, m.probe, m.subject, to_json(m.probe, m.subject));
  lab::write_comparison_file(folder + "/" + kDataFile, models, command);
  lab::write_comparison_page(folder + "/" + kPageFile, models, command);
  lab::write_comparison_figure(folder + "/" + kFigureFile, models);
  note(folder + ": " + kPageFile + ", " + kFigureFile + ", " + kDataFile);
}

void print_comparison(const std::vector<lab::Compared>& models) {
  std::vector<std::string> heads = {"lag"};
  std::vector<std::vector<std::string>> rows;
  std::vector<std::vector<double>> means;
  for (const lab::Compared& m : models) heads.push_back(m.name), means.push_back(lab::mean_profile(m.probe.profile.embedding));
  for (const int64_t k : lab::spread_lags(1, models[0].probe.lags(), 2)) {
    rows.push_back({std::to_string(k)});
    for (const auto& mean : means) rows.back().push_back(lab::shown_power(mean[size_t(k)] - mean[1]));
  }
  print("The norm of d loss at t / d embedding at t - lag over that at lag 1, mean of the probes\n" + table(heads, rows, 0) + "\n");
  std::vector<std::pair<std::string, std::string>> facts;
  for (const lab::Compared& m : models)
    facts.emplace_back(m.name, "memory " + lab::shown_memory(m.probe.profile.memory) + "; " + lab::headline(m.probe.findings));
  print(aligned(facts));
}

const std::string& only_path(const ProbeOptions& options, const std::string& flag) {
  if (options.paths.size() > 1)
    throw UsageError(flag + " looks at one source, but " + std::to_string(options.paths.size()) + " were given: " + options.paths[0] +
                     ", " + options.paths[1] + (options.paths.size() > 2 ? ", …" : ""));
  return options.paths[0];
}

int step_command(const ProbeOptions& options, const ModelFactory& factory) {
  ProbeStepOptions step{options.source, options.products, options.out, "", options.json};
  step.source.path = only_path(options, "--step");
  step.command = "adder probe " + shell_quoted(step.source.path) + (options.source.best ? " --best" : "");
  for (const std::string& setting : options.source.planned.settings) step.command += " --set " + shell_quoted(setting);
  step.command += " --step --products " + std::to_string(options.products);
  return probe_step(step, factory);
}

int compare(const ProbeOptions& options, const ModelFactory& factory) {
  std::vector<lab::Compared> models;
  for (size_t i = 0; i < options.paths.size(); ++i) models.push_back(probe_one(options, i, factory));
  lab::require_comparable(models);
  JsonValue list = JsonValue::object();
  for (const lab::Compared& m : models) list.set(m.name, to_json(m.probe, m.subject));
  if (options.json) print_json(list);
  else print_comparison(models);
  if (!options.out.empty()) write_comparison(options.out, models, command_line(options));
  return kOk;
}

// Of a dump of the guard: what happened. It is said at once, before its model is probed.
std::optional<DumpStory> story_of(const std::string& path, const ModelFactory& factory) {
  if (!is_dump(path)) return std::nullopt;
  const DumpStory story = explain_dump(path, factory);
  note("the guard stopped this step: " + story.reason + "\nthe same step made again:" + said(story));
  return story;
}

int check_widths(const ProbeOptions& options, const ModelFactory& factory) {
  if (options.paths.size() > 1)
    throw UsageError("--coordinates takes one config, found " + std::to_string(options.paths.size()) + " paths");
  ProbeSourceOptions one = options.source;
  one.path = options.paths[0];
  require_coordinates(one, options.widths);
  const ProbeSource source = open_probe(one, factory);
  const lab::Coordinates coordinates = coordinates_of(source, factory, options.widths);
  const JsonValue result = to_json(coordinates, source, command_line(options));
  if (options.json) print_json(result);
  else print_text(coordinates, source);
  if (!options.out.empty()) {
    make_out_folder(options.out);
    write_durably(options.out + "/" + kCoordinatesFile, dump(result) + "\n");
    lab::write_coordinate_page(options.out + "/" + kPageFile, coordinates, coordinate_facts(source), command_line(options));
    note(options.out + ": " + kPageFile + ", " + kCoordinatesFile);
  }
  return coordinates.passed() ? kOk : kCheckFailed;
}

int probe_command(const ProbeOptions& options, const ModelFactory& factory) {
  options.compute.apply();
  if (options.exponents < 0)
    throw UsageError("--exponents is " + std::to_string(options.exponents) + ", expected at least 1, or 0: none");
  if (!options.out.empty()) check_folder(options.out);
  if (options.curse_of_memory) {
    if (!options.paths.empty()) throw UsageError("--curse-of-memory looks at a recurrence alone, not at " + options.paths[0] + "; leave one of them out");
    if (!options.out.empty()) make_out_folder(options.out);
    return probe_curse_of_memory(options.out, options.json);
  }
  if (options.paths.empty()) throw UsageError("nothing to probe was given, expected RUN, CHECKPOINT or CONFIG; see adder probe --help");
  if (options.coordinates) return check_widths(options, factory);
  if (options.health) return probe_health(only_path(options, "--health"), options.out, options.json);
  if (options.step) return step_command(options, factory);
  if (options.paths.size() > 1) return compare(options, factory);
  const std::optional<DumpStory> story = story_of(options.paths[0], factory);
  try {
    const lab::Compared m = probe_one(options, 0, factory);
    JsonValue result = to_json(m.probe, m.subject);
    if (story) result.set("dump", to_json(*story));
    if (options.json) print_json(result);
    else print_text(m.probe, m.subject);
    if (!options.out.empty()) write_files(options.out, m.probe, m.subject, result);
  } catch (const DivergedError& problem) {
    if (!story) throw;  // of a dump it is no surprise: what the step made again tells is all there is
    JsonValue result = JsonValue::object();
    result.set("dump", to_json(*story));
    if (options.json) print_json(result);
    note(std::string("this model is not probed further: ") + problem.what());
  }
  return kOk;
}

}  // namespace

Action declare_probe(CLI::App& app) {
  auto options = std::make_shared<ProbeOptions>();
  ProbeSourceOptions& source = options->source;
  app.add_option("RUN|CHECKPOINT|CONFIG", options->paths,
                 "a run's folder (its last checkpoint), a checkpoint file, or a config, CONFIG.json: its model untrained; several are compared")
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
  app.add_flag("--curse-of-memory", options->curse_of_memory,
               "no model: how strongly h = lambda h + x feels lambda, measured and by formula, in four parametrisations");
  app.add_flag("--random", source.random, "random tokens in place of the text");
  auto* coordinates = app.add_flag("--coordinates", options->coordinates,
               "the coordinate check of muP: of a config, models of several widths take a few steps on the probes' tokens; fails (exit "
               "code 5) where the size of an activation depends on the width");
  coordinates->excludes("--curse-of-memory");
  app.add_option("--widths", options->widths.widths, "values of d_model, rising")
      ->type_name("D,D,...")
      ->delimiter(',')
      ->needs(coordinates)
      ->capture_default_str();
  app.add_option("--seeds", options->widths.seeds, "models of each width")->type_name("N")->needs(coordinates)->capture_default_str();
  app.add_option("--steps", options->widths.steps, "steps of each model")->type_name("N")->needs(coordinates)->capture_default_str();
  CLI::Option* health = app.add_flag("--health", options->health, "of a run: what its watched steps told (logging.health), and nothing else; --out: with health.h5");
  CLI::Option* step = app.add_flag("--step", options->step, "the next training step taken apart instead: its rows' gradients, the loss along it, the Hessian");
  for (const char* other : {"--length", "--probes", "--exponents", "--random", "--vocabulary", "--curse-of-memory", "--coordinates"})
    step->excludes(app.get_option(other)), health->excludes(app.get_option(other));
  for (const char* other : {"--length", "--probes", "--exponents", "--random", "--vocabulary", "--best", "--set"})
    app.get_option("--curse-of-memory")->excludes(app.get_option(other));
  coordinates->excludes(app.get_option("--exponents"));
  for (const char* other : {"--step", "--best", "--set"}) health->excludes(app.get_option(other));
  app.add_option("--products", options->products, "of --step: Hessian-vector products, at most so many for the largest eigenvalue, half as many for the trace; 0: none")
      ->type_name("N")
      ->capture_default_str()
      ->needs(step);
  app.add_option("--out", options->out, "a folder for probe.json, probe.h5 and report.html; of several, each one's own below it")->type_name("DIR");
  app.add_flag("--json", options->json, "the result as one JSON document; norms as base-10 logarithms");
  declare_compute(app, options->compute);
  app.footer(
      "Norms are those of the gradient of one token's loss by what stood k tokens before, in float64; no norm is too small\n"
      "or too large to be shown. Nothing is trained but for --coordinates, and the model is not changed.\n"
      "--step is of the batch that would come next, with the run's optimizer; each measure's cost is told with it.\n"
      "Example: adder probe configs/shakespeare_mamba.json --length 512 --out probes/mamba");
  return [options](const ModelFactory& factory) { return probe_command(*options, factory); };
}

}  // namespace adder
