#include "framework/gradient_lab/step_health.h"

#include <algorithm>
#include <cmath>

#include "framework/training/clip.h"

namespace adder::lab {
namespace {

constexpr int64_t kManyWeights = 64;  // in few, one may well be most of all

int64_t count_key(const JsonValue& block, const char* key) {
  const JsonValue* value = block.find(key);
  return value && value->is(JsonValue::Kind::integer) ? value->integer : 0;
}

HeadsByBlock heads_of(const Config& config) {
  HeadsByBlock heads;
  Config copy = config;
  for (int64_t i = 0; i < copy.model.n_layers && !copy.model.counts; ++i) {
    BlockConfig& block = copy.model.blocks.empty() ? copy.model : copy.model.blocks[size_t(i) % copy.model.blocks.size()];
    const JsonValue keys = write_fields(block);
    const int64_t queries = count_key(keys, "n_heads"), others = count_key(keys, "n_kv_heads");
    if (queries > 0) heads["blocks." + std::to_string(i)] = {queries, others ? others : queries};
  }
  return heads;
}

std::vector<double> values_of(const Tensor& x) {
  const Tensor wide = x.to(DType::f64).contiguous() ? x.to(DType::f64) : x.clone().to(DType::f64);
  return {wide.data<double>(), wide.data<double>() + wide.size()};
}

double norm_of_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

double norm(const std::vector<double>& a) {
  double sum = 0;
  for (const double v : a) sum += v * v;
  return std::sqrt(sum);
}

double largest(const std::vector<double>& a) {
  double most = 0;
  for (const double v : a) most = std::max(most, std::abs(v));
  return most;
}

// The share of elements of Adam's v, corrected for its start, whose root is below 10 eps.
double share_below(const Tensor& v, double correction, double eps) {
  const double bound = 100 * eps * eps * correction;
  int64_t below = 0;
  by_dtype(v.dtype(), [&](auto zero) {
    const auto* x = v.data<decltype(zero)>();
    for (int64_t i = 0; i < v.size(); ++i) below += double(x[i]) < bound;
  });
  return double(below) / double(v.size());
}

}  // namespace

StepHealth::StepHealth(const Config& config, int64_t every)
    : every_(every), last_(config.training.steps), eps_(config.optimizer.eps), beta2_(config.optimizer.betas[1]),
      heads_(heads_of(config)) {}

bool StepHealth::wants(int64_t step) const {
  return every_ > 0 && (step == 1 || step == last_ || step % every_ == 0);
}

void StepHealth::on_tape(Tape& tape, int64_t step) {
  if (!activations_ || looked_ != step) activations_ = std::make_unique<ActivationHealth>(heads_);
  looked_ = step;
  activations_->watch(tape);
}

void StepHealth::on_gradients(const StepView& view) {
  times_ = {};
  told_ = {{"health/clip_scale", view.clip_scale}, {"health/clip_fraction", view.clip_fraction}, {"health/spike", view.spike}};
  before_.clear();
  {
    const Stopwatch watch(times_, "gradient_norms");
    for (size_t i = 0; i < view.parameters.size(); ++i)
      told_.emplace_back("health/grad_norm/" + view.parameters[i].name, norm_of(view.parameters[i].grad));
  }
  const Stopwatch watch(times_, "updates");
  for (size_t i = 0; i < view.parameters.size(); ++i) before_.push_back(values_of(view.parameters[i].value));
}

Metrics StepHealth::seen() const {
  Metrics metrics;
  if (!activations_) return metrics;
  if (const double growth = activations_->growth(); !std::isnan(growth)) metrics.emplace_back("health/stream_growth", growth);
  for (const auto& [name, value] : activations_->readings().values()) metrics.emplace_back("health/" + name, value);
  return metrics;
}

void StepHealth::tell_updates(const StepView& view) {
  const Stopwatch watch(times_, "updates");
  for (size_t i = 0; i < before_.size(); ++i) {
    const Parameter& p = view.parameters[i];
    const double weight = norm(before_[i]), update = norm_of_difference(values_of(p.value), before_[i]);
    told_.emplace_back("health/update/" + p.name, weight > 0 ? update / weight : update);
    if (p.value.size() >= kManyWeights)
      told_.emplace_back("health/outlier/" + p.name, weight > 0 ? std::pow(largest(before_[i]) / weight, 2) : 0);
  }
}

void StepHealth::tell_moments(const StepView& view) {
  const Stopwatch watch(times_, "adam");
  for (const auto& [slot, tensors] : view.optimizer.slots())
    for (size_t i = 0; slot == "v" && i < tensors.size(); ++i)
      if (tensors[i].defined())
        told_.emplace_back("health/below_eps/" + view.parameters[i].name,
                           share_below(tensors[i], 1 - std::pow(beta2_, double(view.step)), eps_));
}

Metrics StepHealth::on_update(const StepView& view) {
  tell_updates(view);
  tell_moments(view);
  const Metrics activations = seen();
  told_.insert(told_.end(), activations.begin(), activations.end());
  for (const auto& [name, value] : times_.values()) told_.emplace_back("health/" + name, value);
  activations_.reset(), before_.clear();
  return std::move(told_);
}

}  // namespace adder::lab
