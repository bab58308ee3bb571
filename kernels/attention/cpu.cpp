// Queries lie in lanes: scores are kept transposed, [key][query], so that the softmax runs down columns and weights
// are at once the k-major operand of the product with V. A stripe of 32 queries meets keys in blocks of 64, in order. Few
// queries (decoding) go one by one, with keys and head_dim in lanes: other products, the same chains, the same bits.
// Each head's keys and values are copied side by side first: in rows that are a power of two apart they would push each
// other out of the first-level cache.
#include "kernels/attention/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/matmul/tile.h"
#include "kernels/simd.h"
#include "kernels/transpose.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t kKeys = 64;      // a block of keys
constexpr int64_t kStripe = 32;    // queries of one task
constexpr int64_t kFew = 4;        // up to these many queries go one by one
enum Slot { kQueries, kScores, kSums, kAdjoints, kSlopes, kQueryGradients, kPacked, kHeads };

// Rows [0, count) of `dim` columns, side by side.
template <class T>
void copy_rows(const Sequence<const T>& x, int64_t b, int64_t column, int64_t begin, int64_t count, int64_t dim, T* out) {
  for (int64_t i = 0; i < count; ++i) std::copy_n(x.row(b, begin + i) + column, dim, out + i * dim);
}

template <class T>
int64_t first_key(const Attention<T>& a, int64_t b, int64_t t) { return a.first ? a.first[b * a.q.length + t] : 0; }
template <class T>
int64_t past_key(const Attention<T>& a, int64_t b, int64_t t) { return (a.past ? a.past[b] : 0) + t + 1; }

// Queries [first, first + count) of one head, which see keys of [low, high), each its own [from, to). Lanes beyond `count`
// are never used.
template <class T>
struct Stripe {
  int64_t b, head, first, count;
  int64_t query, key;   // where the head's columns begin in q, y, and in k, v
  int64_t low, high;
  alignas(64) T from[kStripe], to[kStripe];

  // From query `first` on, up to the end of its 32, or to where a document starts: another's keys are not even read. A
  // window moves by one key a query.
  Stripe(const Attention<T>& a, int64_t b_, int64_t head_, int64_t first_)
      : b(b_), head(head_), first(first_), count(1), query(head_ * a.head_dim),
        key(head_ / (a.heads / a.kv_heads) * a.head_dim), low(first_key(a, b_, first_)) {
    const int64_t end = std::min(a.q.length, (first / kStripe + 1) * kStripe);
    while (first + count < end && first_key(a, b, first + count) - first_key(a, b, first + count - 1) <= 1) ++count;
    high = past_key(a, b, first + count - 1);
    for (int64_t i = 0; i < kStripe; ++i) {
      const int64_t t = first + std::min(i, count - 1);
      from[i] = T(first_key(a, b, t)), to[i] = T(past_key(a, b, t));
    }
  }
  bool all_see(int64_t begin, int64_t end) const { return from[kStripe - 1] <= T(begin) && T(end) <= to[0]; }
};

// f(stripe) for the stripes of 32 queries
template <class T, class F>
void for_stripes(const Attention<T>& a, int64_t b, int64_t head, int64_t first, F f) {
  for (const int64_t end = std::min(a.q.length, first + kStripe); first < end;) {
    const Stripe<T> stripe(a, b, head, first);
    f(stripe);
    first += stripe.count;
  }
}

// f(begin, end) for each block of keys that some query sees, cut to those keys
template <class T, class F>
void for_blocks(const Stripe<T>& at, F f) {
  for (int64_t block = at.low / kKeys; block * kKeys < at.high; ++block)
    f(std::max(at.low, block * kKeys), std::min(at.high, (block + 1) * kKeys));
}

// Rows of one head as [head_dim][lane]; lanes beyond `count` are 0.
template <class T>
void gather(const Sequence<const T>& x, const Stripe<T>& at, int64_t column, int64_t dim, T* out) {
  if (at.count < kStripe) std::fill_n(out, dim * kStripe, T(0));
  transpose(x.row(at.b, at.first) + column, x.stride, at.count, dim, out, kStripe);
}

