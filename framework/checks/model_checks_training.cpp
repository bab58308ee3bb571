// What training keeps: resuming, threads, SIMD targets, memory, gradients.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

#include "framework/checks/model_checks.h"
#include "framework/ops/cross_entropy.h"
#include "framework/training/trainer.h"
#include "kernels/parallel.h"
#include "kernels/matmul/bf16.h"
#include "kernels/simd_target.h"

namespace adder::model_checks {
namespace {

constexpr double kGradientLimit = 1e-6;
constexpr uint64_t kDirections = 8;
constexpr double kGrowthLimit = 2.2;            // of the bytes where the length doubles
constexpr int64_t kManyParameters = 2'000'000;  // beyond: directions over all of them at once

}  // namespace

// ---- resuming -------------------------------------------------------------------------------------------

namespace {

Config training_config(const Setup& s) {
  Config config;
  config.name = "check";
  config.model = s.config;
  config.seed = int64_t(s.seed);
  config.schedule.warmup_steps = 2, config.schedule.decay_steps = 20;
  config.training.steps = 20, config.training.batch_size = 2;
  config.training.context_length = std::min<int64_t>(s.length, 24);
  return config;
}

// A copy: a snapshot's tensors are the model's own.
Checkpoint copied(Checkpoint c) {
  const auto copy = [](std::vector<NamedTensor>& tensors) {
    for (NamedTensor& t : tensors) t.value = t.value.clone();
  };
  copy(c.model), copy(c.carried);
  for (auto& slot : c.optimizer) copy(slot.second);
  return c;
}

void require_all_same(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b,
                      const std::string& kind) {
  if (a.size() != b.size()) throw Failure(kind + " are not the same in number");
  for (size_t i = 0; i < a.size(); ++i) require_same(a[i].value, b[i].value, kind + " " + a[i].name);
}

}  // namespace

Finding exact_resume(const Setup& s) {
  constexpr int64_t kBefore = 3, kAfter = 3;
  const Config config = training_config(s);
  const Tensor text = s.ids({400}, 40);
  const SequentialWindows batches(TokenSpan::from({text.data<int32_t>(), text.data<int32_t>() + text.size()}),
                                  {config.training.batch_size, config.training.context_length}, true);
  Trainer whole(config, s.model(DType::f32), batches), resumed(config, s.model(DType::f32, 1), batches);
  for (int64_t i = 0; i < kBefore; ++i) whole.step();
  resumed.restore(copied(whole.snapshot()), "snapshot");
  for (int64_t i = 0; i < kAfter; ++i) {
    const StepReport a = whole.step(), b = resumed.step();
    if (a.loss != b.loss || a.grad_norm != b.grad_norm)
      throw Failure("loss of step " + std::to_string(a.step) + " differs by " +
                    shown(std::abs(a.loss - b.loss)));
  }
  const Checkpoint a = whole.snapshot(), b = resumed.snapshot();
  require_all_same(b.model, a.model, "parameters");
  require_all_same(b.carried, a.carried, "carried states");
  for (size_t i = 0; i < a.optimizer.size(); ++i)
    require_all_same(b.optimizer[i].second, a.optimizer[i].second, "optimizer's " + a.optimizer[i].first);
  return {true, std::to_string(kBefore + kAfter) + " steps, resumed after " + std::to_string(kBefore) +
                    ": same bits"};
}

// ---- the machine ----------------------------------------------------------------------------------------

namespace {

// Restores threads, SIMD target and the matrix unit on the way out.
struct Settings {
  int threads = kernels::threads();
  std::string target = kernels::simd_target();
  bool matrix_unit = kernels::bf16_tile::in_use();
  ~Settings() {
    kernels::set_threads(threads);
    kernels::set_simd_target(target);
    kernels::bf16_tile::set_in_use(matrix_unit);
  }
};

// How many threads work at once: each task waits until `want` of them have come.
size_t threads_at_work(int want) {
  std::mutex mutex;
  std::set<std::thread::id> seen;
  std::atomic<int> here{0};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  kernels::parallel_for(want, [&](int64_t) {
    {
      const std::lock_guard lock(mutex);
      seen.insert(std::this_thread::get_id());
    }
    ++here;
    while (here < want && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  });
  return seen.size();
}

// Loss and gradients of one step: what must not depend on the machine.
struct StepNumbers {
  double loss = 0;
  std::vector<NamedTensor> gradients;
};

StepNumbers step_numbers(const Setup& s, DType dtype) {
  const auto model = s.model(dtype);
  const int64_t batch = 12, length = s.length;  // enough that work is split
  const Tensor resets = resets_of(batch, length, some_starts(s, batch, length, 9));
  StepNumbers numbers;
  numbers.loss = loss_and_gradients(*model, {s.ids({batch, length}, 9), resets}, s.ids({batch, length}, 10));
  for (size_t i = 0; i < model->parameters().size(); ++i)
    numbers.gradients.push_back({model->parameters()[i].name, model->parameters()[i].grad});
  return numbers;
}

void require_same_step(const StepNumbers& a, const StepNumbers& b, const std::string& where) {
  if (a.loss != b.loss) throw Failure(where + ": the loss differs by " + shown(std::abs(a.loss - b.loss)));
  require_all_same(a.gradients, b.gradients, where + ": gradients of");
}

}  // namespace

Finding threads_agree(const Setup& s) {
  const Settings restore;
  for (const DType dtype : kBoth) {
    kernels::set_threads(1);
    const StepNumbers want = step_numbers(s, dtype);
    for (const int n : {2, 5}) {
      kernels::set_threads(n);
      const size_t ran = threads_at_work(n);
      if (ran != size_t(n)) throw Failure(std::to_string(ran) + " of " + std::to_string(n) + " threads ran");
      require_same_step(step_numbers(s, dtype), want, in(dtype) + std::to_string(n) + " threads");
    }
  }
  return {true, "1, 2, 5 threads ran: same bits"};
}

Finding targets_agree(const Setup& s) {
  const Settings restore;
  kernels::bf16_tile::set_in_use(false);  // it adds in an order of its own, see bf16.h
  std::string ran = restore.target;
  for (const auto& other : kernels::simd_targets()) {
    if (other == restore.target || other == "scalar")
      continue;  // scalar has no fused multiply-add: other bits
    ran += ", " + other;
    for (const DType dtype : kBoth) {
      kernels::set_simd_target(restore.target);
      const StepNumbers want = step_numbers(s, dtype);
      kernels::set_simd_target(other);
      require_same_step(step_numbers(s, dtype), want, in(dtype) + restore.target + " and " + other);
    }
  }
  return {true, ran == restore.target ? ran + " alone: nothing to compare" : ran + ": same bits"};
}

// ---- memory ---------------------------------------------------------------------------------------------

namespace {

// What a training step of one row holds at its peak, beside the parameters and their gradients.
int64_t step_bytes(const Setup& s, Model& model, int64_t length) {
  const Tensor ids = s.ids({1, length}, 11), labels = s.ids({1, length}, 12);
  const auto step = [&] {
    Tape tape;
    Pass pass{.tape = &tape, .training = true};
    State state;
    tape.backward(ops::cross_entropy(model.forward(pass, {ids, {}}, state), labels));
  };
  step();  // the gradients are there from now on
  const int64_t before = arena::bytes_in_use();
  arena::reset_peak();
  step();
  return arena::peak_bytes_in_use() - before;
}

}  // namespace

Finding memory_grows(const Setup& s) {
  const auto model = s.model(DType::f32);
  const int64_t longest = s.memory_length;
  std::vector<double> bytes;
  std::string text;
  for (const int64_t length : {longest / 4, longest / 2, longest}) {
    bytes.push_back(double(step_bytes(s, *model, length)));
    text += (text.empty() ? "L = " : ", ") + std::to_string(length) + ": " +
            std::to_string(int64_t(bytes.back() / 1024)) + " KiB";
  }
  const double growth = std::max(bytes[1] / bytes[0], bytes[2] / bytes[1]);
  return {growth <= kGrowthLimit, text + "; L^" + shown(std::log2(bytes[2] / bytes[1])) + ", x" +
                                      shown(growth) + " a doubling (limit " + shown(kGrowthLimit) + ")"};
}

// ---- gradients ------------------------------------------------------------------------------------------

namespace {

// Some parameters together, and the unit direction along which they move.
struct Direction {
  std::vector<Parameter*> parameters;
  std::vector<Tensor> starts, steps;
  double slope = 0, typical = 0;  // d loss along it; what a random direction gives: |gradient| / sqrt(n)

