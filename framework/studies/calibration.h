// Matching by time, match.budget: the arms' training steps are timed once, in turn, while nothing else runs; what they took
// is stored as any result is, and each arm trains for as many steps as fit into the reference's time.
#pragma once
#include "framework/studies/job.h"

namespace adder::studies {

inline constexpr int64_t kCalibrationRounds = 9;
inline constexpr double kCalibrationSeconds = 0.2;  // of steps, a round and arm

// steps_b = steps_a tokens_a pace_a / (tokens_b pace_b), rounded, with a the reference, tokens those of a step and pace the
// median of an arm's rounds, seconds a token. `result`: of the calibration's job, at `path`. UsageError where whole steps miss the
// time by more than match.tolerance, or a config refuses its steps.
void give_time(std::vector<Arm>& arms, const StudyConfig& study, const JsonValue& result, const std::string& path, const ModelFactory& factory);

}  // namespace adder::studies
