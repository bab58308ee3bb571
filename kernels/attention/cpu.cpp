// Queries lie in lanes: scores are kept transposed, [key][query], so that the softmax runs down columns and weights
// are at once the k-major operand of the product with V. A stripe of 32 queries meets keys in blocks of 64, in order (stripe.h).
// Few queries (decoding) go one by one (one_query.h). Each head's keys and values are copied side by side first: in rows that
// are a power of two apart they would push each other out of the first-level cache (rows.h).
#include "kernels/attention/attention.h"

#include <algorithm>
#include <cmath>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/attention/one_query.h"
#include "kernels/attention/rows.h"
#include "kernels/attention/stripe.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t kFew = 4;        // up to these many queries go one by one
constexpr int64_t kManyPairs = 8;  // heads of keys a thread, from which on they are shares that are even enough

// The running softmax of kLanes queries, from lane `lane` on: scores become weights, the sums are rescaled to the new
// greatest score. Weights are added in four chains, by key modulo 4.
template <bool kAll, class T>
void soften(const Stripe<T>& at, int64_t lane, int64_t begin, int64_t end, T scale, int64_t dim, T* scores, T* sums,
            T* greatest, T* totals) {
  T* column = scores + lane;
  const auto before = load(greatest + lane);
  auto most = before;
  for (int64_t j = begin; j < end; ++j) {
    auto score = load(column + (j - begin) * kStripe) * set(scale);
    if constexpr (!kAll) score = if_seen(at, lane, j, score, set(kLowest<T>));
    store(column + (j - begin) * kStripe, score);
    most = max(most, score);
  }
  Vec<T> part[4] = {zero<T>(), zero<T>(), zero<T>(), zero<T>()};
  for (int64_t j = begin; j < end; ++j) {
    auto weight = exp_of_minus(most - load(column + (j - begin) * kStripe));
    if constexpr (!kAll) weight = if_seen(at, lane, j, weight, zero<T>());
    store(column + (j - begin) * kStripe, weight);
    part[j % 4] += weight;
  }
  const auto factor = exp_of_minus(most - before);
  for (int64_t d = 0; d < dim; ++d) store(sums + d * kStripe + lane, load(sums + d * kStripe + lane) * factor);
  store(greatest + lane, most);
  store(totals + lane, fma(load(totals + lane), factor, (part[0] + part[1]) + (part[2] + part[3])));
}

// What pair i, a head of keys of a sequence, will read, backward also where its gradients go. (Forward y's rows are better left
// to the stores.)
template <class T, class X>
Upcoming rows_of_pair(const Attention<T>& a, const Sequence<const X>& k, const Sequence<const X>& v, int64_t i) {
  Upcoming next;
  if (i >= a.q.batch * a.kv_heads) return next;
  const int64_t b = i / a.kv_heads, head = i % a.kv_heads, dim = a.head_dim, width = a.heads / a.kv_heads * dim;
  next.end = a.q.length;
  next.add(k, b, head * dim, dim), next.add(v, b, head * dim, dim), next.add(a.q, b, head * width, width);
  if (!a.dy) return next;
  next.add(a.y, b, head * width, width), next.add(a.dy, b, head * width, width);
  if (a.dq) next.add(a.dq, b, head * width, width);
  if (a.dk) next.add(a.dk, b, head * dim, dim);
  if (a.dv) next.add(a.dv, b, head * dim, dim);
  return next;
}