// out[key][lane] = sum_d x[key][d] lanes[d][lane]
template <class T>
void products_with(const T* x, int64_t begin, int64_t end, int64_t dim, const T* lanes, T* out) {
  tile::multiply<T>({.a = x + begin * dim, .a_row = dim, .a_col = 1, .depth = dim, .b = lanes, .b_row = kStripe, .c = out,
                     .c_row = kStripe, .width = kStripe, .from_c = false, .bias = nullptr},
                    end - begin);
}

// sum[d][lane] += sum_key x[key][d] weight[key][lane]
template <class T>
void add_weighted(const T* x, int64_t begin, int64_t end, int64_t dim, const T* weight, T* sum) {
  tile::multiply<T>({.a = x + begin * dim, .a_row = 1, .a_col = dim, .depth = end - begin, .b = weight, .b_row = kStripe,
                     .c = sum, .c_row = kStripe, .width = kStripe, .from_c = true, .bias = nullptr},
                    dim);
}

// Lanes of x where the lane's query sees key j, else `other`
template <class T>
HWY_INLINE Vec<T> if_seen(const Stripe<T>& at, int64_t lane, int64_t j, const Vec<T>& x, const Vec<T>& other) {
  const auto key = set(T(j));
  return if_greater(load(at.to + lane), key, if_greater(load(at.from + lane), key, other, x), other);
}

// One number of what was computed for all lanes, with a lane's bits
template <class T>
HWY_INLINE T first_lane(const Vec<T>& x) {
  alignas(64) T lane[kLanes<T>];
  store(lane, x);
  return lane[0];
}

template <class T>
constexpr T kLowest = std::numeric_limits<T>::lowest();

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

template <class T>
void forward_stripe(const Attention<T>& a, const Stripe<T>& at, const T* keys, const T* values) {
  const int64_t dim = a.head_dim;
  T* queries = scratch<T>(size_t(dim * kStripe), kQueries);
  T* scores = scratch<T>(size_t(kKeys * kStripe), kScores);
  T* sums = scratch<T>(size_t(dim * kStripe), kSums);
  alignas(64) T greatest[kStripe], totals[kStripe];
  gather(a.q, at, at.query, dim, queries);
  std::fill_n(sums, dim * kStripe, T(0));
  std::fill_n(greatest, kStripe, kLowest<T>);
  std::fill_n(totals, kStripe, T(0));
  for_blocks(at, [&](int64_t begin, int64_t end) {
    products_with(keys, begin, end, dim, queries, scores);
    for (int64_t lane = 0; lane < kStripe; lane += kLanes<T>) {
      if (at.all_see(begin, end)) soften<true>(at, lane, begin, end, a.scale, dim, scores, sums, greatest, totals);
      else soften<false>(at, lane, begin, end, a.scale, dim, scores, sums, greatest, totals);
    }
    add_weighted(values, begin, end, dim, scores, sums);
  });
  for (int64_t d = 0; d < dim; ++d)
    for (int64_t lane = 0; lane < kStripe; lane += kLanes<T>)
      store(sums + d * kStripe + lane, load(sums + d * kStripe + lane) / load(totals + lane));
  transpose(sums, kStripe, dim, at.count, a.y.row(at.b, at.first) + at.query, a.y.stride);
  T* lse = a.lse + (at.b * a.heads + at.head) * a.q.length + at.first;
  for (int64_t i = 0; i < at.count; ++i) lse[i] = greatest[i] + std::log(totals[i]);
}

// ---- one query: keys in lanes for its scores, head_dim in lanes for its sums -----------------------------------
// One head's part of some rows, on its way to the second-level cache: their stride defeats the hardware's own fetching.
template <class T>
void fetch_rows(const Sequence<const T>& x, int64_t b, int64_t column, int64_t begin, int64_t end, int64_t dim) {
  for (int64_t j = begin; j < end; ++j)
    for (int64_t d = 0; d < dim; d += 64 / int64_t(sizeof(T))) __builtin_prefetch(x.row(b, j) + column + d, 0, 2);
}

