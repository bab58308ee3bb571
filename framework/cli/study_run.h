// A training run of a study: as adder train would do it, resumed where it broke off, and its result.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "framework/config/config.h"
#include "framework/studies/measures/measure.h"
#include "framework/training/trainer.h"

namespace adder {

// The result once the run is done (studies/job.h); none where `stop` broke it off, which then is saved. A run that diverges
// has a result too: "failed" says where.
//   loss, tokens, split, windows    of the last step, a full pass over the test split, or validation where there is none;
//                                   windows: the mean loss of each, for paired comparisons
//   initial_loss                    of the first batch, before the first step
//   entropy_rate, source_loss       of a generated text: what its source itself loses, in the long run and on these tokens
//   task                            solved, steps, accuracy@<length>
//   curve                           [step, loss] of each evaluation on the validation split
std::optional<JsonValue> study_run(const Config& config, const std::string& folder, const ModelFactory& factory,
                                   const std::function<bool()>& stop, const std::function<void(const StepReport&)>& on_step);

// What `measure` reads of the run's last checkpoint; none where `stop` broke it off. A run that failed has no values.
std::optional<studies::Reread> study_rereading(const studies::Measure& measure, const std::string& folder, const ModelFactory& factory,
                                               const std::function<bool()>& stop);

}  // namespace adder
