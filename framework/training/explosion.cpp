// The trainer at a step that must not be made: how it tells, what it says of it, and how it goes on without it.
#include <cmath>
#include <limits>

#include "framework/core/error.h"
#include "framework/training/clip.h"
#include "framework/training/trainer.h"

namespace adder {
namespace {

constexpr char kAdvice[] =
    "try a lower optimizer.learning_rate, a longer schedule.warmup_steps or a training.clip_norm of 1 or less (0 is off)";

std::string plain(double x) {
  if (std::isnan(x)) return "nan";  // without the sign that printf shows
  char text[32];
  std::snprintf(text, sizeof text, "%g", x);
  return text;
}

bool all_finite(const Tensor& t) {
  const Tensor values = t.contiguous() ? t : t.clone();
  bool finite = true;
  by_dtype(values.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* x = values.data<T>();
    for (int64_t i = 0; i < values.size(); ++i) finite &= std::abs(x[i]) <= std::numeric_limits<T>::max();
  });
  return finite;
}

// The tensor with the largest share of the gradient.
std::string largest_gradient(const ParameterList& parameters, double norm) {
  size_t largest = 0;
  double most = -1;
  for (size_t i = 0; i < parameters.size(); ++i)
    if (const double n = norm_of(parameters[i].grad); n > most) most = n, largest = i;
  return parameters[largest].name + " has " + plain(100 * most * most / (norm * norm)) + " % of its square";
}

}  // namespace

// Why the step must not be made; empty where it may.
std::string Trainer::explosion(const StepReport& r) const {
  const GuardConfig& g = config_.guard;
  if (!std::isfinite(r.loss) || !std::isfinite(r.grad_norm)) return "not finite";
  if (g.grad_norm > 0 && r.grad_norm > g.grad_norm) return "the gradient is larger than guard.grad_norm, " + plain(g.grad_norm);
  const double spike = g.loss_spike > 0 ? history_.spike(r.loss) : 0;
  if (g.loss_spike > 0 && spike > g.loss_spike)
    return "the loss stands " + plain(spike) + " standard deviations above the median of the last ones, more than guard.loss_spike, " +
           plain(g.loss_spike);
  return "";
}

void Trainer::report_divergence(const StepReport& report) {
  failed_ = report;
  const std::string why = explosion(report);
  std::string first;
  if (why != "not finite") {
    first = why + "; " + largest_gradient(model_->parameters(), report.grad_norm);
  } else {
    first = "values and gradients are all finite one by one; their sum is not";
    try {
      accumulate_gradients(true);  // the same step again, every value looked at
    } catch (const DivergedError& e) {
      first = e.what();
    }
  }
  throw DivergedError("step " + std::to_string(report.step) + ": loss " + plain(report.loss) + ", gradient norm " +
                      plain(report.grad_norm) + "; " + first + ". The last checkpoint stays; " + kAdvice);
}

void Trainer::require_finite_parameters() const {
  const ParameterList& parameters = model_->parameters();
  for (size_t i = 0; i < parameters.size(); ++i)
    if (!all_finite(parameters[i].value))
      throw DivergedError("step " + std::to_string(step_) + ": " + parameters[i].name +
                          " is not finite after the update. These weights are not saved, earlier checkpoints stay; " +
                          kAdvice);
}

StepReport Trainer::skip_step() {
  StepReport report = failed_;
  model_->parameters().clear_gradients();
  tokens_ += batches_.batch_size() * batches_.length() * config_.training.accumulate;
  optimizer_->set_steps(++step_);
  report.tokens = tokens_;
  return report;
}

std::vector<NamedTensor> Trainer::batch_of_step() const {
  std::vector<NamedTensor> list;
  const int64_t parts = config_.training.accumulate;
  for (int64_t micro = 0; micro < parts; ++micro) {
    const Batch batch = batches_.at(step_, micro);
    const std::string part = parts > 1 ? "." + std::to_string(micro) : "";
    for (const auto& [name, tensor] : {std::pair{"ids", batch.ids}, {"labels", batch.labels}, {"resets", batch.resets},
                                       {"features", batch.features}, {"targets", batch.targets}})
      if (tensor.defined()) list.push_back({name + part, tensor.clone()});
  }
  return list;
}

}  // namespace adder
