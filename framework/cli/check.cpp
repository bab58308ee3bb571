// adder check: what every model keeps, measured on this machine, for a config's model or for each
// architecture.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "framework/checks/check_model.h"
#include "framework/cli/command.h"
#include "framework/cli/compute_options.h"
#include "framework/cli/output.h"
#include "framework/cli/settings.h"
#include "framework/cli/starting_weights.h"
#include "framework/cli/version.h"
#include "framework/config/config.h"
#include "framework/core/error.h"
#include "framework/core/words.h"
#include "kernels/parallel.h"
#include "kernels/simd_target.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 97;  // logits are logits: the text's own vocabulary would only take time
constexpr char kSizes[] = R"(, "n_layers": 2, "d_model": 16)";
constexpr int64_t kManyParameters = 300000;  // beyond: shorter rows

struct CheckOptions {
  std::string config;
  std::vector<std::string> settings, only;
  bool json = false;
  ComputeOptions compute;
};

struct Subject {
  std::string name;
  ModelConfig model;
};

Subject of_config(const CheckOptions& options, const ModelFactory& factory) {
  Config config = load_config(options.config, options.settings, factory, Use::stored);
  if (!config.initialize.from.empty()) {
    const StartingWeights weights = read_weights(config.initialize.from, factory);
    adopt_model(config, weights.model, weights.where);
  }
  config.model.features = 0;  // of a task with real inputs the blocks alone: ids go in, logits come out
  return {options.config, config.model};
}

// A small one of each, and one whose blocks alternate.
std::vector<Subject> of_each_architecture(const CheckOptions& options, const ModelFactory& factory) {
  if (!options.settings.empty())
    throw UsageError("--set changes a config; give one: adder check CONFIG --set …");
  std::vector<Subject> subjects;
  const auto add = [&](const std::string& name, const std::string& more) {
    const std::string text =
        R"({"model": {"architecture": ")" + name + "\"" + more + "}}";
    subjects.push_back({name, parse_config(text, name, {}, factory, Use::stored).model});
  };
  const auto table = factory.architectures();
  for (const Architecture& a : table) add(a.name, a.counts ? "" : kSizes);
  if (table.size() > 1)
    add(kHybrid, std::string(kSizes) + R"(, "blocks": [{"architecture": ")" + table.front().name + R"("}, {"architecture": ")" +
                     table.back().name + R"("}])");
  return subjects;
}

// --only: names of subjects choose among them; what is left, parts of names, among the checks.
std::vector<std::string> choose(std::vector<Subject>& subjects, const std::vector<std::string>& only) {
  std::vector<std::string> chosen, checks;
  for (const std::string& word : only) {
    const bool subject =
        std::any_of(subjects.begin(), subjects.end(), [&](const Subject& s) { return s.name == word; });
    (subject ? chosen : checks).push_back(word);
  }
  if (!chosen.empty())
    std::erase_if(subjects, [&](const Subject& s) {
      return std::find(chosen.begin(), chosen.end(), s.name) == chosen.end();
    });
  return checks;
}

std::string shown(const ModelConfig& model, int64_t parameters) {
  if (model.counts) return model.architecture + ", no parameters: it counts";
  std::string text = model.architecture;
  if (model.hybrid()) {
    std::vector<std::string> names;
    for (const BlockConfig& block : model.blocks) names.push_back(block.architecture);
    text += " (" + listed(names) + ")";
  }
  return text + ", d_model " + std::to_string(model.d_model) + ", " + std::to_string(model.n_layers) +
         " layers, " + with_commas(parameters) + " parameters";
}

JsonValue to_json(const Subject& subject, int64_t parameters, const ModelReport& report) {
  JsonValue result = JsonValue::object(), checks = JsonValue::array();
  result.set("name", subject.name);
  result.set("architecture", subject.model.architecture);
  result.set("parameters", parameters);
  result.set("ok", report.ok());
  for (const ModelCheck& check : report.checks) {
    JsonValue entry = JsonValue::object();
    entry.set("name", check.name);
    entry.set("measured", check.measured);
    entry.set("ok", check.ok);
    entry.set("seconds", check.seconds);
    checks.push(std::move(entry));
  }
  result.set("checks", std::move(checks));
  return result;
}

JsonValue machine_json() {
  JsonValue machine = JsonValue::object(), targets = JsonValue::array();
  machine.set("version", version_line());
  machine.set("simd", kernels::simd_target());
  for (const std::string& target : kernels::simd_targets()) targets.push(JsonValue(target));
  machine.set("simd_targets", std::move(targets));
  machine.set("threads", int64_t(kernels::threads()));
  return machine;
}

void print_machine() {
  print(aligned(
      {{"program", version_line()},
       {"SIMD", kernels::simd_target() + " in use; this machine runs " + listed(kernels::simd_targets())},
       {"threads", std::to_string(kernels::threads())}}));
  flush_output();
}

int check_command(const CheckOptions& options, const ModelFactory& factory) {
  options.compute.apply();
  std::vector<Subject> subjects = options.config.empty() ? of_each_architecture(options, factory)
                                                         : std::vector{of_config(options, factory)};
  ModelCheckOptions how;
  how.only = choose(subjects, options.only);
  if (!options.json)
    how.on_check = [](const ModelCheck& check) {
      print(to_text(check) + "\n");
      flush_output();
    };
  if (!options.json) print_machine();
  JsonValue result = machine_json(), models = JsonValue::array();
  int64_t ran = 0, failed = 0;
  for (const Subject& subject : subjects) {
    const int64_t parameters = factory.make(subject.model, kVocabulary, 1, DType::f32)->parameters().count();
    how.length = parameters > kManyParameters ? 24 : ModelCheckOptions().length;
    how.memory_length = parameters > kManyParameters ? 256 : ModelCheckOptions().memory_length;
    if (!options.json) print("\n" + shown(subject.model, parameters) + "\n");
    const ModelReport report = check_model(factory, subject.model, kVocabulary, how);
    models.push(to_json(subject, parameters, report));
    ran += int64_t(report.checks.size());
    failed +=
        std::count_if(report.checks.begin(), report.checks.end(), [](const ModelCheck& c) { return !c.ok; });
  }
  result.set("models", std::move(models));
  result.set("ok", failed == 0);
  if (options.json)
    print_json(result);
  else
    print("\n" +
          (failed ? with_commas(failed) + " of " + with_commas(ran) + " checks FAILED"
                  : "all " + with_commas(ran) + " checks ok") +
          "\n");
  return failed ? kCheckFailed : kOk;
}

}  // namespace

Action declare_check(CLI::App& app) {
  auto options = std::make_shared<CheckOptions>();
  app.add_option("CONFIG", options->config,
                 "check this config's model at its own sizes; left out: a small model of each architecture")
      ->type_name("FILE");
  declare_settings(app, options->settings);
  app.add_option("--only", options->only,
                 "an architecture, or a part of a check's name (such as gradients); may be given again")
      ->type_name("NAME")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  app.add_flag("--json", options->json, "the result as one JSON document");
  declare_compute(app, options->compute);
  app.footer(
      "Each line is a promise, the figure that was measured, and whether it holds. The weights are random.\n"
      "Exit code 0: all hold, 5: one failed.\n"
      "Example: adder check configs/shakespeare_mamba.json --only gradients --only memory");
  return [options](const ModelFactory& factory) { return check_command(*options, factory); };
}

}  // namespace adder
