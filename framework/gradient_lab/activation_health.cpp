#include "framework/gradient_lab/activation_health.h"

#include <algorithm>
#include <cmath>

#include "framework/training/clip.h"

namespace adder::lab {
namespace {

constexpr int64_t kElements = 1 << 15;  // of a tensor that are looked at
constexpr int64_t kQueries = 16;        // of an attention
constexpr double kDead = 1e-3;          // a unit that never leaves it

struct Moments {
  double rms, kurtosis;
};

Moments moments(const Tensor& x) {
  double squares = 0, fourth = 0, count = 0;
  for (const auto& row : sampled_rows(x, std::max<int64_t>(1, kElements / x.columns())))
    for (const double v : row) squares += v * v, fourth += v * v * v * v, count += 1;
  const double mean = squares / count;
  return {std::sqrt(mean), mean > 0 ? fourth / count / (mean * mean) : 0};
}

// "blocks.0", and the part itself outside of blocks.
std::string stage_of(const std::string& part) {
  return part.starts_with("blocks.") ? part.substr(0, part.find('.', 7)) : part;
}

double share(const std::vector<std::vector<double>>& rows, bool (*counts)(double)) {
  double n = 0, all = 0;
  for (const auto& row : rows)
    for (const double v : row) n += counts(v), all += 1;
  return n / all;
}

// Units (columns) that stay within kDead in all rows; `of` is what a unit's number becomes.
double dead_share(const std::vector<std::vector<double>>& rows, double (*of)(double)) {
  std::vector<double> most(rows[0].size(), 0);
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) most[i] = std::max(most[i], std::abs(of(row[i])));
  return double(std::count_if(most.begin(), most.end(), [](double m) { return m < kDead; })) / double(most.size());
}

double itself(double x) { return x; }
double silu(double x) { return x / (1 + std::exp(-x)); }

void tell_logits(Readings& readings, const Tensor& logits) {
  const auto rows = sampled_rows(logits, 256);
  double sum = 0, largest = 0;
  for (const auto& row : rows) {
    const double top = *std::max_element(row.begin(), row.end());
    double z = 0;
    for (const double v : row) z += std::exp(v - top), largest = std::max(largest, std::abs(v));
    sum += top + std::log(z);
  }
  readings.mean("log_z", sum, double(rows.size()));
  readings.largest("logit", largest);
}

}  // namespace

void HealthReadings::histogram(const std::string& name, const std::vector<double>& values) {
  Histogram& h = histograms_[name];
  for (const double v : values) h.add(v);
}

std::string part_of(const std::string& scope) {
  size_t end = scope.find('.');
  if (!scope.starts_with("blocks.") || end == std::string::npos) return scope.substr(0, end);
  end = scope.find('.', end + 1);
  return end == std::string::npos ? scope : scope.substr(0, scope.find('.', end + 1));
}

std::vector<std::vector<double>> sampled_rows(const Tensor& x, int64_t most) {
  const Tensor even = x.rank() > 1 ? x.with_even_rows() : x.reshape({1, x.size()});
  const int64_t rows = even.rows(), columns = even.columns(), taken = std::min(rows, most);
  std::vector<std::vector<double>> list;
  by_dtype(even.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < taken; ++i) {
      const T* row = even.data<T>() + i * rows / taken * even.row_stride();
      list.emplace_back(row, row + columns);
    }
  });
  return list;
}

void tell_activation(Readings& readings, const std::string& part, const std::string& op, const std::vector<Var>& outputs,
                     const std::vector<Var>& inputs) {
  const auto sampled = [](const Var& v) { return sampled_rows(v.value(), std::max<int64_t>(64, kElements / v.value().columns())); };
  const auto told = [&](const char* what, double value) { readings.mean(what + ("/" + part), value, 1); };
  if (op == "cross_entropy") {
    const Stopwatch watch(readings, "logits");
    return tell_logits(readings, inputs[0].value());
  }
  constexpr const char* kTold[] = {"relu", "relu_squared", "silu", "gelu_tanh", "gelu_erf", "swiglu", "tanh", "rnn", "lstm", "gru"};
  if (std::find(std::begin(kTold), std::end(kTold), op) == std::end(kTold)) return;
  const Stopwatch watch(readings, "units");
  if (op == "relu" || op == "relu_squared" || op == "silu" || op == "gelu_tanh" || op == "gelu_erf")
    told("dead", dead_share(sampled(outputs[0]), itself));
  if (op == "swiglu") told("dead", dead_share(sampled(inputs[0]), silu));
  if (op == "tanh" || op == "rnn" || op == "lstm" || op == "gru")
    told("saturated", share(sampled(outputs[0]), [](double v) { return std::abs(v) > 0.97; }));
}

