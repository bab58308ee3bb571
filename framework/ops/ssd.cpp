#include "framework/ops/ssd.h"

#include <algorithm>
#include <utility>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/sequence.h"
#include "kernels/ssd/ssd.h"

namespace adder::ops {
namespace {

struct Sizes {
  int64_t batch, length, heads, head_dim, groups, state;
};

int64_t parts(const Shapes& check, const char* argument, const Var& x, int64_t count, const char* of) {
  if (x.dim(2) == 0 || x.dim(2) % count)
    check.fail(std::string(argument) + " has shape " + to_string(x.shape()) + ", expected a last axis of " +
               std::to_string(count) + " equal " + of);
  return x.dim(2) / count;
}

Sizes check_shapes(const SsdInputs& in, const SsdOptions& o) {
  const Shapes check{"ssd"};
  const auto [batch, length, channels] = check("x", in.x, {"batch", "length", "heads * head_dim"});
  const int64_t heads = check("dt", in.dt, {batch, length, "heads"})[2];
  if (length < 1 || heads < 1) check.fail("dt has shape " + to_string(in.dt.shape()) + ", expected at least one step and head");
  const int64_t width = check("B", in.B, {batch, length, "groups * state"})[2];
  check("C", in.C, {batch, length, width});
  if (o.groups < 1 || heads % o.groups)
    check.fail(std::to_string(heads) + " heads can't share " + std::to_string(o.groups) + " groups");
  if (o.chunk_size < 1) check.fail("chunk_size is " + std::to_string(o.chunk_size) + ", expected at least 1");
  if (!(o.dt_min <= o.dt_max))
    check.fail("dt_min is " + std::to_string(o.dt_min) + ", expected at most dt_max = " + std::to_string(o.dt_max));
  const int64_t head_dim = parts(check, "x", in.x, heads, "heads"), state = parts(check, "B", in.B, o.groups, "groups");
  check("A", in.A, {heads});
  if (in.D.defined()) check("D", in.D, {heads});
  if (in.dt_bias.defined()) check("dt_bias", in.dt_bias, {heads});
  if (in.h0.defined()) check("h0", in.h0, {batch, heads, head_dim, state});
  if (in.resets.defined()) {
    check("resets", in.resets, {batch, length});
    if (in.resets.dtype() != DType::i32)
      check.fail(std::string("resets has dtype ") + name(in.resets.dtype()) + ", expected int32");
  }
  check.one_dtype({&in.x, &in.dt, &in.A, &in.B, &in.C, &in.D, &in.dt_bias, &in.h0});
  return {batch, length, heads, head_dim, o.groups, state};
}

// The inputs, dense where the kernel takes a pointer; kept alive for backward.
struct Kept {
  Tensor x, dt, A, B, C, D, dt_bias, h0, resets, borders;
};

template <class T>
kernels::Ssd<T> call(const Kept& k, const Sizes& n, const SsdOptions& o) {
  kernels::Ssd<T> a;
  a.batch = n.batch, a.length = n.length, a.heads = n.heads, a.head_dim = n.head_dim;
  a.groups = n.groups, a.state = n.state, a.chunk_size = o.chunk_size;
  a.x = sequence<const T>(k.x), a.delta = sequence<const T>(k.dt);
  a.B = sequence<const T>(k.B), a.C = sequence<const T>(k.C);
  a.A = pointer<const T>(k.A), a.D = pointer<const T>(k.D), a.dt_bias = pointer<const T>(k.dt_bias);
  a.h0 = pointer<const T>(k.h0), a.resets = pointer<const int32_t>(k.resets);
  a.dt_min = T(o.dt_min), a.dt_max = T(o.dt_max);
  return a;
}

template <class T>
void backward(const Kept& kept, const Sizes& sizes, const SsdOptions& options, const Adjoints& g) {
  auto a = call<T>(kept, sizes, options);
  a.overwrite_dx = g.begin(0), a.overwrite_ddelta = g.begin(1), a.overwrite_dB = g.begin(3), a.overwrite_dC = g.begin(4);
  const Tensor dy = g.out(0), dlast = dense(g.out(1)), dx = g.in(0), ddt = g.in(1), dA = g.in(2), dB = g.in(3),
               dC = g.in(4), dD = g.in(5), dbias = g.in(6), dh0 = g.in_dense(7);
  a.borders = kept.borders.data<T>();
  a.dy = sequence<const T>(dy), a.dlast = pointer<const T>(dlast);
  a.dx = sequence<T>(dx), a.ddelta = sequence<T>(ddt), a.dB = sequence<T>(dB), a.dC = sequence<T>(dC);
  a.dA = pointer<T>(dA), a.dD = pointer<T>(dD), a.ddt_bias = pointer<T>(dbias), a.dh0 = pointer<T>(dh0);
  KERNEL(ssd_bwd, T)(kept.x.device(), a);
}

// Forward, a step: C.B (once a group) and its product with u, half a chunk of each on average, the two products with the
// state; and e^(cs_i - cs_j). Backward: two products for each of them, and C.B again.
Work work_of(const Sizes& n, int64_t chunk_size) {
  const double steps = double(n.batch * n.length), chunk = double(std::min(chunk_size, n.length));
  const double heads = double(n.heads), dim = double(n.head_dim), state = double(n.state), groups = double(n.groups);
  const double scores = steps * groups * chunk * state, flops = scores + steps * heads * (chunk * dim + 4 * dim * state);
  const double exps = steps * heads * (chunk / 2 + 2);
  return {.flops = flops, .backward_flops = 2 * flops + scores, .exps = exps, .backward_exps = exps};
}

}  // namespace

SsdResult ssd(const SsdInputs& in, const SsdOptions& options) {
  const Sizes n = check_shapes(in, options);

  return by_dtype(in.x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    Kept kept{in.x.value(), in.dt.value(), dense(in.A.value()), in.B.value(), in.C.value(), dense(in.D.value()),
              dense(in.dt_bias.value()), dense(in.h0.value()), dense(in.resets), {}};
    auto a = call<T>(kept, n, options);
    const Tensor y = Tensor::empty({n.batch, n.length, n.heads * n.head_dim}, in.x.dtype(), in.x.device());
    const Tensor last = Tensor::empty({n.batch, n.heads, n.head_dim, n.state}, in.x.dtype(), in.x.device());
    if (n.length > 1 || recording({in.x, in.dt, in.A, in.B, in.C, in.D, in.dt_bias, in.h0}))
      kept.borders = Tensor::empty({kernels::ssd_border_elements(a)}, in.x.dtype(), in.x.device());
    a.y = sequence<T>(y), a.last = last.data<T>(), a.borders = pointer<T>(kept.borders);
    KERNEL(ssd_fwd, T)(in.x.device(), a);
    const auto out = record("ssd", {y, last}, {in.x, in.dt, in.A, in.B, in.C, in.D, in.dt_bias, in.h0},
                            [kept = std::move(kept), n, options](const Adjoints& g) { backward<T>(kept, n, options, g); },
                            work_of(n, options.chunk_size));
    return SsdResult{out[0], out[1]};
  });
}

}  // namespace adder::ops
