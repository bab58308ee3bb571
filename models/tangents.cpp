#include "models/tangents.h"

#include "framework/ops/add.h"
#include "framework/ops/causal_conv1d.h"
#include "framework/ops/embedding.h"
#include "framework/ops/mul.h"
#include "framework/ops/stack_time.h"
#include "framework/ops/view.h"

namespace adder {
namespace {

Var constant_like(const Var& x, double value) { return Tensor::full(x.shape(), value, x.dtype(), x.device()); }

}  // namespace

// A convolution of two taps that reads the earlier one.
Var one_step_before(const Var& h, const Var& h0) {
  const int64_t batch = h.dim(0), channels = h.dim(2);
  const Tensor taps = Tensor::zeros({channels, 2}, h.dtype(), h.device());
  taps.narrow(1, 0, 1).fill(1);
  const Var window = h0.defined() ? ops::reshape(h0, {batch, 1, channels}) : Var();
  return ops::causal_conv1d(h, Var(taps), {}, window, {}, false).y;
}

Var beside_vectors(const Var& x, int64_t k) {
  const int64_t batch = x.dim(0), length = x.dim(1), channels = x.dim(2);
  const Tensor rows = Tensor::empty({length, batch, k}, DType::i32);
  int32_t* row = rows.data<int32_t>();
  for (int64_t t = 0; t < length; ++t)
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t i = 0; i < k; ++i) *row++ = int32_t(b * length + t);
  return ops::embedding(rows, ops::reshape(x, {batch * length, channels}));
}

Var at_step(const Var& beside, int64_t t) {
  return ops::reshape(ops::narrow(beside, 0, t, 1), {beside.dim(1), beside.dim(2), beside.dim(3)});
}

Var one_minus(const Var& x) { return minus(constant_like(x, 1), x); }
Var minus(const Var& a, const Var& b) { return ops::add(a, ops::mul(constant_like(b, -1), b)); }
Var slope_of_sigmoid(const Var& s) { return ops::mul(s, one_minus(s)); }
Var slope_of_tanh(const Var& y) { return one_minus(ops::mul(y, y)); }

Var joined_vectors(const Var& a, const Var& b) {
  const int64_t batch = a.dim(0), k = a.dim(1), channels = a.dim(2);
  const auto flat = [&](const Var& x) { return ops::reshape(x, {batch * k, channels}); };
  return ops::reshape(ops::stack_time({flat(a), flat(b)}), {batch, k, 2 * channels});
}

}  // namespace adder
