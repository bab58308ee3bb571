// Gates and time steps. Fused recurrences keep their gates to themselves, so those are computed again at a few places.
#include <algorithm>
#include <cmath>

#include "framework/gradient_lab/activation_health.h"

namespace adder::lab {
namespace {

constexpr int64_t kPlaces = 16, kElements = 1 << 14;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return x > 30 ? x : std::log1p(std::exp(x)); }

void tell_gate(HealthReadings& readings, const std::string& part, const std::string& gate, const std::vector<double>& values) {
  const auto share = [&](bool (*counts)(double)) { return double(std::count_if(values.begin(), values.end(), counts)); };
  readings.mean("closed/" + part + "." + gate, share([](double v) { return v < 0.05; }), double(values.size()));
  std::vector<double> odds;
  for (const double v : values) odds.push_back(v / (1 - v));
  readings.histogram("gate/" + part + "." + gate, odds);
  readings.mean("open/" + part + "." + gate, share([](double v) { return v > 0.95; }), double(values.size()));
}

std::vector<double> flat(const Tensor& x) {
  std::vector<double> all;
  for (const auto& row : sampled_rows(x, std::max<int64_t>(16, kElements / x.columns()))) all.insert(all.end(), row.begin(), row.end());
  return all;
}

std::vector<double> gates_of(const Tensor& before) {
  std::vector<double> all = flat(before);
  for (double& v : all) v = sigmoid(v);
  return all;
}

// Rows first H .. (first + 1) H of xg_t + w h_{t-1} + b, b undefined: zero.
std::vector<double> recomputed_gate(int64_t gate, const Tensor& h, const Tensor& xg, const Tensor& w, const Tensor& b) {
  const int64_t batch = h.dim(0), length = h.dim(1), H = h.dim(2);
  const auto weight = sampled_rows(w.narrow(0, gate * H, H), H);
  const auto bias = b.defined() ? sampled_rows(b.narrow(0, gate * H, H), 1)[0] : std::vector<double>(size_t(H), 0);
  std::vector<double> values;
  for (int64_t i = 0; i < kPlaces && length > 1; ++i) {
    const int64_t row = i % batch, t = 1 + i * (length - 1) / kPlaces;
    const auto at = [&](const Tensor& x, int64_t time, int64_t first) {
      return sampled_rows(x.narrow(0, row, 1).narrow(1, time, 1).narrow(2, first, H), 1)[0];
    };
    const auto before = at(h, t - 1, 0), in = at(xg, t, gate * H);
    for (size_t j = 0; j < size_t(H); ++j) {
      double sum = in[j] + bias[j];
      for (size_t k = 0; k < size_t(H); ++k) sum += weight[j][k] * before[k];
      values.push_back(sigmoid(sum));
    }
  }
  return values;
}

void tell_quantiles(HealthReadings& readings, const std::string& what, std::vector<double> values) {
  readings.histogram(what, values);
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) { return values[size_t(share * double(values.size() - 1))]; };
  readings.mean(what + ".low", at(0.1), 1);
  readings.mean(what + ".median", at(0.5), 1);
  readings.mean(what + ".high", at(0.9), 1);
}

}  // namespace

void tell_gates(HealthReadings& readings, const std::string& part, const std::string& op, const std::vector<Var>& outputs,
                const std::vector<Var>& inputs) {
  constexpr const char* kGated[] = {"lstm", "gru", "min_gru", "min_lstm", "glu"};
  if (std::find(std::begin(kGated), std::end(kGated), op) == std::end(kGated)) return;
  const Stopwatch watch(readings, "gates");
  const auto told = [&](const char* gate, const std::vector<double>& values) {
    if (!values.empty()) tell_gate(readings, part, gate, values);
  };
  const auto again = [&](int64_t gate) {
    return recomputed_gate(gate, outputs[0].value(), inputs[0].value(), inputs[1].value(), inputs[2].value());
  };
  if (op == "lstm") told("input", again(0)), told("forget", again(1)), told("output", again(3));
  if (op == "gru") told("reset", again(0)), told("update", again(1));
  if (op == "min_gru") told("update", gates_of(inputs[0].value()));
  if (op == "min_lstm") told("forget", gates_of(inputs[0].value())), told("input", gates_of(inputs[1].value()));
  if (op == "glu") told("gate", gates_of(inputs[0].value()));
}

void tell_time_steps(HealthReadings& readings, const std::string& part, const std::string& op, const std::vector<Var>& inputs) {
  const bool mamba = op == "selective_scan";
  if (!mamba && op != "ssd") return;
  const Stopwatch watch(readings, "time_steps");
  const Tensor before = inputs[1].defined() ? inputs[1].value() : Tensor();
  const Tensor A = inputs[2].value(), bias = inputs[mamba ? 7 : 6].defined() ? inputs[mamba ? 7 : 6].value() : Tensor();
  const size_t channels = size_t(A.dim(0));
  const int64_t each = A.size();  // time constants of one token
  const auto rows = before.defined() ? sampled_rows(before, std::max<int64_t>(4, kElements / each))
                                     : std::vector<std::vector<double>>{std::vector<double>(channels, 0)};
  const auto added = bias.defined() ? sampled_rows(bias, 1)[0] : std::vector<double>(channels, 0);
  const auto factors = A.rank() == 2 ? sampled_rows(A, int64_t(channels)) : sampled_rows(A.reshape({A.dim(0), 1}), int64_t(channels));
  std::vector<double> steps, constants;
  for (const auto& row : rows)
    for (size_t c = 0; c < channels; ++c) {
      const double delta = softplus(row[c] + added[c]);
      steps.push_back(delta);
      for (const double a : factors[c]) constants.push_back(1 / (delta * std::abs(a)));
    }
  tell_quantiles(readings, "time_step/" + part, std::move(steps));
  tell_quantiles(readings, "time_constant/" + part, std::move(constants));
}

}  // namespace adder::lab