template <class T>
void forward_stripe(const Attention<T>& a, const Stripe<T>& at, const T* keys, const T* values, Upcoming& next) {
  constexpr int64_t kAtOnce = 12;  // rows
  const int64_t dim = a.head_dim;
  T* queries = scratch<T>(size_t(dim * kStripe), kQueries);
  T* scores = scratch<T>(size_t(kKeys * kStripe), kScores);
  T* sums = scratch<T>(size_t(dim * kStripe), kSums);
  alignas(64) T greatest[kStripe], totals[kStripe];
  gather(a.q, at, at.query, dim, queries);
  clear(sums, dim * kStripe);
  std::fill_n(greatest, kStripe, kLowest<T>);
  std::fill_n(totals, kStripe, T(0));
  for_blocks(at, [&](int64_t begin, int64_t end) {
    next.fetch(kAtOnce);
    products_with(at, keys, begin, end, dim, queries, scores);
    next.fetch(kAtOnce);
    for_vectors(at, begin, end, [&](int64_t lane, int64_t past, auto all) {
      soften<decltype(all)::value>(at, lane, begin, past, a.scale, dim, scores, sums, greatest, totals);
    });
    next.fetch(kAtOnce);
    add_weighted(at, values, begin, end, dim, scores, sums);
  });
  for (int64_t d = 0; d < dim; ++d)
    for (int64_t lane = 0; lane < kStripe; lane += kLanes<T>)
      store(sums + d * kStripe + lane, load(sums + d * kStripe + lane) / load(totals + lane));
  transpose(sums, kStripe, dim, at.count, a.y.row(at.b, at.first) + at.query, a.y.stride);
  T* lse = a.lse + (at.b * a.heads + at.head) * a.q.length + at.first;
  for (int64_t i = 0; i < at.count; ++i) lse[i] = greatest[i] + std::log(totals[i]);
}

template <class T, class X>
void forward_over(const Attention<T>& a, const Sequence<const X>& k, const Sequence<const X>& v) {
  if (a.q.length <= kFew) {
    if (a.q.batch == 0) return;
    // As few groups as keep every thread at work; several a thread where sequences may differ in length.
    const int64_t wanted = a.q.batch == 1 ? threads() : 4 * threads();
    const int64_t groups = std::clamp<int64_t>((wanted + a.q.batch - 1) / a.q.batch, 1, a.heads);
    parallel_for(a.q.batch * groups, [&](int64_t i) {
      const int64_t first = i % groups * a.heads / groups, last = (i % groups + 1) * a.heads / groups;
      for (int64_t t = 0; t < a.q.length; ++t) forward_query(a, k, v, i / groups, first, last, t);
    });
    return;
  }
  const int64_t stripes = (a.q.length + kStripe - 1) / kStripe, dim = a.head_dim, size = k.length * dim;
  const int64_t pairs = a.q.batch * a.kv_heads, each = a.heads / a.kv_heads;
  const auto gather_pair = [&](int64_t i, T* to) {  // k, then v: [key][head_dim]
    const int64_t b = i / a.kv_heads, column = i % a.kv_heads * dim, count = past_key(a, b, a.q.length - 1);
    copy_rows(k, b, column, 0, count, dim, to);
    copy_rows(v, b, column, 0, count, dim, to + size);
  };
  const auto run = [&](int64_t b, int64_t head, int64_t first, const T* pair, Upcoming& next) {
    for_stripes(a, b, head, first, [&](const Stripe<T>& at) { forward_stripe<T>(a, at, pair, pair + size, next); });
  };
  if (pairs >= kManyPairs * threads()) {  // then a task has all queries of its keys, while those are warm
    parallel_for(pairs, [&](int64_t i) {
      T* pair = scratch<T>(size_t(2 * size), kHeads);
      gather_pair(i, pair);
      Upcoming next = rows_of_pair(a, k, v, i + 1);
      for (int64_t head = i % a.kv_heads * each; head < (i % a.kv_heads + 1) * each; ++head)
        for (int64_t stripe = 0; stripe < stripes; ++stripe) run(i / a.kv_heads, head, stripe * kStripe, pair, next);
    });
    return;
  }
  T* heads = scratch<T>(size_t(2 * pairs * size), kHeads);
  parallel_for(pairs, [&](int64_t i) { gather_pair(i, heads + 2 * i * size); });
  parallel_for(a.q.batch * a.heads * stripes, [&](int64_t i) {
    const int64_t row = i / stripes, b = row / a.heads, head = row % a.heads;
    Upcoming nothing;
    run(b, head, i % stripes * kStripe, heads + 2 * (b * a.kv_heads + head / each) * size, nothing);
  });
}

