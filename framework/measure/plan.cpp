#include "framework/measure/plan.h"

#include <algorithm>

#include "framework/measure/random_tokens.h"
#include "framework/training/trainer.h"
#include "kernels/rehearsal.h"

namespace adder {
namespace {

constexpr int64_t kTokensOfARealStep = 4096;
constexpr int64_t kLeastLength = 64;
constexpr int64_t kRealSteps = 4;  // the first only warms up

// "blocks.3.mixer.in_proj.weight" belongs to "blocks.*.mixer", "embedding.weight" to "embedding".
std::string module_of(const std::string& name) {
  const size_t first = name.find('.');
  if (name.substr(0, first) != "blocks") return name.substr(0, first);
  const size_t second = name.find('.', first + 1);
  return "blocks.*." + name.substr(second + 1, name.find('.', second + 1) - second - 1);
}

void count_parameters(Plan& plan, const ParameterList& parameters) {
  plan.parameters = parameters.count();
  for (size_t i = 0; i < parameters.size(); ++i) {
    const std::string module = module_of(parameters[i].name);
    auto at = std::find_if(plan.modules.begin(), plan.modules.end(), [&](const auto& m) { return m.first == module; });
    if (at == plan.modules.end()) at = plan.modules.insert(at, {module, 0});
    at->second += parameters[i].value.size();
  }
}

// What one recorded forward pass leaves.
int64_t bytes_of_activations(Model& model, const BatchSource& batches) {
  const int64_t before = arena::bytes_in_use();
  const Batch batch = batches.at(0);
  Tape tape;
  Pass pass{.tape = &tape, .training = true};
  State state;
  const Var loss = mean_loss(model.forward(pass, {batch.ids, batch.resets, batch.features}, state), batch);
  return arena::bytes_in_use() - before;
}

// Gradients as a step ends, all of them at once.
int64_t bytes_of_gradients(const ParameterList& parameters) {
  const int64_t before = arena::bytes_in_use();
  std::vector<Tensor> gradients;
  for (size_t i = 0; i < parameters.size(); ++i) gradients.push_back(Tensor::like(parameters[i].value));
  return arena::bytes_in_use() - before;
}

// Keeps of a step what lab::StepHealth keeps of it, and looks at nothing: there are no numbers in a rehearsal.
class Bystander : public StepWatcher {
 public:
  bool wants(int64_t) const override { return true; }
  void on_tape(Tape& tape, int64_t) override {
    tape.on_record([this](const char*, const std::vector<Var>& outputs, const std::vector<Var>&) {
      last_ = outputs[0].value().rank() == 3 ? outputs[0] : Var();
    });
  }
  void on_micro_batch(const ParameterList& parameters, int64_t index, int64_t count) override {
    sums_.resize(parameters.size());
    for (size_t i = 0; i < parameters.size(); ++i)
      if (parameters[i].grad.defined() && index + 1 < count) sums_[i] = parameters[i].grad.clone();
    if (index + 1 == count) sums_.clear();
  }
  void on_gradients(const StepView&) override {}
  Metrics on_update(const StepView&) override {
    last_ = Var();
    return {};
  }

 private:
  Var last_;
  std::vector<Tensor> sums_;  // of the gradient, up to a micro-batch
};

void rehearse_here(Plan& plan, Profile& profile, const Config& config, const ModelFactory& factory, int64_t vocabulary) {
  const kernels::Rehearsal rehearsal;
  arena::trim();
  const int64_t start = arena::bytes_in_use(), held = arena::bytes_held();
  const RandomTokens batches(vocabulary, config.training.batch_size, config.training.context_length, config.model.features);
  auto model = factory.make(config.model, vocabulary, uint64_t(config.seed), config.dtype());
  count_parameters(plan, model->parameters());
  plan.memory.weights = arena::bytes_in_use() - start;
  Trainer trainer(config, std::move(model), batches);
  plan.memory.optimizer = arena::bytes_in_use() - start - plan.memory.weights;
  plan.memory.activations = bytes_of_activations(trainer.model(), batches);
  plan.memory.gradients = bytes_of_gradients(trainer.model().parameters());
  arena::trim();
  arena::reset_peak();
  trainer.step();
  trainer.profile(&profile);
  trainer.step();
  plan.memory.step_peak = arena::peak_bytes_in_use() - start;
  trainer.profile(nullptr);
  Bystander bystander;
  trainer.watch(&bystander);
  if (config.logging.health > 0) trainer.step();
  plan.memory.peak = arena::peak_bytes_in_use() - start;
  plan.memory.held = arena::bytes_held() - held;
}

Cost without_time(Cost cost) {
  cost.seconds = 0;
  return cost;
}

// Fewer tokens where there are many: shorter rows first, then fewer of them. Learned positions allow any shorter length.
Config smaller(Config config) {
  TrainingConfig& t = config.training;
  t.context_length = std::clamp(kTokensOfARealStep / t.batch_size, std::min(kLeastLength, t.context_length),
                                t.context_length);
  t.batch_size = std::clamp(2 * kTokensOfARealStep / t.context_length, int64_t(1), t.batch_size);
  t.accumulate = 1;
  return config;
}

const Profile::Row* find(const Profile& profile, const std::string& name) {
  for (const Profile::Row& row : profile.rows())
    if (row.name == name) return &row;
  return nullptr;
}

// An op's measured time, times how much more there is to do. Without a limit: times how often it is called.
double scaled(const Cost& measured, const Cost& there, const Cost& here, double steps, const MachinePeak& peak) {
  const double small = limit_of(there, peak).seconds, full = limit_of(here, peak).seconds;
  const double ratio = small > 0 ? full / small : there.calls > 0 ? double(here.calls) / double(there.calls) : 1;
  return measured.seconds / steps * ratio;
}

}  // namespace

Plan rehearse(const Config& config, const ModelFactory& factory, int64_t vocabulary) {
  Plan plan;
  Profile profile;
  rehearse_here(plan, profile, config, factory, vocabulary);
  plan.tokens = config.training.tokens_a_step();
  plan.step = without_time(profile.total());
  return plan;
}

void predict_time(Plan& plan, const Config& config, const ModelFactory& factory, int64_t vocabulary,
                  const MachinePeak& peak) {
  const Config small = smaller(config);
  Plan unused;
  Profile here, there, measured;
  rehearse_here(unused, here, config, factory, vocabulary);
  rehearse_here(unused, there, small, factory, vocabulary);
  const RandomTokens batches(vocabulary, small.training.batch_size, small.training.context_length, small.model.features);
  Trainer trainer(small, factory.make(small.model, vocabulary, uint64_t(small.seed), small.dtype()), batches);
  trainer.profile(&measured);
  for (int64_t i = 0; i < kRealSteps; ++i) trainer.step();
  const double steps = double(measured.steps());
  plan.step.seconds = 0;
  for (const Profile::Row& row : measured.rows()) {
    const Profile::Row *full = find(here, row.name), *part = find(there, row.name);
    if (!full || !part) continue;
    plan.step.seconds += scaled(row.forward, part->forward, full->forward, steps, peak) +
                         scaled(row.backward, part->backward, full->backward, steps, peak);
  }
  plan.run_seconds = plan.step.seconds * double(config.training.steps);
  plan.batch_size = small.training.batch_size, plan.context_length = small.training.context_length;
}

}  // namespace adder