void tell_attention(Readings& readings, const std::string& part, const std::vector<Var>& inputs, int64_t heads, int64_t kv_heads) {
  const Tensor q = inputs[0].value(), k = inputs[1].value();
  const int64_t batch = q.dim(0), queries = q.dim(1), keys = k.dim(1), dim = q.dim(2) / heads;
  if (keys != queries || queries < 2) return;
  double largest = 0, entropy = 0;
  for (int64_t i = 0; i < kQueries; ++i) {
    const int64_t b = i % batch, h = i % heads, t = std::max<int64_t>(1, queries - 1 - i * queries / kQueries);
    const int64_t shared = h / (heads / kv_heads);
    const auto query = sampled_rows(q.narrow(0, b, 1).narrow(1, t, 1).narrow(2, h * dim, dim), 1)[0];
    std::vector<double> logits;
    for (const auto& key : sampled_rows(k.narrow(0, b, 1).narrow(1, 0, t + 1).narrow(2, shared * dim, dim), t + 1)) {
      double dot = 0;
      for (int64_t d = 0; d < dim; ++d) dot += query[size_t(d)] * key[size_t(d)];
      logits.push_back(dot / std::sqrt(double(dim)));
    }
    const double top = *std::max_element(logits.begin(), logits.end());
    double z = 0, mean = 0;
    for (const double l : logits) z += std::exp(l - top), mean += l * std::exp(l - top), largest = std::max(largest, std::abs(l));
    entropy += (top + std::log(z) - mean / z) / std::log(double(t + 1));
  }
  readings.largest("attention_logit/" + part, largest);
  readings.mean("attention_entropy/" + part, entropy, double(kQueries));
}

void ActivationHealth::watch(Tape& tape) {
  part_.clear(), last_ = Var();
  tape.on_record([this, &tape](const char* op, const std::vector<Var>& outputs, const std::vector<Var>& inputs) {
    look(tape, op, outputs, inputs);
  });
}

void ActivationHealth::look(const Tape& tape, const std::string& op, const std::vector<Var>& outputs,
                            const std::vector<Var>& inputs) {
  const std::string part = part_of(tape.scope());
  if (part != part_) leave(part_, part), part_ = part, last_ = Var();
  if (outputs[0].value().rank() == 3) last_ = outputs[0];
  tell_activation(readings_, part, op, outputs, inputs);
  tell_gates(readings_, part, op, outputs, inputs);
  tell_time_steps(readings_, part, op, inputs);
  const auto heads = heads_.find(stage_of(part));
  if (op != "attention" || heads == heads_.end()) return;
  const Stopwatch watch(readings_, "attention");
  tell_attention(readings_, part, inputs, heads->second.first, heads->second.second);
}

// A block is left once, by its residual stream; its parts by their own values.
void ActivationHealth::leave(const std::string& part, const std::string& next) {
  if (part.empty() || !last_.defined()) return;
  const std::string stage = stage_of(part);
  if (part != stage) tell(part, last_);
  if (stage_of(next) == stage || part == "head") return;
  const double rms = tell(stage, last_);
  if (part == "embedding") first_rms_ = rms;
  else if (part.starts_with("blocks.")) last_rms_ = rms;
}

double ActivationHealth::tell(const std::string& part, const Var& value) {
  const Stopwatch watch(readings_, "moments");
  const Moments m = moments(value.value());
  readings_.mean("rms/" + part, m.rms, 1);
  readings_.mean("kurtosis/" + part, m.kurtosis, 1);
  if (value.tape())
    adder::watch(value, [this, part](const Tensor& g) {
      const Stopwatch watch(readings_, "stream_gradients");
      readings_.mean("gradient/" + part, norm_of(g), 1);
    });
  return m.rms;
}

double ActivationHealth::growth() const {
  return first_rms_ > 0 && last_rms_ >= 0 ? last_rms_ / first_rms_ : std::nan("");
}

}  // namespace adder::lab