template <class T>
void forward_query(const Attention<T>& a, int64_t b, int64_t head, int64_t t) {
  const int64_t dim = a.head_dim, key = head / (a.heads / a.kv_heads) * dim;
  const int64_t low = first_key(a, b, t), high = past_key(a, b, t);
  T* packed = scratch<T>(size_t(dim * kKeys), kPacked);
  T* sums = scratch<T>(size_t(dim + kLanes<T>), kSums);
  alignas(64) T scores[kKeys];
  std::fill_n(sums, dim, T(0));
  T greatest = kLowest<T>, total = 0;
  for (int64_t block = low / kKeys; block * kKeys < high; ++block) {
    const int64_t begin = std::max(low, block * kKeys), end = std::min(high, (block + 1) * kKeys), keys = end - begin;
    fetch_rows(a.k, b, key, end, std::min(high, end + kKeys), dim), fetch_rows(a.v, b, key, end, std::min(high, end + kKeys), dim);
    transpose(a.k.row(b, begin) + key, a.k.stride, keys, dim, packed, kKeys);
    tile::multiply<T>({.a = a.q.row(b, t) + head * dim, .a_row = 0, .a_col = 1, .depth = dim, .b = packed, .b_row = kKeys,
                       .c = scores, .c_row = kKeys, .width = keys, .from_c = false, .bias = nullptr},
                      1);
    T most = greatest;
    for (int64_t j = 0; j < keys; ++j) scores[j] *= a.scale, most = scores[j] > most ? scores[j] : most;
    for (int64_t j = 0; j < keys; j += kLanes<T>)
      store(scores + j, exp_of_minus(set(most) - load(scores + j, keys - j)), keys - j);
    T part[4] = {};
    for (int64_t j = 0; j < keys; ++j) part[(begin + j) % 4] += scores[j];
    const T factor = first_lane(exp_of_minus(set(most - greatest)));
    for (int64_t d = 0; d < dim; d += kLanes<T>) store(sums + d, load(sums + d, dim - d) * set(factor), dim - d);
    total = first_lane(fma(set(total), set(factor), set((part[0] + part[1]) + (part[2] + part[3]))));
    greatest = most;
    tile::multiply<T>({.a = scores, .a_row = 0, .a_col = 1, .depth = keys, .b = a.v.row(b, begin) + key,
                       .b_row = a.v.stride, .c = sums, .c_row = dim, .width = dim, .from_c = true, .bias = nullptr},
                      1);
  }
  T* y = a.y.row(b, t) + head * dim;
  for (int64_t d = 0; d < dim; d += kLanes<T>) store(y + d, load(sums + d, dim - d) / set(total), dim - d);
  a.lse[(b * a.heads + head) * a.q.length + t] = greatest + std::log(total);
}

