#include "models/recurrent_init.h"

#include <cmath>
#include <memory>

#include "framework/core/error.h"
#include "framework/ops/embedding.h"
#include "framework/ops/linear.h"
#include "framework/ops/stack_time.h"
#include "framework/ops/view.h"

namespace adder {
namespace {

// Eight partial sums, so that the compiler may keep them side by side.
double dot(const double* a, const double* b, int64_t n) {
  double part[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int64_t k = 0; k < 8; ++k) part[k] += a[i + k] * b[i + k];
  for (; i < n; ++i) part[0] += a[i] * b[i];
  return ((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7]));
}

// Each row made perpendicular to those before it, twice: once leaves rounding errors where rows are nearly parallel.
void orthonormalise_rows(std::vector<double>& m, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    double* row = &m[size_t(i * n)];
    for (int pass = 0; pass < 2; ++pass)
      for (int64_t j = 0; j < i; ++j) {
        const double* other = &m[size_t(j * n)];
        const double share = dot(row, other, n);
        for (int64_t k = 0; k < n; ++k) row[k] -= share * other[k];
      }
    const double length = std::sqrt(dot(row, row, n));
    for (int64_t k = 0; k < n; ++k) row[k] /= length;
  }
}

// The gate of the element that was asked for last, and the stream that it came from.
struct Orthogonal {
  std::vector<double> matrix;
  int64_t gate = -1;
  uint64_t stream = 0;
};

Var zero_state(const Var& x, int64_t hidden) {
  return Var(Tensor::zeros({x.dim(0), hidden}, x.dtype(), x.device()));
}

}  // namespace

Initializer init::orthogonal(int64_t n) {
  const auto last = std::make_shared<Orthogonal>();
  return [=](const Random& random, int64_t i) {
    const int64_t gate = i / (n * n);
    const uint64_t stream = random.bits64(0);
    if (gate != last->gate || stream != last->stream) {
      last->gate = gate, last->stream = stream;
      last->matrix.resize(size_t(n * n));
      for (int64_t k = 0; k < n * n; ++k) last->matrix[size_t(k)] = random.normal(uint64_t(gate * n * n + k));
      orthonormalise_rows(last->matrix, n);
    }
    return last->matrix[size_t(i % (n * n))];
  };
}

Initializer init::identity(int64_t n) {
  return [=](const Random&, int64_t i) { return i / n % n == i % n ? 1.0 : 0.0; };
}

Initializer recurrent_weight(const std::string& kind, int64_t n) {
  if (kind == "uniform") return init::linear_default(n);
  if (kind == "gaussian") return init::normal(1 / std::sqrt(double(n)));
  if (kind == "orthogonal") return init::orthogonal(n);
  if (kind == "identity") return init::identity(n);
  throw Error("[recurrent_weight] no initialization is called \"" + kind + "\"");
}

RecurrentParameters declare_recurrent(const ParameterScope& scope, const RecurrentSizes& sizes,
                                      const RecurrentStart& start) {
  const int64_t D = sizes.d_model, H = sizes.hidden, rows = sizes.gates * H;
  RecurrentParameters p;
  p.weight_ih = &scope.add_hidden("weight_ih", {rows, D}, init::linear_default(H));
  p.weight_hh = &scope.add_hidden("weight_hh", {rows, H}, start.weight_hh);
  p.weight_hh->value.multiply_in_bf16(false);  // the fused recurrences multiply in float32, and so must a single step
  p.bias_ih = &scope.add("bias_ih", {rows}, start.bias_ih);
  p.bias_hh = &scope.add("bias_hh", {rows}, start.bias_hh);
  if (H != D)
    p.out_proj =
        &scope.add_hidden("out_proj.weight", {D, H}, init::linear_default(H, 1 / std::sqrt(double(sizes.n_layers))));
  return p;
}

Var each_step(const Var& x, MixerState& state, size_t tensors, int64_t hidden, const Tensor& resets,
              const RecurrentStep& step) {
  const int64_t batch = x.dim(0), length = x.dim(1), channels = x.dim(2);
  if (state.empty()) state.assign(tensors, zero_state(x, hidden));
  std::vector<Var> outputs;
  for (int64_t t = 0; t < length; ++t) {
    if (resets.defined())
      for (Var& s : state) s = ops::clear_rows(s, resets.narrow(1, t, 1).reshape({batch}));
    step(ops::reshape(ops::narrow(x, 1, t, 1), {batch, channels}), state);
    outputs.push_back(state[0]);
  }
  return ops::stack_time(outputs);
}

Var input_projection(Pass& pass, const RecurrentParameters& p, const Var& x) {
  return ops::linear(x, use(pass, *p.weight_ih), use(pass, *p.bias_ih));
}
Var input_projection(Pass& pass, const RecurrentParameters& p, const Var& x, const Stretch& at) {
  return at.table.defined() ? ops::embedding(at.ids, input_projection(pass, p, at.table)) : input_projection(pass, p, x);
}
Var hidden_projection(Pass& pass, const RecurrentParameters& p, const Var& h) {
  return ops::linear(h, use(pass, *p.weight_hh), use(pass, *p.bias_hh));
}
Tensor log_gate(Pass& pass, const RecurrentParameters& p, int64_t gate, const Var& x, const Var& y, const Var& h0) {
  const int64_t batch = y.dim(0), length = y.dim(1), hidden = y.dim(2);
  const Tensor before = Tensor::zeros(y.shape(), y.dtype(), y.device());
  if (h0.defined()) before.narrow(1, 0, 1).copy_from(h0.value().reshape({batch, 1, hidden}));
  if (length > 1) before.narrow(1, 1, length - 1).copy_from(y.value().narrow(1, 0, length - 1));
  const Tensor in = input_projection(pass, p, x).value().narrow(2, gate * hidden, hidden);
  const Tensor step = hidden_projection(pass, p, Var(before)).value().narrow(2, gate * hidden, hidden);
  const Tensor log_gate = Tensor::empty(y.shape(), DType::f64);
  for (int64_t i = 0; i < log_gate.size(); ++i)
    log_gate.data<double>()[i] = log_sigmoid(in.item(i) + step.item(i));
  return log_gate;
}

Var output_projection(Pass& pass, const RecurrentParameters& p, const Var& y) {
  return p.out_proj ? ops::linear(y, use(pass, *p.out_proj)) : y;
}

}  // namespace adder
