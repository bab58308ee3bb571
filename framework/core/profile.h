// Where a training step's time goes: a lap timer. The time since the last lap belongs to the op that has just been
// recorded, or whose gradient the tape has just computed; the trainer names the rest (data, clip, optimizer). A tape or
// a trainer without a Profile measures nothing and pays nothing. For the one thread that trains.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace adder {

// The arithmetic of one op. A multiply-add counts as two FLOPs, an exponential (or a logarithm, sine, …) as one exp and
// no FLOP. Zeros: an op that moves memory and does little else. bytes: every operand once, read or written; less than
// zero: what record() finds in the shapes (forward: inputs and outputs; backward: inputs, adjoints, gradients).
struct Work {
  double flops = 0, backward_flops = 0;
  double exps = 0, backward_exps = 0;
  double bytes = -1, backward_bytes = -1;
  bool bf16 = false;  // the FLOPs are of bfloat16 operands
};

struct Cost {
  double seconds = 0, flops = 0, bytes = 0, exps = 0;
  double bf16_flops = 0;  // those of the FLOPs whose operands are bfloat16
  int64_t calls = 0;
  Cost& operator+=(const Cost& c);
};

class Profile {
 public:
  struct Row {
    std::string name;
    Cost forward, backward;
  };

  // The first step is forgotten when a second one begins: it fills caches and asks the system for memory.
  void begin_step();
  // The time since the last lap, and the work that was done in it, go to this row.
  void forward(const char* name, const Cost& work = {}) { lap(name, work, false); }
  void backward(const char* name, const Cost& work = {}) { lap(name, work, true); }
  void end_step();  // what no row has taken goes to "other"

  const std::vector<Row>& rows() const { return rows_; }  // in the order of their first laps
  int64_t steps() const { return steps_; }
  double seconds() const { return seconds_; }  // of all steps, begin to end, by a clock of its own
  Cost total() const;

 private:
  using Clock = std::chrono::steady_clock;
  void lap(const char* name, const Cost& work, bool backward);
  Row& row(const char* name);

  std::vector<Row> rows_;
  Clock::time_point began_{}, last_{};
  int64_t steps_ = 0;
  bool warm_ = false;
  double seconds_ = 0;
};

}  // namespace adder
