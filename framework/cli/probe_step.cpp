#include "framework/cli/probe_step.h"

#include <cmath>
#include <filesystem>

#include "framework/cli/command.h"
#include "framework/cli/output.h"
#include "framework/cli/training_run.h"
#include "framework/cli/version.h"
#include "framework/core/error.h"
#include "framework/gradient_lab/probe_report.h"
#include "framework/gradient_lab/step_probe.h"
#include "framework/training/durable_file.h"

namespace adder {
namespace {

struct StepSource {
  TrainingRun run;
  std::unique_ptr<Trainer> trainer;
  lab::Flat start;  // empty: not known
  std::string model;
};

void refuse(const Config& config, const std::string& where) {
  if (config.model.counts)
    throw UsageError(where + ": model.architecture is \"" + config.model.architecture +
                     "\", which learns by counting and takes no steps; adder probe --step takes every other architecture");
  if (config.training.batch_size * config.training.accumulate < 2)
    throw UsageError(where + ": a step reads training.batch_size * training.accumulate = 1 row, expected at least 2 for --step: the "
                             "spread of a batch is that of its rows");
}

// As training would begin, but in float64.
StepSource begun(Config config, const ModelFactory& factory) {
  StepSource s;
  config.precision = "float64";
  s.run = prepare_run(std::move(config), RunFolder(""), false, factory);
  s.trainer = std::make_unique<Trainer>(s.run.config, std::move(s.run.model), *s.run.batches);
  s.start = lab::flat_values(s.trainer->model().parameters());
  return s;
}

StepSource of_config(const ProbeStepOptions& options, const ModelFactory& factory) {
  const std::string& path = options.source.path;
  if (options.source.best) throw UsageError("--best chooses among a run's checkpoints, but " + path + " is a config");
  const Config config = load_config(path, options.source.planned.settings, factory);
  refuse(config, path);
  StepSource s = begun(config, factory);
  s.model = path + ", its first step";
  return s;
}

StepSource of_checkpoint(const ProbeStepOptions& options, const ModelFactory& factory) {
  if (!options.source.planned.settings.empty())
    throw UsageError("--set changes a config; " + options.source.path + " is a run or a checkpoint, whose step is what it is");
  const std::string path = resolve_checkpoint(options.source.path, options.source.best, warn);
  const Checkpoint checkpoint = read_checkpoint(path);
  Config config = parse_config(checkpoint.config_json, path + ":/meta/config", {}, factory, Use::stored);
  refuse(config, path);
  const bool known = config.initialize.from.empty();
  config.initialize.from.clear();  // its weights are the checkpoint's; those that it began with may be gone
  StepSource s = begun(config, factory);
  if (!known) s.start.clear();
  require_same_data(checkpoint, path, s.run.identity);
  s.trainer->restore(checkpoint, path);
  s.model = path + ", step " + with_commas(checkpoint.step + 1) + ", the one that follows it";
  return s;
}

JsonValue to_json(const lab::StepProbe& p, const lab::ProbeSubject& subject) {
  JsonValue result = JsonValue::object(), measures = JsonValue::object(), line = JsonValue::array(), costs = JsonValue::array();
  for (const auto& [name, value] : subject.facts) result.set(name, value);
  result.set("command", subject.command);
  result.set("step", p.step);
  result.set("rows", p.rows.rows);
  result.set("learning_rate", p.learning_rate);
  for (const lab::StepMeasure& m : lab::step_measures(p)) measures.set(m.key, m.value);
  result.set("measures", std::move(measures));
  for (const lab::LinePoint& point : p.line) {
    JsonValue entry = JsonValue::object();
    entry.set("position", point.position);
    entry.set("distance", point.distance);
    entry.set("loss", point.loss);
    line.push(std::move(entry));
  }
  result.set("line", std::move(line));
  for (const auto& [name, histogram] : {std::pair{"gradients", &p.gradients}, {"parameters", &p.parameters}})
    result.set(name, JsonValue::array(histogram->packed()));
  for (const auto& cost : p.costs) {
    JsonValue entry = JsonValue::object();
    entry.set("measure", cost.measure);
    entry.set("backwards", cost.backwards);
    entry.set("seconds", cost.seconds);
    costs.push(std::move(entry));
  }
  result.set("costs", std::move(costs));
  return result;
}

std::string padded(std::string text) {
  constexpr size_t kWidth = 12;
  if (text.size() < kWidth) text.resize(kWidth, ' ');
  return text;
}

void print_text(const lab::StepProbe& p, const lab::ProbeSubject& subject) {
  std::vector<std::vector<std::string>> costs;
  std::vector<std::pair<std::string, std::string>> rows;
  for (const lab::StepMeasure& m : lab::step_measures(p)) rows.emplace_back(m.name, padded(std::isnan(m.value) ? "none" : significant(m.value, 4)) + m.meaning);
  const double unit = p.costs[0].seconds;
  for (const auto& cost : p.costs)
    costs.push_back({cost.measure, significant(cost.backwards, 3), significant(cost.seconds / unit, 3), significant(cost.seconds, 3)});
  print(aligned(subject.facts) + "\n" + aligned(rows));
  print("\nWhat it cost, in backward passes over the step's rows\n" + table({"measure", "passes", "time, in passes", "seconds"}, costs));
}

void write_files(const std::string& folder, const lab::StepProbe& probe, const lab::ProbeSubject& subject, const JsonValue& result) {
  make_out_folder(folder);
  write_durably(folder + "/step.json", dump(result) + "\n");
  lab::write_step_page(folder + "/report.html", probe, subject);
  note(folder + ": report.html, step.json");
}

}  // namespace

int probe_step(const ProbeStepOptions& options, const ModelFactory& factory) {
  if (options.products < 0)
    throw UsageError("--products is " + std::to_string(options.products) + ", expected at least 1, or 0: none");
  StepSource source = options.source.path.ends_with(".json") ? of_config(options, factory) : of_checkpoint(options, factory);
  const Config& c = source.run.config;
  const std::string parameters = with_commas(source.trainer->model().parameters().count());
  const lab::StepProbe probe = lab::probe_step(*source.trainer, *source.run.batches, source.start, {options.products});
  const lab::ProbeSubject subject{c.model.architecture + ": a training step",
                                  {{"model", source.model + ", " + c.model.architecture + ", " + parameters + " parameters"},
                                   {"batch", std::to_string(probe.rows.rows) + " rows of " + with_commas(c.training.context_length) +
                                                 " tokens, data " + source.run.identity.data_hash},
                                   {"optimizer", c.optimizer.name + ", learning rate " + significant(probe.learning_rate, 4)},
                                   {"program", version_line()}},
                                  options.command};
  const JsonValue result = to_json(probe, subject);
  if (options.json) print_json(result);
  else print_text(probe, subject);
  if (!options.out.empty()) write_files(options.out, probe, subject, result);
  return kOk;
}

}  // namespace adder
