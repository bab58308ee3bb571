// adder plan: what a run will need, before it runs. Trains nothing, writes nothing.
#include "framework/measure/plan.h"

#include <CLI/CLI.hpp>

#include "framework/cli/command.h"
#include "framework/cli/compute_options.h"
#include "framework/cli/output.h"
#include "framework/cli/planned_config.h"
#include "framework/core/error.h"
#include "framework/measure/machine.h"

namespace adder {
namespace {

constexpr double kGiga = 1e9, kMilli = 1e-3;
constexpr double kMeasuring = 0.05;  // seconds a limit

struct PlanOptions {
  PlannedOptions planned;
  bool json = false, no_time = false;
  ComputeOptions compute;
};

std::string bytes(int64_t n) {
  const double mb = double(n) / (1024 * 1024);
  return mb < 1024 ? decimals(mb, 1) + " MB" : decimals(mb / 1024, 2) + " GB";
}

std::string shown_modules(const Plan& plan) {
  std::string text;
  for (const auto& [name, count] : plan.modules) text += (text.empty() ? "" : ", ") + name + " " + with_commas(count);
  return text;
}

std::string shown_looks(const MemoryPlan& m, const Config& c) {
  if (m.peak == m.step_peak) return "";
  return ", " + bytes(m.peak) + " where health is looked at (the first step, each " + std::to_string(c.logging.health) +
         "th and the last: logging.health)";
}

std::string shown_time(const Plan& plan, const Config& c, bool fits) {
  if (!fits) return "not predicted: the run does not fit into this machine's memory";
  if (plan.step.seconds <= 0) return "not asked for";
  return decimals(plan.step.seconds / kMilli, 1) + " ms a step, " +
         with_commas(int64_t(double(plan.tokens) / plan.step.seconds)) + " tokens/s, " + duration(plan.run_seconds) + " for " +
         with_commas(c.training.steps) + " steps (evaluations aside; from steps of " + std::to_string(plan.batch_size) +
         " x " + std::to_string(plan.context_length) + " tokens)";
}

void print_plan(const Plan& plan, const Config& c, int64_t vocabulary, const Machine& machine, bool fits) {
  const MemoryPlan& m = plan.memory;
  print(aligned({
      {"model", c.model.architecture + ", " + with_commas(plan.parameters) + " parameters, vocabulary " +
                    with_commas(vocabulary) + ", " + c.precision},
      {"", shown_modules(plan)},
      {"tokens", with_commas(plan.tokens) + " a step, " + with_commas(plan.tokens * c.training.steps) + " in " +
                     with_commas(c.training.steps) + " steps"},
      {"arithmetic", decimals(plan.step.flops / kGiga, 3) + " GFLOP and " + decimals(plan.step.exps / kGiga, 3) +
                         " G exponentials a step, " + with_commas(int64_t(plan.step.flops / double(plan.tokens))) +
                         " FLOP a token"},
      {"memory", bytes(m.weights) + " weights, " + bytes(m.gradients) + " gradients, " + bytes(m.optimizer) +
                     " optimizer, " + bytes(m.activations) + " activations"},
      {"", bytes(m.step_peak) + " of tensors at the peak of a step" + shown_looks(m, c) + ", for which the process grows by " +
               bytes(m.held) + "; " + bytes(machine.memory_to_use()) + " free here"},
      {"time", shown_time(plan, c, fits)},
  }));
}

JsonValue plan_json(const Plan& plan, const Config& c, int64_t vocabulary, const Machine& machine, bool fits) {
  JsonValue result = JsonValue::object(), modules = JsonValue::object(), memory = JsonValue::object();
  result.set("architecture", c.model.architecture);
  result.set("vocabulary", vocabulary);
  result.set("parameters", plan.parameters);
  for (const auto& [name, count] : plan.modules) modules.set(name, count);
  result.set("modules", std::move(modules));
  result.set("tokens_per_step", plan.tokens);
  result.set("steps", c.training.steps);
  result.set("flops_per_step", plan.step.flops);
  result.set("flops_per_token", plan.step.flops / double(plan.tokens));
  result.set("exps_per_step", plan.step.exps);
  memory.set("weights", plan.memory.weights);
  memory.set("gradients", plan.memory.gradients);
  memory.set("optimizer", plan.memory.optimizer);
  memory.set("activations", plan.memory.activations);
  memory.set("step_peak", plan.memory.step_peak);
  memory.set("peak", plan.memory.peak);
  memory.set("held", plan.memory.held);
  memory.set("available", machine.memory_to_use());
  result.set("memory", std::move(memory));
  result.set("fits", fits);
  if (plan.step.seconds > 0) {
    result.set("seconds_per_step", plan.step.seconds);
    result.set("seconds", plan.run_seconds);
    result.set("tokens_per_second", double(plan.tokens) / plan.step.seconds);
  }
  return result;
}

int plan_command(const PlanOptions& options, const ModelFactory& factory) {
  options.compute.apply();
  const auto [config, vocabulary] = load_planned(options.planned, factory);
  Plan plan = rehearse(config, factory, vocabulary);
  const Machine machine = this_machine();
  const bool fits = plan.memory.held < machine.memory_to_use();
  if (fits && !options.no_time)
    predict_time(plan, config, factory, vocabulary, measure_peak(config.dtype(), kMeasuring));
  if (options.json)
    print_json(plan_json(plan, config, vocabulary, machine, fits));
  else
    print_plan(plan, config, vocabulary, machine, fits);
  return kOk;
}

}  // namespace

Action declare_plan(CLI::App& app) {
  auto options = std::make_shared<PlanOptions>();
  app.add_option("CONFIG", options->planned.config, "the config file, such as configs/shakespeare_mamba.json")
      ->required()
      ->type_name("FILE");
  declare_planned(app, options->planned);
  app.add_flag("--no-time", options->no_time, "count only, run no step");
  app.add_flag("--json", options->json, "the result as one JSON document");
  declare_compute(app, options->compute);
  app.footer(
      "Memory is counted by going through a whole step without its arithmetic; time is predicted from a few real\n"
      "steps on random tokens, of 4096 tokens at most.\n"
      "Example: adder plan configs/shakespeare_mamba.json --set training.context_length=65536 --set training.batch_size=1");
  return [options](const ModelFactory& factory) { return plan_command(*options, factory); };
}

}  // namespace adder
