#include "framework/training/trainer.h"

#include <chrono>
#include <cmath>
#include <limits>

#include "framework/core/error.h"
#include "framework/ops/cross_entropy.h"
#include "framework/training/clip.h"
#include "framework/training/model_file.h"
#include "framework/training/schedule.h"
#include "kernels/parallel.h"

namespace adder {
namespace {

OptimizerOptions optimizer_options(const OptimizerConfig& c) {
  OptimizerOptions o;
  o.name = c.name;
  o.beta1 = c.betas[0], o.beta2 = c.betas[1];
  o.eps = c.eps, o.weight_decay = c.weight_decay;
  o.momentum = c.momentum, o.nesterov = c.nesterov;
  return o;
}

ScheduleOptions schedule_options(const ScheduleConfig& c) {
  return {c.name, c.warmup_steps, c.decay_steps, c.min_learning_rate, c.decay_fraction};
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

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

constexpr char kAdvice[] =
    "try a lower optimizer.learning_rate, a longer schedule.warmup_steps or a training.clip_norm of 1 or less (0 is off)";

}  // namespace

Trainer::Trainer(const Config& config, std::unique_ptr<Model> model, const BatchSource& batches)
    : config_(config),
      model_(std::move(model)),
      batches_(batches),
      optimizer_(make_optimizer(optimizer_options(config.optimizer), model_->parameters())) {}

// Gradients of the mean over the step's micro-batches; returns their mean loss.
double Trainer::accumulate_gradients(bool require_finite) {
  const int64_t parts = config_.training.accumulate;
  model_->parameters().clear_gradients();
  double loss_sum = 0;
  for (int64_t micro = 0; micro < parts; ++micro) {
    const Batch batch = batches_.at(step_, micro);
    Tape tape;
    tape.require_finite(require_finite);
    Pass pass{.tape = &tape, .training = true, .seed = uint64_t(config_.seed), .step = uint64_t(step_ * parts + micro)};
    State state;
    const Var logits = model_->forward(pass, {batch.ids, {}}, state);
    const Var loss = ops::cross_entropy(logits, batch.labels, kIgnoreLabel);
    loss_sum += loss.value().item();
    tape.backward({{loss, Tensor::full(loss.shape(), 1.0 / double(parts), loss.dtype(), loss.device())}});
  }
  return loss_sum / double(parts);
}

StepReport Trainer::step() {
  const kernels::FlushSubnormals flush;
  const auto start = std::chrono::steady_clock::now();
  StepReport report;
  report.loss = accumulate_gradients(false);
  report.grad_norm = global_norm(model_->parameters());
  if (!std::isfinite(report.loss) || !std::isfinite(report.grad_norm)) report_divergence(report.loss, report.grad_norm);
  report.learning_rate = learning_rate(schedule_options(config_.schedule), config_.optimizer.learning_rate, step_);
  optimizer_->step(report.learning_rate, clip_scale(report.grad_norm, config_.training.clip_norm));
  model_->parameters().clear_gradients();
  tokens_ += batches_.batch_size() * batches_.length() * config_.training.accumulate;
  report.step = ++step_;
  report.tokens = tokens_;
  report.seconds = seconds_since(start);
  return report;
}

void Trainer::report_divergence(double loss, double norm) {
  std::string first = "forward values are all finite; the first ones that are not arise in backward";
  try {
    accumulate_gradients(true);  // the same step again, every value looked at
  } catch (const DivergedError& e) {
    first = e.what();
  }
  throw DivergedError("step " + std::to_string(step_ + 1) + ": loss " + plain(loss) + ", gradient norm " + plain(norm) + "; " +
                      first + ". The last checkpoint stays; " + kAdvice);
}

void Trainer::require_finite_parameters() const {
  const ParameterList& parameters = model_->parameters();
  for (size_t i = 0; i < parameters.size(); ++i)
    if (!all_finite(parameters[i].value))
      throw DivergedError("step " + std::to_string(step_) + ": " + parameters[i].name +
                          " is not finite after the update. These weights are not saved, earlier checkpoints stay; " +
                          kAdvice);
}

double Trainer::loss_of(const Batch& batch) {
  const kernels::FlushSubnormals flush;
  Pass pass;
  State state;
  return ops::cross_entropy(model_->forward(pass, {batch.ids, {}}, state), batch.labels, kIgnoreLabel).value().item();
}

Checkpoint Trainer::snapshot() const {
  Checkpoint c;
  const ParameterList& parameters = model_->parameters();
  c.model = stored_parameters(parameters);
  for (const auto& [slot, tensors] : optimizer_->slots()) {
    c.optimizer.emplace_back(slot, std::vector<NamedTensor>());
    for (size_t i = 0; i < tensors.size(); ++i) c.optimizer.back().second.push_back({parameters[i].name, tensors[i]});
  }
  c.step = step_;
  c.tokens = tokens_;
  c.best_loss = best_.loss, c.best_step = best_.step;
  c.data_cursor = step_ * config_.training.accumulate;
  c.config_json = to_json(config_);
  return c;
}

void Trainer::restore(const Checkpoint& c, const std::string& path) {
  ParameterList& parameters = model_->parameters();
  fill_parameters(parameters, c.model, path);
  for (const auto& [slot, tensors] : optimizer_->slots()) {
    const std::vector<NamedTensor>* stored = nullptr;
    for (const auto& [name, values] : c.optimizer)
      if (name == slot) stored = &values;
    if (!stored) throw UnreadableError(path + ": /optimizer/" + slot + " is missing; this file can't be resumed from");
    for (size_t i = 0; i < tensors.size(); ++i)
      tensors[i].copy_from(
          require_tensor(path, "/optimizer/" + slot, *stored, parameters[i].name, parameters[i].value.shape()));
  }
  if (c.data_cursor != c.step * config_.training.accumulate)
    throw UnreadableError(path + ": data_cursor is " + std::to_string(c.data_cursor) + " at step " + std::to_string(c.step) +
                          ", expected " + std::to_string(c.step * config_.training.accumulate));
  step_ = c.step;
  tokens_ = c.tokens;
  best_ = {c.best_loss, c.best_step};
  optimizer_->set_steps(c.step);
}

}  // namespace adder
