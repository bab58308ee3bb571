#include "framework/cli/count_run.h"

#include <chrono>
#include <cmath>

#include "framework/cli/interruption.h"
#include "framework/cli/output.h"
#include "framework/cli/run_observer.h"
#include "framework/cli/version.h"
#include "framework/core/error.h"
#include "framework/training/counting.h"

namespace adder {
namespace {

void introduce(const TrainingRun& run, const RunFolder& folder) {
  std::vector<std::pair<std::string, std::string>> rows = {
      {"model", run.config.model.architecture + ", counted in one pass"},
      {"data", "train " + with_commas(run.train.size()) + " tokens, validation " +
                   with_commas(run.validation.size()) + " tokens"},
      {"tokenizer", run.tokenizer->name() + ", " + with_commas(run.tokenizer->vocabulary()) + " ids"},
      {"run folder", folder.path()},
  };
  if (run.source)
    rows.insert(rows.end() - 1, {"floor", decimals(run.floor.mean, 4) + " nats a token, " + run.floor.meaning});
  const std::string text = aligned(rows);
  note(version_line() + "\n" + text.substr(0, text.size() - 1));
}

void report(const CountingRun& counting, const RunObserver& observer, const RunFolder& folder, bool json,
            bool finished) {
  const auto& evaluation = observer.last_evaluation();
  if (json) {
    JsonValue result = JsonValue::object();
    result.set("run", folder.path());
    result.set("finished", finished);
    result.set("step", int64_t(counting.counted()));
    result.set("tokens", counting.tokens());
    if (evaluation) add_evaluation(*evaluation, result);
    if (counting.counted()) result.set("checkpoint", folder.checkpoint_path(1));
    return print_json(result);
  }
  if (!finished) return;
  const double floor = evaluation ? metric(*evaluation, "eval/floor") : std::nan("");
  print(with_commas(counting.tokens()) + " tokens counted" +
        (evaluation ? "; validation loss " + decimals(evaluation->loss, 4) : "") +
        (std::isnan(floor) ? "" : " (floor " + decimals(floor, 4) + ")") + "\n" +
        aligned({{"run folder", folder.path()}, {"try", "adder eval " + shell_quoted(folder.path())}}));
}

}  // namespace

int count_run(TrainingRun& run, const RunFolder& folder, const CountOptions& options) {
  auto& model = dynamic_cast<CountingModel&>(*run.model);
  const Interruption interruption;
  folder.create();
  const RunLock lock(folder);
  check_folder(folder, options.resume);  // again: another process may have been quicker
  CountingRun counting(model, run.config, folder, run.identity);
  if (options.resume && !counting.resume(warn)) note("nothing to resume in " + folder.path() + ": counting anew");
  RunObserver observer(run, options.quiet, [&] { return interruption.requested(); });
  Outcome outcome = Outcome::finished;
  if (counting.counted() && (run.validation.size() < 2 || !counting.evaluation_is_missing())) {
    note(folder.path() + ": finished already, " + with_commas(counting.tokens()) + " tokens are counted");
  } else {
    folder.write_config(to_json(run.config));
    if (!options.quiet) introduce(run, folder);
    outcome = counting.run(
        run.train, [&](Model& m) { return observer.evaluate(m); },
        [&](const EvaluationSummary& summary) { observer.on_evaluation(1, summary, false); },
        [&] { return interruption.requested(); });
  }
  const bool finished = outcome == Outcome::finished;
  if (!finished)
    note(std::string("stopped; ") + (counting.counted() ? "the counts are saved" : "nothing was saved") +
         "; to go on:\n  " + options.resume_command);
  report(counting, observer, folder, options.json, finished);
  return finished ? int(kOk) : interruption.exit_code();
}

}  // namespace adder
