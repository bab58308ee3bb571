// adder train: config -> data -> model -> steps -> checkpoints, in a run folder.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>

#include "framework/cli/command.h"
#include "framework/cli/compute_options.h"
#include "framework/cli/count_run.h"
#include "framework/cli/interruption.h"
#include "framework/cli/output.h"
#include "framework/cli/probe_health.h"
#include "framework/cli/profile_report.h"
#include "framework/cli/run_observer.h"
#include "framework/cli/run_task.h"
#include "framework/cli/settings.h"
#include "framework/cli/training_run.h"
#include "framework/cli/version.h"
#include "framework/core/error.h"
#include "framework/data/hdf5.h"
#include "framework/data/utf8.h"
#include "framework/gradient_lab/step_health.h"
#include "framework/measure/plan.h"
#include "kernels/parallel.h"
#include "kernels/simd_target.h"

namespace adder {
namespace {

struct TrainOptions {
  std::string config;
  std::vector<std::string> settings;
  std::string out;
  bool resume = false, quiet = false, json = false, profile = false;
  ComputeOptions compute;
};

// ---- what is said before the first step ---------------------------------------------------------

using Rows = std::vector<std::pair<std::string, std::string>>;

std::string shown_data(const TrainingRun& run) {
  const auto tokens = [](const TokenSpan& span) { return with_commas(span.size()) + " tokens"; };
  std::string text =
      run.train.size() > 0 ? "train " + tokens(run.train) : run.config.data.batches + " (ready-made batches)";
  text += run.validation.size() > 0 ? ", validation " + tokens(run.validation) : ", no validation";
  return text + (run.test.size() > 0 ? ", test " + tokens(run.test) : "");
}

// What is read, and what its ids are.
Rows data_rows(const TrainingRun& run, const Model& model) {
  const std::string vocabulary = with_commas(model.vocabulary()) + " ids";
  if (!run.config.data.task.given())
    return {{"data", shown_data(run)},
            {"tokenizer", run.tokenizer ? run.tokenizer->name() + ", " + vocabulary : "none, " + vocabulary}};
  Rows rows = task_rows(run.config.data.task);
  rows.emplace_back("inputs", model.features() ? std::to_string(model.features()) + " real numbers a position" : vocabulary);
  return rows;
}

std::string shown_batches(const Config& c) {
  const std::string parts =
      c.training.accumulate > 1 ? std::to_string(c.training.accumulate) + " times " : "";
  return parts + std::to_string(c.training.batch_size) + " sequences of " +
         std::to_string(c.training.context_length) + " tokens a step, " + with_commas(c.training.steps) +
         " steps";
}

std::string megabytes(int64_t bytes) { return decimals(double(bytes) / (1024 * 1024), 1) + " MB"; }

void introduce(const TrainingRun& run, Trainer& trainer, const RunFolder& folder, const MemoryPlan& plan) {
  const Config& c = run.config;
  const int threads = kernels::threads();
  Rows rows = {{"model", c.model.architecture + ", " + with_commas(trainer.model().parameters().count()) +
                             " parameters, " + c.precision}};
  if (!c.initialize.from.empty()) rows.emplace_back("weights", c.initialize.from);
  for (auto& row : data_rows(run, trainer.model())) rows.push_back(std::move(row));
  if (run.source)
    rows.emplace_back("floor", decimals(run.floor.mean, 4) + " nats a token, " + run.floor.meaning);
  rows.emplace_back("batches", shown_batches(c));
  rows.emplace_back("machine", std::to_string(threads) + (threads == 1 ? " thread, " : " threads, ") +
                                   kernels::simd_target());
  rows.emplace_back("memory", megabytes(plan.peak) + " of tensors at the peak of a step");
  rows.emplace_back("run folder", folder.path());
  if (trainer.steps_done() > 0) rows.emplace_back("resumed", "at step " + with_commas(trainer.steps_done()));
  const std::string text = aligned(rows);
  note(version_line() + "\n" + text.substr(0, text.size() - 1));
}

// ---- and after the last -------------------------------------------------------------------------

struct Best {
  int64_t step = -1;
  double loss = std::nan("");
};

Best best_of(const RunFolder& folder) {
  try {
    const Hdf5File file = Hdf5File::open(folder.best_path());
    return {file.read_int64("/state/best_step"), file.read_double("/state/best_loss")};
  } catch (const UnreadableError&) {
    return {};  // the run kept none
  }
}

// How the training text begins: a prompt that the tokenizer is sure to know.
std::string example_prompt(const TrainingRun& run) {
  constexpr int64_t kTokens = 16;
  std::string bytes;
  for (int64_t i = 0; i < std::min(kTokens, run.train.size()); ++i)
    bytes += run.tokenizer->decode(run.train[i]);
  std::string text = StreamDecoder().push(bytes);
  const auto control = std::find_if(text.begin(), text.end(), [](char c) { return uint8_t(c) < 32; });
  text.erase(control, text.end());
  return text.empty() ? "The " : text;
}

void suggest(const TrainingRun& run, const RunFolder& folder) {
  const std::string where = shell_quoted(folder.path());
  std::vector<std::pair<std::string, std::string>> rows = {{"run folder", folder.path()}};
  if (run.tokenizer && run.train.size() > 0) {
    rows.emplace_back("try", "adder generate " + where + " --prompt " + shell_quoted(example_prompt(run)));
    if (run.validation.size() > 0) rows.emplace_back("", "adder eval " + where + " --by-position");
  }
  if (run.config.data.task.given()) rows.emplace_back("try", "adder eval " + where);
  rows.emplace_back(rows.size() == 1 ? "try" : "", "adder inspect " + where);
  print(aligned(rows));
}

JsonValue result_json(const Trainer& trainer, const RunObserver& observer, const RunFolder& folder,
                      const MemoryPlan& plan, double seconds, bool finished) {
  const Best best = best_of(folder);
  JsonValue result = JsonValue::object();
  result.set("run", folder.path());
  result.set("finished", finished);
  result.set("step", trainer.steps_done());
  result.set("tokens", trainer.tokens());
  result.set("seconds", seconds);
  if (observer.last_step()) result.set("train_loss", observer.last_step()->loss);
  if (observer.last_step())
    for (const auto& [name, value] : observer.last_step()->readings.values()) result.set(name, value);
  if (observer.last_evaluation()) add_evaluation(*observer.last_evaluation(), result);
  if (observer.last_scores()) {
    result.set("solved", observer.last_scores()->solved);
    result.set("lengths", lengths_json(trainer.config().data.task, observer.last_scores()->lengths));
  }
  if (trainer.solved_step() >= 0) result.set("solved_step", trainer.solved_step());
  if (best.step >= 0) {
    result.set("best_step", best.step);
    result.set("best_loss", best.loss);
  }
  result.set("planned_peak_bytes", plan.peak);
  if (observer.last_step()) result.set("peak_bytes", observer.peak_bytes());
  if (!observer.last_checkpoint().empty()) result.set("checkpoint", observer.last_checkpoint());
  return result;
}

std::string result_line(const Trainer& trainer, const RunObserver& observer, const RunFolder& folder,
                        double seconds) {
  std::string line =
      with_commas(trainer.steps_done()) + " steps, " + with_commas(trainer.tokens()) + " tokens";
  if (observer.last_step())
    line += " in " + duration(seconds) + "; train loss " + decimals(observer.last_step()->loss, 4);
  if (observer.last_scores())
    return line + "\n" + shown(*observer.last_scores()) +
           (trainer.solved_step() >= 0 ? " (first at step " + with_commas(trainer.solved_step()) + ")" : "");
  if (const auto& evaluation = observer.last_evaluation()) {
    line += ", validation loss " + decimals(evaluation->loss, 4);
    const double floor = metric(*evaluation, "eval/floor");
    if (!std::isnan(floor)) line += " (floor " + decimals(floor, 4) + ")";
  }
  if (observer.last_step())
    for (const auto& [name, value] : observer.last_step()->readings.values())
      line += ", " + name + " " + significant(value, 3);
  const Best best = best_of(folder);
  if (best.step >= 0) line += " (best " + decimals(best.loss, 4) + " at step " + with_commas(best.step) + ")";
  return line;
}

std::string resume_command(const TrainOptions& options, const RunFolder& folder) {
  std::string text = "adder train " + shell_quoted(options.config);
  for (const std::string& setting : options.settings) text += " --set " + shell_quoted(setting);
  return text + " --out " + shell_quoted(folder.path()) + " --resume";
}

// ---- the command --------------------------------------------------------------------------------

Config load(const TrainOptions& options, const ModelFactory& factory) {
  std::vector<std::string> settings = options.settings;
  if (!options.compute.device.empty()) settings.push_back("device=\"" + options.compute.device + "\"");
  return load_config(options.config, settings, factory);
}

// Beyond the schedule's horizon the rate stays at its least: a run that was made longer may learn nothing.
void warn_of_rest(const Config& c) {
  if (c.schedule.name == "constant" || c.training.steps <= c.schedule.decay_steps) return;
  warn("schedule.decay_steps is " + std::to_string(c.schedule.decay_steps) + ", so from there to step " +
       std::to_string(c.training.steps) + " the rate stays at schedule.min_learning_rate, " +
       significant(c.schedule.min_learning_rate, 3) +
       "; to train on at a higher rate begin a new run with initialize.from");
}

int train_here(const TrainOptions& options, TrainingRun& run, const RunFolder& folder, const MemoryPlan& plan) {
  arena::reset_peak();
  Trainer trainer(run.config, std::move(run.model), *run.batches);
  const Interruption interruption(true);
  folder.create();
  const RunLock lock(folder);
  check_folder(folder, options.resume);  // again: another process may have been quicker
  if (options.resume && !resume(trainer, folder, run.identity, warn))
    note("nothing to resume in " + folder.path() + ": starting at step 0");
  RunObserver observer(run, options.quiet, [&] { return interruption.requested(); });
  observer.events_in(folder.path());
  Profile profile;
  if (options.profile) trainer.profile(&profile);
  lab::StepHealth health(run.config, run.config.logging.health);
  trainer.watch(&health);
  const auto start = std::chrono::steady_clock::now();
  const auto evaluation_missing = [&] {
    return run.evaluates() && evaluation_is_missing(trainer, folder);
  };
  const bool done_before = is_done(trainer) && !evaluation_missing();
  Outcome outcome = Outcome::finished;
  if (done_before) {
    const bool early = trainer.steps_done() < run.config.training.steps;
    note(folder.path() + ": finished already, at step " + std::to_string(trainer.steps_done()) +
         (early ? ", where its task was solved; evaluation.stop_when_solved false goes on"
                : "; a larger training.steps goes on"));
  } else {
    folder.write_config(to_json(run.config));
    if (!options.quiet) introduce(run, trainer, folder, plan);
    warn_of_rest(run.config);
    try {
      outcome = train(trainer, folder, run.identity, observer, [&] { return interruption.requested(); });
    } catch (const DivergedError&) {
      if (run.config.logging.health > 0) write_run_health(folder.path());
      throw;
    }
    if (interruption.requested() && evaluation_missing()) outcome = Outcome::stopped;
  }
  observer.progress().clear();
  if (!done_before && run.config.logging.health > 0) write_run_health(folder.path());
  const bool finished = outcome == Outcome::finished;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!finished)
    note("stopped at step " + std::to_string(trainer.steps_done()) + ", saved as " +
         observer.last_checkpoint() + "; to go on:\n  " + resume_command(options, folder));
  const bool profiled = profile.steps() > 0;
  const MachinePeak peak = profiled ? measure_peak(run.config.dtype()) : MachinePeak();
  if (options.json) {
    JsonValue result = result_json(trainer, observer, folder, plan, seconds, finished);
    if (profiled) result.set("profile", profile_json(profile, peak));
    print_json(result);
  } else if (finished) {
    print(result_line(trainer, observer, folder, seconds) + "\n");
    suggest(run, folder);
  }
  if (profiled && !options.json) print("\n" + profile_table(profile, peak));
  return finished ? int(kOk) : interruption.exit_code();
}

int train_command(const TrainOptions& options, const ModelFactory& factory) {
  options.compute.apply();
  const Config config = load(options, factory);
  const RunFolder folder(options.out.empty() ? "runs/" + config.name : options.out);
  check_folder(folder, options.resume);
  TrainingRun run = prepare_run(config, folder, options.resume, factory);
  if (!run.model->differentiable())
    return count_run(run, folder, {options.resume, options.quiet, options.json, resume_command(options, folder)});
  const MemoryPlan plan = rehearse(run.config, factory, run.model->vocabulary()).memory;
  return train_here(options, run, folder, plan);
}

}  // namespace

Action declare_train(CLI::App& app) {
  auto options = std::make_shared<TrainOptions>();
  app.add_option("CONFIG", options->config, "the config file, such as configs/mamba_tiny.json")
      ->required()
      ->type_name("FILE");
  declare_settings(app, options->settings);
  app.add_option("--out", options->out, "the run's folder; default: runs/<name>")->type_name("DIR");
  app.add_flag("--resume", options->resume, "go on with the run in that folder, to the same bits");
  app.add_flag("--quiet", options->quiet, "no progress, only warnings and the result");
  app.add_flag("--json", options->json, "the result as one JSON document");
  app.add_flag("--profile", options->profile, "time by op after the run, beside this machine's limits, which it measures");
  declare_compute(app, options->compute);
  app.footer("Ctrl-C finishes the step, saves and exits with 130; a second one quits at once.");
  return [options](const ModelFactory& factory) { return train_command(*options, factory); };
}

}  // namespace adder
