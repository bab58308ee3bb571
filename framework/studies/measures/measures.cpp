#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/studies/measures/measure.h"

namespace adder::studies {

std::shared_ptr<Measure> make_quality();
std::shared_ptr<Measure> make_task();
std::shared_ptr<Measure> make_target();
std::shared_ptr<Measure> make_sensitivity();
std::shared_ptr<Measure> make_chain();
std::shared_ptr<Measure> make_extrapolation();
std::shared_ptr<Measure> make_positions();
std::shared_ptr<Measure> make_size();
std::shared_ptr<Measure> make_training();
std::shared_ptr<Measure> make_threads();
std::shared_ptr<Measure> make_decoding();
std::shared_ptr<Measure> make_throughput();
std::shared_ptr<Measure> make_reach();
std::shared_ptr<Measure> make_equality();

const std::vector<MeasureKind>& measure_kinds() {
  static const std::vector<MeasureKind> table = {
      {"quality", "loss of a trained model: a full pass over the test split", make_quality},
      {"task", "how well a trained model solves its task", make_task},
      {"target", "time, tokens and FLOPs until a loss is reached", make_target},
      {"sensitivity", "what a wrong learning rate costs, over the study's sweep", make_sensitivity},
      {"extrapolation", "loss of a trained model at lengths beyond that of training", make_extrapolation},
      {"positions", "loss of a trained model by position in the window", make_positions},
      {"size", "parameters, FLOPs, bytes of training and of the state", make_size},
      {"training", "time of a training step a token, against the length", make_training},
      {"threads", "what a second thread gains a training step of one sequence: parallel over time or not", make_threads},
      {"chain", "the longest chain of dependent steps of a training step, against the length", make_chain},
      {"decoding", "latency of a token at batch 1, against the context", make_decoding},
      {"throughput", "tokens a second of the largest batch whose states fit a budget of memory", make_throughput},
      {"reach", "how fast the gradient fades with the lag, before training", make_reach},
      {"equality", "recurrent = parallel: steps against the whole stretch", make_equality},
  };
  return table;
}

void require_positions(const Config& arm, int64_t tokens, const std::string& where, const std::string& use) {
  if (arm.model.positions == "learned" && arm.model.max_positions < tokens)
    throw UsageError(where + ": model.max_positions is " + std::to_string(arm.model.max_positions) + ", but " + use);
}

double fitted_exponent(const std::vector<double>& x, const std::vector<double>& y) {
  if (std::all_of(y.begin(), y.end(), [&](double v) { return v == y[0]; })) return 0;
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
  const double n = double(x.size());
  for (size_t i = 0; i < x.size(); ++i) mean_x += std::log(x[i]) / n, mean_y += std::log(y[i]) / n;
  for (size_t i = 0; i < x.size(); ++i) {
    const double dx = std::log(x[i]) - mean_x;
    xx += dx * dx, xy += dx * (std::log(y[i]) - mean_y);
  }
  return xy / xx;
}

}  // namespace adder::studies
