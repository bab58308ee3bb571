#include "framework/measure/kernel_bench.h"

#include <algorithm>
#include <chrono>

#include "framework/measure/benches/families.h"

namespace adder {
namespace {

constexpr double kLeastRepetition = 1e-3;  // seconds; a clock is no good for less
constexpr int kLeastRepetitions = 3;

double seconds_of(const std::function<void()>& run, int64_t calls) {
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < calls; ++i) run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The median time of a call; `before` goes before each repetition.
double repeated(const std::function<void()>& run, double seconds, const std::function<void()>& before) {
  run();
  const int64_t calls = std::max<int64_t>(1, int64_t(kLeastRepetition / std::max(1e-9, seconds_of(run, 1))));
  std::vector<double> times;
  double spent = 0;
  while (int(times.size()) < kLeastRepetitions || spent < seconds) {
    before();
    times.push_back(seconds_of(run, calls));
    spent += times.back();
  }
  return median(std::move(times)) / double(calls);
}

struct Call {
  std::function<std::vector<Var>(const std::vector<Var>&)> op;
  std::vector<Tensor> inputs, adjoints;  // adjoints: of each output, as long as the op is trained

  std::vector<Var> forward(Tape* tape) const {
    std::vector<Var> v;
    for (const Tensor& x : inputs) v.push_back(tape && x.defined() && x.dtype() != DType::i32 ? tape->leaf(x) : Var(x));
    return op(v);
  }
  // The first output's adjoint alone: last states are rarely used in training.
  void train(Profile* profile = nullptr) const {
    Tape tape;
    tape.profile(profile);
    const auto out = forward(&tape);
    tape.backward({{out[0], adjoints[0]}});
  }
};

Timed timed_op(const OpCase& c, bool train) {
  Call call{c.op, {}, {}};
  for (const Tensor& x : c.inputs) call.inputs.push_back(x.defined() && x.dtype() != DType::i32 ? x.to(DType::f32) : x);
  const auto out = call.forward(nullptr);
  call.adjoints = {Tensor::full(out[0].shape(), 1, DType::f32)};
  Profile profile;
  profile.begin_step();
  call.train(&profile);
  Timed timed;
  for (const Profile::Row& row : profile.rows()) {
    timed.work += row.forward;
    if (train) timed.work += row.backward;
  }
  timed.work.seconds = 0;
  timed.run = train ? std::function<void()>([call] { call.train(); }) : [call] { call.forward(nullptr); };
  return timed;
}

}  // namespace

double median(std::vector<double> times) {
  const auto middle = times.begin() + std::ptrdiff_t(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

double median_seconds(const std::function<void()>& run, double seconds) {
  return repeated(run, seconds, [] {});
}

Paced median_paced(const std::function<void()>& run, double seconds) {
  std::vector<double> rates;
  const double median_time = repeated(run, seconds, [&] { rates.push_back(flops_now()); });
  return {median_time, median(std::move(rates))};
}

KernelSpeed measure(const KernelBench& bench, double seconds) {
  KernelSpeed speed{bench.name, bench.check(), {}, 0};
  if (!speed.check.ok) return speed;
  const Timed timed = bench.prepare();
  speed.work = timed.work;
  const Paced paced = median_paced(timed.run, seconds);
  speed.work.seconds = paced.seconds, speed.flops = paced.flops;
  return speed;
}

std::vector<KernelBench> op_benches(const OpFamily& family, bool forward, bool train) {
  std::vector<KernelBench> benches;
  const auto check = [family] { return check_op(family.name, family.make(family.small)); };
  for (const Sizes& sizes : family.large)
    for (const bool backward : {false, true}) {
      if (!(backward ? train : forward)) continue;
      benches.push_back({family.name + (backward ? "/train " : "/forward ") + shown(sizes), check,
                         [family, sizes, backward] { return timed_op(family.make(sizes), backward); }});
    }
  return benches;
}

std::string shown(const Sizes& sizes) {
  std::string text;
  for (const int64_t n : sizes) text += (text.empty() ? "" : "x") + std::to_string(n);
  return text;
}

std::vector<KernelBench> kernel_benches(const std::vector<std::string>& filters) {
  std::vector<KernelBench> chosen;
  for (const auto family : kBenchFamilies)
    for (KernelBench& bench : family()) {
      const auto asked = [&](const std::string& filter) { return bench.name.find(filter) != std::string::npos; };
      if (filters.empty() || std::any_of(filters.begin(), filters.end(), asked)) chosen.push_back(std::move(bench));
    }
  return chosen;
}

}  // namespace adder
