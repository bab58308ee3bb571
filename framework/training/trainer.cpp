#include "framework/training/trainer.h"

#include <chrono>
#include <cmath>

#include "framework/core/error.h"
#include "framework/ops/cross_entropy.h"
#include "framework/ops/squared_error.h"
#include "framework/training/clip.h"
#include "framework/training/flossing.h"
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
  o.muon_momentum = c.muon_momentum;
  if (c.name != "muon") return o;
  if (c.learning_rate == 0)
    throw UsageError("optimizer.learning_rate is 0, expected more: muon_learning_rate rises and falls in proportion to it");
  o.muon_rate_ratio = c.muon_learning_rate / c.learning_rate;
  return o;
}

ScheduleOptions schedule_options(const ScheduleConfig& c) {
  return {c.name, c.warmup_steps, c.decay_steps, c.min_learning_rate, c.decay_fraction};
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void refuse_unbounded_state(const Config& c, const Model& model) {
  if (model.bounded_state()) return;
  for (const auto& [key, state] : {std::pair{"training.state", c.training.state}, {"evaluation.state", c.evaluation.state}})
    if (state == "carry")
      throw UsageError(std::string(key) + " is \"carry\", but attention's cache grows with the text; set model.window, or " +
                       key + " \"reset\"");
}

void refuse_flossing(const Config& c, const Model& model) {
  if (c.training.flossing.exponents == 0 || model.has_tangents()) return;
  throw UsageError("training.flossing.exponents is " + std::to_string(c.training.flossing.exponents) +
                   ", but no block of model.architecture \"" + c.model.architecture +
                   "\" tells the Jacobians of its state: expected rnn (tanh), lstm or gru among them");
}

// The state by itself: small tensors that keep nothing else of the pass alive.
State compact(const State& state) {
  State kept;
  if (state.positions.defined()) kept.positions = state.positions.clone();
  for (const MixerState& block : state.blocks) {
    kept.blocks.emplace_back();
    for (const Var& tensor : block) kept.blocks.back().push_back(tensor.defined() ? Var(tensor.value().clone()) : Var());
  }
  return kept;
}

}  // namespace

Var mean_loss(const Var& output, const Batch& batch) {
  if (batch.targets.defined()) return ops::mean_squared_error(output, batch.targets, batch.labels, kIgnoreLabel);
  return ops::cross_entropy(output, batch.labels, kIgnoreLabel);
}

Trainer::Trainer(const Config& config, std::unique_ptr<Model> model, const BatchSource& batches)
    : config_(config),
      model_(std::move(model)),
      batches_(batches),
      optimizer_(make_optimizer(optimizer_options(config.optimizer), model_->parameters())) {
  refuse_unbounded_state(config_, *model_);
  refuse_flossing(config_, *model_);
  if (!model_->differentiable())
    throw UsageError("model.architecture \"" + config.model.architecture +
                     "\" has no gradients: it learns by counting (training/counting.h), not by steps");
}

