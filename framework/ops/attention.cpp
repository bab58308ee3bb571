#include "framework/ops/attention.h"

#include <cmath>
#include <utility>

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "framework/ops/sequence.h"
#include "kernels/attention/attention.h"

namespace adder::ops {
namespace {

// Every query sees at least its own key, and none beyond the last.
void check_ranges(const Shapes& check, const Tensor& past, const Tensor& first, int64_t batch, int64_t queries,
                  int64_t keys) {
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t before = past.defined() ? past.data<int32_t>()[b] : 0;
    if (before < 0 || before + queries > keys)
      check.fail("past[" + std::to_string(b) + "] is " + std::to_string(before) + ", expected 0 to " +
                 std::to_string(keys - queries));
    for (int64_t t = 0; first.defined() && t < queries; ++t) {
      const int64_t from = first.data<int32_t>()[b * queries + t];
      if (from < 0 || from > before + t)
        check.fail("first[" + std::to_string(b) + ", " + std::to_string(t) + "] is " + std::to_string(from) +
                   ", expected 0 to " + std::to_string(before + t));
    }
  }
}

// Whether keys and values are bfloat16; else all are of one dtype.
bool in_bfloat16(const Shapes& check, const Var& q, const Var& k, const Var& v) {
  const bool halves = k.dtype() == DType::bf16 || v.dtype() == DType::bf16;
  check.one_dtype(halves ? std::initializer_list<const Var*>{&q} : std::initializer_list<const Var*>{&q, &k, &v});
  if (!halves) return false;
  if (q.dtype() != DType::f32 || k.dtype() != v.dtype())
    check.fail(std::string("q, k and v have dtypes ") + name(q.dtype()) + ", " + name(k.dtype()) + " and " + name(v.dtype()) +
               ", expected float32, bfloat16 and bfloat16");
  if (recording({q, k, v})) check.fail("k and v are bfloat16, which has no gradient; expected a pass without a tape");
  return true;
}

// A pair of a query and a key that it sees: q.k and p v forward; backward q.k again, dp = dy.v, and dq, dk, dv.
Work work_of(const Tensor& past, const Tensor& first, int64_t batch, int64_t queries, const AttentionHeads& h, int64_t dim) {
  double pairs = 0;
  for (int64_t b = 0; b < batch; ++b) {
    const double before = past.defined() ? past.data<int32_t>()[b] : 0;
    pairs += double(queries) * (before + double(queries + 1) / 2);
    for (int64_t t = 0; first.defined() && t < queries; ++t) pairs -= first.data<int32_t>()[b * queries + t];
  }
  pairs *= double(h.heads);
  return {.flops = 4 * pairs * double(dim), .backward_flops = 10 * pairs * double(dim), .exps = pairs, .backward_exps = pairs};
}

}  // namespace

Var attention(const Var& q, const Var& k, const Var& v, const AttentionHeads& h, const Tensor& past,
              const Tensor& first) {
  const Shapes check{"attention"};
  const auto [batch, queries, width] = check("q", q, {"batch", "queries", "heads * head_dim"});
  if (h.heads < 1 || h.kv_heads < 1 || h.heads % h.kv_heads != 0 || width % h.heads != 0)
    check.fail(std::to_string(h.heads) + " heads over " + std::to_string(h.kv_heads) + " of keys do not divide q of " +
               to_string(q.shape()));
  const int64_t dim = width / h.heads;
  const int64_t keys = check("k", k, {batch, "keys", h.kv_heads * dim})[1];
  check("v", v, {batch, keys, h.kv_heads * dim});
  if (past.defined()) check("past", past, {batch});
  if (first.defined()) check("first", first, {batch, queries});
  const bool halves = in_bfloat16(check, q, k, v);
  const Tensor starts = dense(past), lows = dense(first);
  check_ranges(check, starts, lows, batch, queries, keys);

  return by_dtype(q.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor y = Tensor::empty(q.shape(), q.dtype(), q.device());
    Tensor lse = Tensor::empty({batch, h.heads, queries}, q.dtype(), q.device());
    Tensor qs = q.value(), ks = k.value(), vs = v.value();
    kernels::Attention<T> a{.heads = h.heads, .kv_heads = h.kv_heads, .head_dim = dim,
                            .q = sequence<const T>(qs)};
    if (halves) a.k_bf16 = sequence<const kernels::BFloat16>(ks), a.v_bf16 = sequence<const kernels::BFloat16>(vs);
    else a.k = sequence<const T>(ks), a.v = sequence<const T>(vs);
    a.past = pointer<const int32_t>(starts), a.first = pointer<const int32_t>(lows);
    a.scale = T(1 / std::sqrt(double(dim)));
    a.y = sequence<T>(y), a.lse = lse.data<T>();
    KERNEL(attention_fwd, T)(q.device(), a);
    return record("attention", y, {q, k, v}, [=, qs = std::move(qs), ks = std::move(ks), vs = std::move(vs),
                                              lse = std::move(lse)](const Adjoints& g) {
      auto back = a;
      back.overwrite = g.begin_together({0, 1, 2});
      const Tensor dy = g.out(0), dq = g.in(0), dk = g.in(1), dv = g.in(2);
      back.q = sequence<const T>(qs), back.k = sequence<const T>(ks), back.v = sequence<const T>(vs);
      back.y = sequence<T>(y), back.lse = lse.data<T>();
      back.past = pointer<const int32_t>(starts), back.first = pointer<const int32_t>(lows);
      back.dy = sequence<const T>(dy);
      back.dq = sequence<T>(dq), back.dk = sequence<T>(dk), back.dv = sequence<T>(dv);
      KERNEL(attention_bwd, T)(qs.device(), back);
    }, work_of(starts, lows, batch, queries, h, dim));
  });
}

}  // namespace adder::ops