template <class T>
void forward(const Attention<T>& a) {
  if (a.q.length <= kFew) {
    parallel_for(a.q.batch * a.heads, [&](int64_t i) {
      for (int64_t t = 0; t < a.q.length; ++t) forward_query(a, i / a.heads, i % a.heads, t);
    });
    return;
  }
  const int64_t stripes = (a.q.length + kStripe - 1) / kStripe, dim = a.head_dim, size = a.k.length * dim;
  const int64_t pairs = a.q.batch * a.kv_heads;
  T* heads = scratch<T>(size_t(2 * pairs * size), kHeads);  // k, then v: [batch][kv_head][key][head_dim]
  parallel_for(pairs, [&](int64_t i) {
    const int64_t b = i / a.kv_heads, column = i % a.kv_heads * dim, count = past_key(a, b, a.q.length - 1);
    copy_rows(a.k, b, column, 0, count, dim, heads + i * size);
    copy_rows(a.v, b, column, 0, count, dim, heads + (pairs + i) * size);
  });
  parallel_for(a.q.batch * a.heads * stripes, [&](int64_t i) {
    const int64_t row = i / stripes, b = row / a.heads, head = row % a.heads;
    const int64_t pair = b * a.kv_heads + head / (a.heads / a.kv_heads);
    for_stripes(a, b, head, i % stripes * kStripe, [&](const Stripe<T>& at) {
      forward_stripe<T>(a, at, heads + pair * size, heads + (pairs + pair) * size);
    });
  });
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
    std::fill_n(gradients, lanes, T(0));
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

// Scores and dy . v of a block become p and ds.
template <bool kAll, class T>
void slopes_of(const Stripe<T>& at, int64_t begin, int64_t end, T scale, const Adjoints<T>& with) {
  for (int64_t j = begin; j < end; ++j)
    for (int64_t lane = 0; lane < kStripe; lane += kLanes<T>) {
      T *weight = with.weights + (j - begin) * kStripe + lane, *slope = with.slopes + (j - begin) * kStripe + lane;
      auto p = exp(fma(load(weight), set(scale), -load(with.lse + lane)));
      auto ds = p * (load(slope) - load(with.delta + lane)) * set(scale);
      if constexpr (!kAll) p = if_seen(at, lane, j, p, zero<T>()), ds = if_seen(at, lane, j, ds, zero<T>());
      store(weight, p), store(slope, ds);
    }
}

// sum[key][d] += sum_lane weight[key][lane] x[lane][d] over `count` lanes
template <class T>
void add_outer(const T* weight, const T* x, int64_t count, int64_t begin, int64_t end, int64_t dim, T* sum) {
  tile::multiply<T>({.a = weight, .a_row = kStripe, .a_col = 1, .depth = count, .b = x, .b_row = dim, .c = sum + begin * dim,
                     .c_row = dim, .width = dim, .from_c = true, .bias = nullptr},
                    end - begin);
}

// One head's keys and values, and their gradients, side by side.
template <class T>
struct Head {
  T *k, *v, *dk, *dv;
};

template <class T>
void add_rows(const T* rows, const Sequence<T>& sum, int64_t b, int64_t column, int64_t begin, int64_t count, int64_t dim) {
  for (int64_t i = 0; i < count; ++i) {
    T* row = sum.row(b, begin + i) + column;
    for (int64_t d = 0; d < dim; d += kLanes<T>)
      store(row + d, load(row + d, dim - d) + load(rows + i * dim + d, dim - d), dim - d);
  }
}

template <class T>
void backward_stripe(const Attention<T>& a, const Stripe<T>& at, const Head<T>& of) {
  const int64_t dim = a.head_dim;
  const Adjoints<T> with(a, at);
  for_blocks(at, [&](int64_t begin, int64_t end) {
    products_with<T>(of.k, begin, end, dim, with.queries, with.weights);
    products_with<T>(of.v, begin, end, dim, with.adjoints, with.slopes);
    if (at.all_see(begin, end)) slopes_of<true>(at, begin, end, a.scale, with);
    else slopes_of<false>(at, begin, end, a.scale, with);
    if (a.dv) add_outer<T>(with.weights, with.adjoint_rows, at.count, begin, end, dim, of.dv);
    if (a.dk) add_outer<T>(with.slopes, with.query_rows, at.count, begin, end, dim, of.dk);
    if (a.dq) add_weighted<T>(of.k, begin, end, dim, with.slopes, with.gradients);
  });
  if (!a.dq) return;
  T* rows = scratch<T>(size_t(kStripe * dim), kSums);
  transpose(with.gradients, kStripe, dim, at.count, rows, dim);
  add_rows(rows, a.dq, at.b, at.query, at.first, at.count, dim);
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
    std::fill_n(of.dk, 2 * size, T(0));
    for (int64_t head = group * each; head < (group + 1) * each; ++head)
      for (int64_t stripe = 0; stripe < stripes; ++stripe)
        for_stripes(a, b, head, stripe * kStripe, [&](const Stripe<T>& at) { backward_stripe(a, at, of); });
    if (a.dk) add_rows(of.dk, a.dk, b, group * dim, 0, count, dim);
    if (a.dv) add_rows(of.dv, a.dv, b, group * dim, 0, count, dim);
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