// Gradients of the mean over the step's micro-batches.
Trainer::Sums Trainer::accumulate_gradients(bool require_finite, StepWatcher* watcher) {
  const TrainingConfig& t = config_.training;
  const int64_t parts = t.accumulate;
  model_->parameters().clear_gradients();
  Sums sums{.loss = 0, .z_loss = 0, .state = carried_, .readings = {}};
  for (int64_t micro = 0; micro < parts; ++micro) {
    const Batch batch = batches_.at(step_, micro);
    if (profile_) profile_->forward("data");
    Tape tape;
    tape.profile(profile_);
    tape.require_finite(require_finite);
    if (watcher) watcher->on_tape(tape, step_ + 1);
    Pass pass{.tape = &tape, .training = true, .seed = uint64_t(config_.seed), .step = uint64_t(step_ * parts + micro)};
    pass.recompute = config_.training.recompute;
    pass.readings = &sums.readings;
    Tangents tangents = flossing_request(t.flossing, batch.labels.dim(1));
    if (flosses(t.flossing, step_ + 1)) pass.tangents = &tangents;
    State state;
    if (t.state == "carry" && batches_.continues(step_, micro)) state = sums.state;
    Var logits = model_->forward(pass, {batch.ids, batch.resets, batch.features}, state);
    std::vector<std::pair<Var, Tensor>> terms;
    const auto add = [&](const Var& term, double weight) {
      terms.emplace_back(term, Tensor::full(term.shape(), weight / double(parts), term.dtype(), term.device()));
      return term.value().item();
    };
    if (t.z_loss == 0) {
      sums.loss += add(mean_loss(logits, batch), 1);
    } else {
      const auto [loss, square] = ops::cross_entropy_and_z(logits, batch.labels, kIgnoreLabel);
      sums.loss += add(loss, 1), sums.z_loss += t.z_loss * add(square, t.z_loss);
    }
    if (pass.tangents)
      for (const auto& [term, weight] : flossing_terms(t.flossing, tangents, pass)) add(term, weight);
    logits = Var();  // so that their gradient may take their place
    tape.backward(terms);
    if (watcher && parts > 1) watcher->on_micro_batch(model_->parameters(), micro, parts);
    if (t.state == "carry") sums.state = compact(state);
  }
  sums.loss /= double(parts), sums.z_loss /= double(parts);
  return sums;
}

StepReport Trainer::step() {
  const kernels::FlushSubnormals flush;
  const auto start = std::chrono::steady_clock::now();
  StepWatcher* const watcher = watcher_ && watcher_->wants(step_ + 1) ? watcher_ : nullptr;
  if (profile_) profile_->begin_step();
  StepReport report;
  Sums sums = accumulate_gradients(false, watcher);
  report.loss = sums.loss;
  if (config_.training.z_loss != 0) report.z_loss = sums.z_loss;
  if (profile_) profile_->forward("other");
  report.grad_norm = global_norm(model_->parameters());
  if (profile_) profile_->forward("clip", {.bytes = bytes_of_state(1)});
  report.step = step_ + 1;
  if (!explosion(report).empty()) report_divergence(report);
  update(report, watcher);
  if (profile_) profile_->forward("optimizer", {.bytes = bytes_of_state(3 + 2 * double(optimizer_->slots().size()))});
  model_->parameters().clear_gradients();
  tokens_ += batches_.batch_size() * batches_.length() * config_.training.accumulate;
  carried_ = std::move(sums.state);
  ++step_;
  report.tokens = tokens_;
  report.readings = std::move(sums.readings);
  if (profile_) profile_->end_step();
  report.seconds = seconds_since(start);
  return report;
}

void Trainer::update(StepReport& report, StepWatcher* watcher) {
  const double rate = learning_rate(schedule_options(config_.schedule), config_.optimizer.learning_rate, step_);
  report.learning_rate = rate * std::pow(config_.guard.learning_rate_factor, double(guarded_));
  const double scale = clip_scale(report.grad_norm, config_.training.clip_norm);
  const double spike = watcher ? history_.spike(report.loss) : 0;
  history_.add(report.loss, scale < 1);
  const StepView view{report.step, model_->parameters(), *optimizer_, report.learning_rate, scale, spike, history_.clip_fraction()};
  if (watcher) watcher->on_gradients(view);
  optimizer_->step(report.learning_rate, scale);
  if (watcher) report.health = watcher->on_update(view), report.histograms = watcher->histograms();
}

// What a pass over all parameters moves, `copies` times.
double Trainer::bytes_of_state(double copies) const {
  const ParameterList& parameters = model_->parameters();
  return copies * double(parameters.count()) * double(bytes_of(parameters.dtype()));
}

double Trainer::loss_of(const Batch& batch) {
  const kernels::FlushSubnormals flush;
  Pass pass;
  State state;
  return mean_loss(model_->forward(pass, {batch.ids, batch.resets, batch.features}, state), batch).value().item();
}