template <class T>
void forward(const Attention<T>& a) {
  with_keys(a, [&](const auto& k, const auto& v) { forward_over(a, k, v); });
}

// ---- backward ------------------------------------------------------------------------------------------------
// With p as in forward and delta_t = dy_t . y_t:  ds = p (dy_t . v_j - delta_t) scale,
// dq_t += ds k_j,  dk_j += ds q_t,  dv_j += p dy_t.
template <class T>
struct Adjoints {
  T *queries, *adjoints;   // q and dy, [head_dim][lane]
  T *query_rows, *adjoint_rows;  // the same, [lane][head_dim]
  T *weights, *slopes;     // p and ds of a block, [key][lane]
  T* gradients;            // dq, [head_dim][lane]
  alignas(64) T lse[kStripe], delta[kStripe];

  Adjoints(const Attention<T>& a, const Stripe<T>& at) {
    const size_t lanes = size_t(a.head_dim * kStripe);
    queries = scratch<T>(2 * lanes, kQueries), adjoints = scratch<T>(2 * lanes, kAdjoints);
    query_rows = queries + lanes, adjoint_rows = adjoints + lanes;
    copy_rows(a.q, at.b, at.query, at.first, at.count, a.head_dim, query_rows);
    copy_rows(a.dy, at.b, at.query, at.first, at.count, a.head_dim, adjoint_rows);
    weights = scratch<T>(size_t(kKeys * kStripe), kScores), slopes = scratch<T>(size_t(kKeys * kStripe), kSlopes);
    gradients = scratch<T>(lanes, kQueryGradients);
    gather(a.q, at, at.query, a.head_dim, queries);
    gather(a.dy, at, at.query, a.head_dim, adjoints);
    clear(gradients, int64_t(lanes));
    const T* of = a.lse + (at.b * a.heads + at.head) * a.q.length + at.first;
    for (int64_t i = 0; i < kStripe; ++i) {
      lse[i] = i < at.count ? of[i] : T(0);
      delta[i] = i < at.count ? dot(a, at, at.first + i) : T(0);
    }
  }
  static T dot(const Attention<T>& a, const Stripe<T>& at, int64_t t) {
    const T *dy = a.dy.row(at.b, t) + at.query, *y = a.y.row(at.b, t) + at.query;
    auto product = zero<T>();
    for (int64_t d = 0; d < a.head_dim; d += kLanes<T>)
      product = fma(load(dy + d, a.head_dim - d), load(y + d, a.head_dim - d), product);
    return sum(product);
  }
};

// Scores and dy . v of keys [begin, end) of a block become p and ds in one vector of lanes.
template <bool kAll, class T>
void slopes_of(const Stripe<T>& at, int64_t lane, int64_t begin, int64_t end, T scale, const Adjoints<T>& with) {
  const auto lse = load(with.lse + lane), delta = load(with.delta + lane), by = set(scale);
  for (int64_t j = begin; j < end; ++j) {
    T *weight = with.weights + (j - begin) * kStripe + lane, *slope = with.slopes + (j - begin) * kStripe + lane;
    auto p = exp_of_minus(fnma(load(weight), by, lse));  // a score above its lse by rounding is as good as one below
    auto ds = p * (load(slope) - delta) * by;
    if constexpr (!kAll) p = if_seen(at, lane, j, p, zero<T>()), ds = if_seen(at, lane, j, ds, zero<T>());
    store(weight, p), store(slope, ds);
  }
}

// sum[key][d] += sum_lane weight[key][lane] x[lane][d] over the stripe's queries
template <class T>
void add_outer(const Stripe<T>& at, const T* weight, const T* x, int64_t begin, int64_t end, int64_t dim, T* sum) {
  for_halves(at, begin, end, [&](int64_t first, int64_t last, int64_t lane) {
    tile::multiply<T>({.a = weight + (first - begin) * kStripe + lane, .a_row = kStripe, .a_col = 1, .depth = at.count - lane,
                       .b = x + lane * dim, .b_row = dim, .c = sum + first * dim, .c_row = dim, .width = dim, .from_c = true,
                       .bias = nullptr},
                      last - first);
  });
}

