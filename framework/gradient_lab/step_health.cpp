#include "framework/gradient_lab/step_health.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "framework/gradient_lab/gradient_noise.h"
#include "framework/ops/matrix.h"
#include "framework/training/clip.h"
#include "kernels/parallel.h"

namespace adder::lab {
namespace {

constexpr int64_t kManyWeights = 64;  // in few, one may well be most of all
constexpr int64_t kSampled = 1 << 15;  // elements of a tensor that stand for all: a ratio of norms is then known to 0.5 %
constexpr int64_t kBlock = 1 << 16;    // elements that a task goes through
constexpr int64_t kCounted = 1 << 14;  // elements of a part that its histograms count

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

// All elements of a tensor, or of a large one every so many, evenly spread; the stride is odd, so that it meets all columns.
std::vector<double> sample_of(const Tensor& x) {
  const int64_t stride = (x.size() / kSampled) | 1;
  const Tensor whole = ops::dense(x);
  std::vector<double> values;
  values.reserve(size_t(x.size() / stride + 1));
  by_dtype(whole.dtype(), [&](auto zero) {
    const auto* at = whole.data<decltype(zero)>();
    for (int64_t i = 0; i < whole.size(); i += stride) values.push_back(double(at[i]));
  });
  return values;
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

// |x - y|^2, summed block by block.
double square_of_difference(const Tensor& x, const Tensor& y) {
  const Tensor a = ops::dense(x), b = ops::dense(y);
  std::vector<double> parts(static_cast<size_t>((a.size() + kBlock - 1) / kBlock));
  by_dtype(a.dtype(), [&](auto zero) {
    const auto *left = a.data<decltype(zero)>(), *right = b.data<decltype(zero)>();
    kernels::parallel_for(int64_t(parts.size()), [&](int64_t part) {
      double sum = 0;
      for (int64_t i = part * kBlock; i < std::min(a.size(), (part + 1) * kBlock); ++i) sum += std::pow(double(left[i]) - double(right[i]), 2);
      parts[size_t(part)] = sum;
    });
  });
  return std::accumulate(parts.begin(), parts.end(), 0.0);
}

// The largest |x|.
double largest(const Tensor& x) {
  const Tensor whole = ops::dense(x);
  std::vector<double> parts(static_cast<size_t>((whole.size() + kBlock - 1) / kBlock));
  by_dtype(whole.dtype(), [&](auto zero) {
    const auto* at = whole.data<decltype(zero)>();
    kernels::parallel_for(int64_t(parts.size()), [&](int64_t part) {
      auto most = zero;
      for (int64_t i = part * kBlock; i < std::min(whole.size(), (part + 1) * kBlock); ++i) most = std::max(most, std::abs(at[i]));
      parts[size_t(part)] = double(most);
    });
  });
  return *std::max_element(parts.begin(), parts.end());
}

// The share of elements of Adam's v, corrected for its start, whose root is below 10 eps.
double share_below(const Tensor& v, double correction, double eps) {
  const double bound = 100 * eps * eps * correction;
  const std::vector<double> values = sample_of(v);
  return double(std::count_if(values.begin(), values.end(), [&](double x) { return x < bound; })) / double(values.size());
}

// Every so many elements of these tensors, as if they were one. The stride is odd, so that it meets all columns.
void count(Histogram& histogram, const std::vector<Tensor>& tensors) {
  int64_t size = 0, at = 0;
  for (const Tensor& t : tensors) size += t.size();
  const int64_t stride = (size / kCounted) | 1;
  for (const Tensor& t : tensors) {
    const Tensor whole = ops::dense(t);
    by_dtype(whole.dtype(), [&](auto zero) {
      const auto* x = whole.data<decltype(zero)>();
      for (; at < whole.size(); at += stride) histogram.add(double(x[at]));
    });
    at -= whole.size();
  }
}

}  // namespace

StepHealth::StepHealth(const Config& config, int64_t every)
    : every_(every), last_(config.training.steps), batch_size_(config.training.batch_size), eps_(config.optimizer.eps), beta2_(config.optimizer.betas[1]),
      heads_(heads_of(config)) {}

bool StepHealth::wants(int64_t step) const {
  return every_ > 0 && (step == 1 || step == last_ || step % every_ == 0);
}

void StepHealth::on_tape(Tape& tape, int64_t step) {
  if (!activations_ || looked_ != step) activations_ = std::make_unique<ActivationHealth>(heads_);
  looked_ = step;
  activations_->watch(tape);
}

// The gradient gathers: what a micro-batch added is the difference.
void StepHealth::on_micro_batch(const ParameterList& parameters, int64_t index, int64_t count) {
  if (index == 0) sums_.clear(), micro_squares_.clear(), noise_times_ = {};
  const Stopwatch watch(noise_times_, "noise");
  double squares = 0;
  sums_.resize(parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Tensor& sum = parameters[i].grad;
    if (!sum.defined()) continue;
    squares += sums_[i].defined() ? square_of_difference(sum, sums_[i]) : std::pow(norm_of(sum), 2);
    if (index + 1 < count) sums_[i] = sum.clone();
  }
  micro_squares_.push_back(squares * double(count) * double(count));  // each adds a count-th of its own gradient
  if (index + 1 == count) sums_.clear();
}

void StepHealth::on_gradients(const StepView& view) {
  times_ = noise_times_;
  told_ = {{"health/clip_scale", view.clip_scale}, {"health/clip_fraction", view.clip_fraction}, {"health/spike", view.spike}};
  before_.clear();
  double square = 0;
  {
    const Stopwatch watch(times_, "gradient_norms");
    for (size_t i = 0; i < view.parameters.size(); ++i) {
      const double norm = norm_of(view.parameters[i].grad);
      told_.emplace_back("health/grad_norm/" + view.parameters[i].name, norm), square += std::pow(norm, 2);
    }
  }
  tell_noise(square);
  tell_histograms(view);
  const Stopwatch watch(times_, "updates");
  for (size_t i = 0; i < view.parameters.size(); ++i) {
    const Parameter& p = view.parameters[i];
    before_.push_back(sample_of(p.value));
    if (p.value.size() < kManyWeights) continue;
    const double weight = norm_of(p.value);
    told_.emplace_back("health/outlier/" + p.name, weight > 0 ? std::pow(largest(p.value) / weight, 2) : 0);
  }
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
    const double weight = norm(before_[i]), update = norm_of_difference(sample_of(p.value), before_[i]);
    told_.emplace_back("health/update/" + p.name, weight > 0 ? update / weight : update);
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

void StepHealth::tell_noise(double whole) {
  if (micro_squares_.empty()) return;
  double part = 0;
  const int64_t parts = int64_t(micro_squares_.size());
  for (const double square : micro_squares_) part += square / double(parts);
  const GradientNoise noise = gradient_noise(batch_size_, part, batch_size_ * parts, whole);
  told_.insert(told_.end(), {{"health/gradient_square", noise.square}, {"health/gradient_noise", noise.trace}});
  if (noise.square > 0) told_.emplace_back("health/noise_scale", noise.scale());
}

void StepHealth::tell_histograms(const StepView& view) {
  const Stopwatch watch(times_, "histograms");
  std::map<std::string, std::vector<Tensor>> gradients, parameters;
  std::vector<std::string> parts;  // in the order of declaration
  for (size_t i = 0; i < view.parameters.size(); ++i) {
    const Parameter& p = view.parameters[i];
    const std::string part = part_of(p.name);
    if (!parameters.contains(part)) parts.push_back(part);
    parameters[part].push_back(p.value);
    if (p.grad.defined()) gradients[part].push_back(p.grad);
  }
  histograms_.clear();
  for (const auto& [what, tensors] : {std::pair{"gradient/", &gradients}, {"parameter/", &parameters}})
    for (const std::string& part : parts) {
      histograms_.emplace_back("health/histogram/" + (what + part), Histogram());
      count(histograms_.back().second, (*tensors)[part]);
    }
}

Metrics StepHealth::on_update(const StepView& view) {
  tell_updates(view);
  tell_moments(view);
  const Metrics activations = seen();
  told_.insert(told_.end(), activations.begin(), activations.end());
  if (activations_)
    for (const auto& [name, histogram] : activations_->readings().histograms())
      histograms_.emplace_back("health/histogram/" + name, histogram);
  for (const auto& [name, value] : times_.values()) told_.emplace_back("health/" + name, value);
  activations_.reset(), before_.clear(), micro_squares_.clear();
  return std::move(told_);
}

}  // namespace adder::lab
