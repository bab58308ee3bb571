// What a run logged: metrics.jsonl as curves over steps.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace adder::report {

struct Curve {
  std::string name;                   // "train/loss"
  std::vector<double> steps, values;  // a value that is not finite stays
  double last() const { return values.back(); }
};

struct RunCurves {
  std::vector<Curve> curves;  // in the order in which they first appear
  int64_t last_step = 0;
  bool half_written = false;  // the last line breaks off: the run is being written, or was killed

  const Curve* find(const std::string& name) const;  // null where there is none
};

// UnreadableError names the file and line that is no object with a "step".
RunCurves read_curves(const std::string& metrics_path);

constexpr size_t kMostPoints = 400;  // of a curve on a page: more than a screen has columns for it
// No more than `most` points: of each stretch of steps the least and the largest, so that no spike is lost.
Curve thinned(const Curve& curve, size_t most = kMostPoints);

}  // namespace adder::report
