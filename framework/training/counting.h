// The run of a model that counts (nn/counting_model.h): the folder, files and metrics of any run, and one step, the
// pass over the training tokens. Then evaluation, then checkpoints/step-00000001.h5.
#pragma once
#include <functional>
#include <optional>

#include "framework/data/tokens.h"
#include "framework/nn/counting_model.h"
#include "framework/training/trainer.h"

namespace adder {

class CountingRun {
 public:
  // All of them must outlive the run.
  CountingRun(CountingModel& model, const Config& config, const RunFolder& folder, const RunIdentity& identity)
      : model_(model), config_(config), folder_(folder), identity_(identity) {}

  // The counts of the folder's checkpoint; false where there is none. UnreadableError where it is damaged,
  // UsageError where it is of other data or of another tokenizer.
  bool resume(const Warn& warn);
  bool counted() const { return tokens_ > 0; }
  int64_t tokens() const { return tokens_; }
  bool evaluation_is_missing() const;  // though it was counted

  // What is not done yet: counts `text`, evaluates, saves. `stop` is asked while it counts; stopped then, nothing is
  // saved. `evaluate` gives none where there is nothing to evaluate on, or it was interrupted: the counts are saved
  // all the same.
  using Evaluate = std::function<std::optional<EvaluationSummary>(Model&)>;
  using Evaluated = std::function<void(const EvaluationSummary& summary)>;
  Outcome run(const TokenSpan& text, const Evaluate& evaluate, const Evaluated& evaluated,
              const std::function<bool()>& stop);

 private:
  bool count(const TokenSpan& text, const std::function<bool()>& stop);
  void save();

  CountingModel& model_;
  const Config& config_;
  const RunFolder& folder_;
  const RunIdentity& identity_;
  int64_t tokens_ = 0;
  BestLoss best_;
};

}  // namespace adder