Checkpoint Trainer::snapshot() const {
  Checkpoint c;
  const ParameterList& parameters = model_->parameters();
  c.model = stored_parameters(parameters);
  for (const auto& [slot, tensors] : optimizer_->slots()) {
    c.optimizer.emplace_back(slot, std::vector<NamedTensor>());
    for (size_t i = 0; i < tensors.size(); ++i)
      if (tensors[i].defined()) c.optimizer.back().second.push_back({parameters[i].name, tensors[i]});
  }
  c.carried = stored_state();
  c.history = history_.stored();
  if (guarded_ > 0) c.history.push_back({"guarded", Tensor::full({1}, double(guarded_), DType::f64)});
  c.step = step_;
  c.tokens = tokens_;
  c.best_loss = best_.loss, c.best_step = best_.step;
  c.solved_step = solved_step_;
  c.data_cursor = step_ * config_.training.accumulate;
  c.config_json = to_json(config_);
  return c;
}

namespace {
constexpr char kPositions[] = "positions";
}

std::vector<NamedTensor> Trainer::stored_state() const {
  std::vector<NamedTensor> tensors;
  const auto names = model_->state_names();
  for (size_t block = 0; block < carried_.blocks.size(); ++block)
    for (size_t i = 0; i < carried_.blocks[block].size(); ++i)
      if (carried_.blocks[block][i].defined()) tensors.push_back({names[block][i], carried_.blocks[block][i].value()});
  if (carried_.positions.defined()) tensors.push_back({kPositions, carried_.positions});
  return tensors;
}

// The names must be the model's; shapes may vary from step to step, so that they are the model's to check.
State Trainer::state_from(const Checkpoint& c, const std::string& path) const {
  State state;
  if (config_.training.state != "carry" || c.step == 0) return state;
  const auto find = [&](const std::string& name) {
    for (const NamedTensor& tensor : c.carried)
      if (tensor.name == name && tensor.value.rank() > 0 && tensor.value.dim(0) == batches_.batch_size()) return tensor.value;
    throw UnreadableError(path + ": /carried/" + name + " is missing, or not of " + std::to_string(batches_.batch_size()) +
                          " rows; training.state \"carry\" can't go on without it");
  };
  for (const auto& block : model_->state_names()) {
    state.blocks.emplace_back();
    for (const std::string& name : block) state.blocks.back().push_back(Var(find(name)));
  }
  for (const NamedTensor& tensor : c.carried)
    if (tensor.name == kPositions) state.positions = find(kPositions);
  return state;
}

void Trainer::take_weights(const Checkpoint& c, const std::string& path) {
  ParameterList& parameters = model_->parameters();
  fill_parameters(parameters, c.model, path);
  for (const auto& [slot, tensors] : optimizer_->slots()) {
    const std::vector<NamedTensor>* stored = nullptr;
    for (const auto& [name, values] : c.optimizer)
      if (name == slot) stored = &values;
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (!tensors[i].defined()) continue;
      if (!stored) throw UnreadableError(path + ": /optimizer/" + slot + " is missing; this file can't be resumed from");
      tensors[i].copy_from(
          require_tensor(path, "/optimizer/" + slot, *stored, parameters[i].name, parameters[i].value.shape()));
    }
  }
  carried_ = state_from(c, path);
}

void Trainer::restore(const Checkpoint& c, const std::string& path) {
  if (c.data_cursor != c.step * config_.training.accumulate)
    throw UnreadableError(path + ": data_cursor is " + std::to_string(c.data_cursor) + " at step " + std::to_string(c.step) +
                          ", expected " + std::to_string(c.step * config_.training.accumulate));
  take_weights(c, path);
  history_.restore(c.history);
  for (const NamedTensor& t : c.history)
    if (t.name == "guarded") guarded_ = int64_t(t.value.item());
  step_ = c.step;
  tokens_ = c.tokens;
  best_ = {c.best_loss, c.best_step};
  solved_step_ = c.solved_step;
  optimizer_->set_steps(c.step);
}

}  // namespace adder
