// What the ops of a forward pass tell of a model's health, whatever its architecture: nothing of it is built into a model.
// A part is a place of the tape: "embedding", "blocks.0.mixer", "blocks.0.mlp"; "blocks.0" is the residual stream after
// that block. Ever the last value of a part is its own.
//   rms/<part>, kurtosis/<part>            of that value; 3 is normal, more: few elements hold most of it
//   gradient/<part>                        the norm of d loss / d it, mean of the step's passes
//   dead/<part>                            share of the units of relu, silu, gelu or swiglu that no sampled token moves
//   saturated/<part>                       share of |tanh| above 0.97: rnn, lstm, gru
//   closed/<part>.<gate>, open/<part>.<gate>   share of a gate below 0.05, above 0.95
//   time_step/<part>.low, .median, .high   deciles and median of Mamba's delta
//   time_constant/<part>.low, .median, .high   1 / (delta |A|), tokens
//   attention_logit/<part>                 the largest
//   attention_entropy/<part>               over the logarithm of the keys seen: 1 is even, 0 one key
//   log_z, logit                           mean of log Z, and the largest |logit|
//   seconds/<measure>                      that looking took
// and the histograms (nn/histogram.h)
//   time_step/<part>, time_constant/<part>   of the same
//   gate/<part>.<gate>                     of the odds g / (1 - g): 1 is half open, 19 is 0.95
// Large tensors are sampled: evenly spread rows, the same ones at every step.
#pragma once
#include <chrono>
#include <map>

#include "framework/core/tape.h"
#include "framework/nn/histogram.h"
#include "framework/nn/readings.h"

namespace adder::lab {

// Heads of queries, and of keys, of the blocks that attend: "blocks.0".
using HeadsByBlock = std::map<std::string, std::pair<int64_t, int64_t>>;

// Readings, and histograms that gather by name as they do.
class HealthReadings : public Readings {
 public:
  void histogram(const std::string& name, const std::vector<double>& values);
  Histograms histograms() const { return {histograms_.begin(), histograms_.end()}; }

 private:
  std::map<std::string, Histogram> histograms_;
};

class ActivationHealth {
 public:
  explicit ActivationHealth(HeadsByBlock heads = {}) : heads_(std::move(heads)) {}
  void watch(Tape& tape);         // before a forward pass; this must outlive its backward pass
  const HealthReadings& readings() const { return readings_; }
  double growth() const;          // of the residual stream: rms after the last block over that of the embedding; NaN: unknown

 private:
  void look(const Tape& tape, const std::string& op, const std::vector<Var>& outputs, const std::vector<Var>& inputs);
  void leave(const std::string& part, const std::string& next);
  double tell(const std::string& part, const Var& value);  // its rms

  HeadsByBlock heads_;
  HealthReadings readings_;
  std::string part_;
  Var last_;
  double first_rms_ = -1, last_rms_ = -1;
};

// Adds the time until its end to seconds/<measure>.
class Stopwatch {
 public:
  Stopwatch(Readings& readings, const char* measure) : readings_(readings), measure_(measure) {}
  ~Stopwatch() {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start_;
    readings_.total("seconds/" + std::string(measure_), taken.count());
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  Readings& readings_;
  const char* measure_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// What one op tells of itself, by its name; nothing where it is none of these.
void tell_activation(Readings& readings, const std::string& part, const std::string& op, const std::vector<Var>& outputs,
                     const std::vector<Var>& inputs);
void tell_gates(HealthReadings& readings, const std::string& part, const std::string& op, const std::vector<Var>& outputs,
                const std::vector<Var>& inputs);
void tell_time_steps(HealthReadings& readings, const std::string& part, const std::string& op, const std::vector<Var>& inputs);
void tell_attention(Readings& readings, const std::string& part, const std::vector<Var>& inputs, int64_t heads, int64_t kv_heads);

// "blocks.0.mixer" of blocks.0.mixer.conv or of blocks.0.mixer.in_proj.weight; "embedding" of embedding.
std::string part_of(const std::string& scope);

// At most `most` rows of x (its last axis), evenly spread, as doubles.
std::vector<std::vector<double>> sampled_rows(const Tensor& x, int64_t most);

}  // namespace adder::lab