// One head's keys and values, and their gradients, side by side.
template <class T>
struct Head {
  T *k, *v, *dk, *dv;
};

template <class T>
void add_rows(const T* rows, const Sequence<T>& sum, bool overwrite, int64_t b, int64_t column, int64_t begin, int64_t count,
              int64_t dim) {
  for (int64_t i = 0; i < count; ++i, rows += dim) {
    T* row = sum.row(b, begin + i) + column;
    for (int64_t d = 0; d < dim; d += kLanes<T>) {
      const auto x = load(rows + d, dim - d), before = overwrite ? zero<T>() : load(row + d, dim - d);
      store(row + d, before + x, dim - d);
    }
  }
}

template <class T>
void backward_stripe(const Attention<T>& a, const Stripe<T>& at, const Head<T>& of, Upcoming& next) {
  constexpr int64_t kAtOnce = 6;  // rows
  const int64_t dim = a.head_dim;
  const Adjoints<T> with(a, at);
  for_blocks(at, [&](int64_t begin, int64_t end) {
    next.fetch(kAtOnce);
    products_with<T>(at, of.k, begin, end, dim, with.queries, with.weights);
    next.fetch(kAtOnce);
    products_with<T>(at, of.v, begin, end, dim, with.adjoints, with.slopes);
    next.fetch(kAtOnce);
    for_vectors(at, begin, end, [&](int64_t lane, int64_t past, auto all) {
      slopes_of<decltype(all)::value>(at, lane, begin, past, a.scale, with);
    });
    next.fetch(kAtOnce);
    if (a.dv) add_outer<T>(at, with.weights, with.adjoint_rows, begin, end, dim, of.dv);
    next.fetch(kAtOnce);
    if (a.dk) add_outer<T>(at, with.slopes, with.query_rows, begin, end, dim, of.dk);
    next.fetch(kAtOnce);
    if (a.dq) add_weighted<T>(at, of.k, begin, end, dim, with.slopes, with.gradients);
  });
  if (!a.dq) return;
  T* rows = scratch<T>(size_t(kStripe * dim), kSums);
  transpose(with.gradients, kStripe, dim, at.count, rows, dim);
  add_rows(rows, a.dq, a.overwrite, at.b, at.query, at.first, at.count, dim);
}

template <class T>
void backward(const Attention<T>& a) {
  const int64_t each = a.heads / a.kv_heads, stripes = (a.q.length + kStripe - 1) / kStripe;
  const int64_t dim = a.head_dim, size = a.k.length * dim;
  parallel_for(a.q.batch * a.kv_heads, [&](int64_t i) {
    const int64_t b = i / a.kv_heads, group = i % a.kv_heads, count = past_key(a, b, a.q.length - 1);
    T* memory = scratch<T>(size_t(4 * size), kHeads);
    const Head<T> of{memory, memory + size, memory + 2 * size, memory + 3 * size};
    copy_rows(a.k, b, group * dim, 0, count, dim, of.k);
    copy_rows(a.v, b, group * dim, 0, count, dim, of.v);
    clear(of.dk, 2 * size);
    Upcoming next = rows_of_pair(a, a.k, a.v, i + 1);
    for (int64_t head = group * each; head < (group + 1) * each; ++head)
      for (int64_t stripe = 0; stripe < stripes; ++stripe)
        for_stripes(a, b, head, stripe * kStripe, [&](const Stripe<T>& at) { backward_stripe(a, at, of, next); });
    const int64_t written = a.overwrite ? a.k.length : count;  // beyond `count` zeros
    if (a.dk) add_rows(of.dk, a.dk, a.overwrite, b, group * dim, 0, written, dim);
    if (a.dv) add_rows(of.dv, a.dv, a.overwrite, b, group * dim, 0, written, dim);
  });
}

}  // namespace
SIMD_KERNEL(attention_fwd, Attention, forward)
SIMD_KERNEL(attention_bwd, Attention, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(attention_fwd, Attention)
SIMD_DISPATCH(attention_bwd, Attention)
}  // namespace kernels
#endif
