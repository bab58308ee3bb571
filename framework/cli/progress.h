// How a run shows itself while it trains: a bar on a terminal, one plain line every few steps elsewhere.
#pragma once
#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

#include "framework/cli/terminal.h"
#include "framework/training/trainer.h"

namespace adder {

// An exponential mean of the time that a step takes; evaluation and checkpoints are no part of it.
class StepTime {
 public:
  void add(double seconds);
  double mean() const;  // 0 before the first step

 private:
  double sum_ = 0, weight_ = 0;
};

struct ProgressState {
  int64_t step = 0, steps = 0;
  double loss = 0, learning_rate = 0;
  double tokens_per_second = 0, seconds_left = 0;
  double floor = std::numeric_limits<double>::quiet_NaN();  // of the loss, where it is known
};

// step 250/2000  loss 1.9876 (floor 1.8414)  rate 0.00098  12,345 tokens/s  ETA 2m03s
std::string progress_line(const ProgressState& state);
// [#####-----] 250/2000  loss 1.9876  12,345 tokens/s  ETA 2m03s    no wider than `width`, colour codes aside
std::string progress_bar(const ProgressState& state, int width, bool colour);

class Progress {
 public:
  // Plain lines come every `every` steps and at the last. Quiet: nothing at all.
  Progress(int64_t steps, int64_t tokens_per_step, int64_t every, bool quiet,
           double floor = ProgressState().floor);
  ~Progress() { clear(); }

  void step(const StepReport& report);
  void note(const std::string& line);  // a line of its own, above the bar
  void busy(const std::string& what);  // the bar's place is taken while something else goes on
  void clear();                        // no bar is left on the screen

 private:
  using Clock = std::chrono::steady_clock;
  void draw(const std::string& text);

  int64_t steps_, tokens_per_step_, every_;
  bool quiet_, drawn_ = false;
  double floor_;
  Terminal terminal_;
  StepTime time_;
  Clock::time_point last_drawn_{};
};

}  // namespace adder