  Direction(const std::vector<Parameter*>& moved, uint64_t seed) : parameters(moved) {
    double count = 0, squares = 0, gradient = 0;
    for (size_t i = 0; i < moved.size(); ++i) {
      starts.push_back(moved[i]->value.clone());
      steps.push_back(normal_input(moved[i]->value.shape(), seed + i));
      const Tensor grad = moved[i]->grad.clone();
      for (int64_t k = 0; k < grad.size(); ++k) {
        const double d = steps[i].data<double>()[k], g = grad.data<double>()[k];
        ++count, squares += d * d, gradient += g * g, slope += g * d;
      }
    }
    for (const Tensor& step : steps)
      for (int64_t k = 0; k < step.size(); ++k) step.data<double>()[k] /= std::sqrt(squares);
    slope /= std::sqrt(squares);
    typical = std::sqrt(gradient / count);
  }
  void move(double h) const {
    for (size_t i = 0; i < parameters.size(); ++i) {
      double* value = parameters[i]->value.data<double>();
      const double *start = starts[i].data<double>(), *step = steps[i].data<double>();
      for (int64_t k = 0; k < starts[i].size(); ++k) value[k] = start[k] + h * step[k];
    }
  }
};

// Mean loss of two windows, state carried from the first to the second with its gradient; gradients are
// added. `record` false: the loss alone.
double two_window_loss(Model& model, const Tensor& ids, const Tensor& labels, const Tensor& resets,
                       bool record) {
  Tape tape;
  Pass pass{.tape = record ? &tape : nullptr, .training = true, .seed = 7};
  State state;
  double loss = 0;
  std::vector<std::pair<Var, Tensor>> outputs;
  const int64_t length = ids.dim(1), first = (length + 1) / 2;
  for (const auto& [start, count] : {std::pair{int64_t{0}, first}, std::pair{first, length - first}}) {
    const Tokens tokens{piece(ids, start, count), starts_in(resets, start, count)};
    const Var part = ops::cross_entropy(model.forward(pass, tokens, state), piece(labels, start, count));
    loss += part.value().item() / 2;
    if (record) outputs.emplace_back(part, Tensor::full(part.shape(), 0.5, part.dtype()));
  }
  if (record) tape.backward(outputs);
  return loss;
}

// |slope - central difference| over the typical slope: the best of some steps, for a kink (of a relu) within
// reach or rounding spoils one of them, a wrong gradient all.
double slope_error(const Direction& along, const std::function<double()>& loss) {
  const auto at = [&](double h) {
    along.move(h);
    return loss();
  };
  double best = HUGE_VAL;
  for (const double h : {3e-3, 3e-4, 3e-5, 3e-6}) {
    const double difference = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);  // O(h^4)
    const double error = std::abs(along.slope - difference) / along.typical;
    best = std::min(best, error);
    if (best <= kGradientLimit / 10) break;
  }
  along.move(0);
  return best;
}

}  // namespace

Finding gradients_hold(const Setup& s) {
  const auto model = s.model(DType::f64);
  const ParameterList& list = model->parameters();
  const int64_t batch = 2, length = std::min<int64_t>(s.length, 24);
  const Tensor ids = s.ids({batch, length}, 13), labels = s.ids({batch, length}, 14);
  const Tensor resets = resets_of(batch, length, {{length / 4}, {length - 2}});
  model->parameters().clear_gradients();
  two_window_loss(*model, ids, labels, resets, true);
  std::vector<std::vector<Parameter*>> groups;
  for (size_t i = 0; i < list.size(); ++i) {
    const double norm =
        list[i].grad.defined() ? nmax(list[i].grad, Tensor::zeros(list[i].value.shape(), DType::f64)) : 0;
    if (!(norm > 0)) throw Failure(list[i].name + " gets no gradient");
    if (groups.empty() || list.count() <= kManyParameters) groups.emplace_back();
    groups.back().push_back(&list[i]);
  }
  const auto loss = [&] { return two_window_loss(*model, ids, labels, resets, false); };
  double worst = 0;
  std::string where;
  for (size_t g = 0; g < groups.size(); ++g) {
    double error = HUGE_VAL;  // another direction meets other kinks
    for (uint64_t number = 0; number < kDirections && !(error <= kGradientLimit); ++number)
      error = std::min(error, slope_error(Direction(groups[g], s.seed * 1000 + 10 * g + number + 500), loss));
    if (!(error <= worst)) worst = error, where = groups[g].size() == 1 ? groups[g][0]->name : "all together";
  }
  return {worst <= kGradientLimit,
          "float64 " + shown(worst) + " (limit " + shown(kGradientLimit) + "), worst in " + where};
}

}  // namespace adder::model_checks
