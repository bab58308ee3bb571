#include "kernels/attention/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t kKeys = 64;      // a block of keys
constexpr int64_t kStripe = 64;    // queries of one task
constexpr int kTile = 4;           // queries that share a loop
enum Slot { kPacked, kPackedValues, kScores, kSums, kGreatest, kTotals, kProducts };

// Keys [from, to) of a block that a query sees; empty where from >= to.
struct Range {
  int64_t from, to;
  bool empty() const { return from >= to; }
};

template <class T>
Range range_of(const Attention<T>& a, int64_t b, int64_t t, int64_t block) {
  const int64_t low = a.first ? a.first[b * a.q.length + t] : 0, high = (a.past ? a.past[b] : 0) + t + 1;
  const int64_t start = block * kKeys;
  return {std::max<int64_t>(0, low - start), std::min(kKeys, high - start)};
}

template <class T>
int64_t last_block(const Attention<T>& a, int64_t b, int64_t t) {
  return ((a.past ? a.past[b] : 0) + t) / kKeys;
}

// Rows [start, start + 64) of one head as [head_dim][64]; rows beyond `end` count as 0.
template <class T>
void pack(const Sequence<const T>& x, int64_t b, int64_t column, int64_t dim, int64_t start, int64_t end, T* packed) {
  for (int64_t j = 0; j < kKeys; ++j) {
    const T* row = start + j < end ? x.row(b, start + j) + column : nullptr;
    for (int64_t d = 0; d < dim; ++d) packed[d * kKeys + j] = row ? row[d] : T(0);
  }
}

// out[r][j] = x_r . packed[:, j] for R rows and 64 columns: a chain in increasing d for each.
template <int R, class T>
HWY_INLINE void dot_rows(const T* const* x, const T* packed, int64_t dim, T* out) {
  constexpr int kWide = 2;
  for (int64_t j = 0; j < kKeys; j += kWide * kLanes<T>) {
    Vec<T> sum[R][kWide];
    for (int r = 0; r < R; ++r)
      for (int w = 0; w < kWide; ++w) sum[r][w] = zero<T>();
    for (int64_t d = 0; d < dim; ++d)
      for (int w = 0; w < kWide; ++w) {
        const auto column = load(packed + d * kKeys + j + w * kLanes<T>);
        for (int r = 0; r < R; ++r) sum[r][w] = fma(set(x[r][d]), column, sum[r][w]);
      }
    for (int r = 0; r < R; ++r)
      for (int w = 0; w < kWide; ++w) store(out + r * kKeys + j + w * kLanes<T>, sum[r][w]);
  }
}

// sum_r += sum_j weight[r][j] row_j over j of `range`, in increasing j.
template <int R, class T>
HWY_INLINE void add_rows(const T* weight, const Sequence<const T>& x, int64_t b, int64_t start, int64_t column,
                         int64_t dim, const Range& range, T* const* sum) {
  for (int64_t d = 0; d < dim; d += kLanes<T>) {
    Vec<T> total[R];
    for (int r = 0; r < R; ++r) total[r] = load(sum[r] + d, dim - d);
    for (int64_t j = range.from; j < range.to; ++j) {
      const auto row = load(x.row(b, start + j) + column + d, dim - d);
      for (int r = 0; r < R; ++r) total[r] = fma(set(weight[r * kKeys + j]), row, total[r]);
    }
    for (int r = 0; r < R; ++r) store(sum[r] + d, total[r], dim - d);
  }
}

// row_j += sum_r weight[r][j] x_r over j of `range`, in increasing r.
template <int R, class T>
HWY_INLINE void add_outer(const T* weight, const T* const* x, int64_t dim, const Range& range, const Sequence<T>& sum,
                          int64_t b, int64_t start, int64_t column) {
  for (int64_t j = range.from; j < range.to; ++j) {
    T* row = sum.row(b, start + j) + column;
    for (int64_t d = 0; d < dim; d += kLanes<T>) {
      auto total = load(row + d, dim - d);
      for (int r = 0; r < R; ++r) total = fma(set(weight[r * kKeys + j]), load(x[r] + d, dim - d), total);
      store(row + d, total, dim - d);
    }
  }
}

template <class T>
T exp_of(T x) {
  alignas(64) T lane[kLanes<T>];
  store(lane, exp(set(x)));
  return lane[0];
}

// One row's part of the running softmax: scores become weights, `sum` and `total` are rescaled to the new
// greatest. A row that sees nothing of the block is left as it is.
template <class T>
void soften(T* score, T scale, const Range& range, T& greatest, T& total, T* sum, int64_t dim) {
  T most = greatest;
  for (int64_t j = range.from; j < range.to; ++j) most = std::max(most, score[j] * scale);
  if (most > greatest) {
    const T factor = exp_of(greatest - most);
    total *= factor;
    for (int64_t d = 0; d < dim; d += kLanes<T>)
      store(sum + d, load(sum + d, dim - d) * set(factor), dim - d);
    greatest = most;
  }
  for (int64_t j = 0; j < kKeys; ++j)
    if (j < range.from || j >= range.to) score[j] = -std::numeric_limits<T>::infinity();
  auto part = zero<T>();
  for (int64_t j = 0; j < kKeys; j += kLanes<T>) {
    const auto weight = exp(fma(load(score + j), set(scale), set(-most)));
    store(score + j, weight);
    part += weight;
  }
  total += kernels::HWY_NAMESPACE::sum(part);
}

struct Stripe {
  int64_t b, head, first, last;  // queries [first, last) of one head
};

template <int R, class T>
void forward_tile(const Attention<T>& a, const Stripe& at, int64_t t, int64_t block, const T* packed, T* sums,
                  T* greatest, T* totals) {
  const int64_t dim = a.head_dim, group = at.head / (a.heads / a.kv_heads) * dim, start = block * kKeys;
  Range range[R];
  const T* q[R];
  T* sum[R];
  bool any = false, same = true;
  for (int r = 0; r < R; ++r) {
    range[r] = range_of(a, at.b, t + r, block);
    any = any || !range[r].empty();
    same = same && range[r].from == range[0].from && range[r].to == range[0].to;
    q[r] = a.q.row(at.b, t + r) + at.head * dim;
    sum[r] = sums + (t - at.first + r) * dim;
  }
  if (!any) return;
  T* scores = scratch<T>(size_t(kTile * kKeys), kScores);
  dot_rows<R>(q, packed, dim, scores);
  for (int r = 0; r < R; ++r)
    if (!range[r].empty())
      soften(scores + r * kKeys, a.scale, range[r], greatest[t - at.first + r], totals[t - at.first + r], sum[r], dim);
  if (same) return add_rows<R>(scores, a.v, at.b, start, group, dim, range[0], sum);
  for (int r = 0; r < R; ++r)
    if (!range[r].empty()) add_rows<1>(scores + r * kKeys, a.v, at.b, start, group, dim, range[r], sum + r);
}

template <class T>
void forward_stripe(const Attention<T>& a, const Stripe& at) {
  const int64_t dim = a.head_dim, group = at.head / (a.heads / a.kv_heads) * dim, rows = at.last - at.first;
  const int64_t end = (a.past ? a.past[at.b] : 0) + a.q.length;
  T* packed = scratch<T>(size_t(dim * kKeys), kPacked);
  T* sums = scratch<T>(size_t(rows * dim), kSums);
  T* greatest = scratch<T>(size_t(rows), kGreatest);
  T* totals = scratch<T>(size_t(rows), kTotals);
  std::fill_n(sums, rows * dim, T(0));
  std::fill_n(greatest, rows, std::numeric_limits<T>::lowest());
  std::fill_n(totals, rows, T(0));
  int64_t lowest = a.first ? a.first[at.b * a.q.length + at.first] : 0;
  for (int64_t t = at.first; a.first && t < at.last; ++t)
    lowest = std::min<int64_t>(lowest, a.first[at.b * a.q.length + t]);
  for (int64_t block = lowest / kKeys; block <= last_block(a, at.b, at.last - 1); ++block) {
    pack(a.k, at.b, group, dim, block * kKeys, end, packed);
    int64_t t = at.first;
    for (; t + kTile <= at.last; t += kTile) forward_tile<kTile>(a, at, t, block, packed, sums, greatest, totals);
    for (; t < at.last; ++t) forward_tile<1>(a, at, t, block, packed, sums, greatest, totals);
  }
  for (int64_t i = 0; i < rows; ++i) {
    T* y = a.y.row(at.b, at.first + i) + at.head * dim;
    const auto total = set(totals[i]);
    for (int64_t d = 0; d < dim; d += kLanes<T>) store(y + d, load(sums + i * dim + d, dim - d) / total, dim - d);
    a.lse[(at.b * a.heads + at.head) * a.q.length + at.first + i] = greatest[i] + std::log(totals[i]);
  }
}

template <class T>
void forward(const Attention<T>& a) {
  const int64_t stripes = (a.q.length + kStripe - 1) / kStripe;
  parallel_blocks(a.q.batch * a.heads * stripes, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % stripes * kStripe;
      forward_stripe(a, Stripe{i / stripes / a.heads, i / stripes % a.heads, first,
                                  std::min(a.q.length, first + kStripe)});
    }
  });
}

// With p as in forward and delta_t = dy_t . y_t:  ds = p (dy_t . v_j - delta_t) scale,
// dq_t += ds k_j,  dk_j += ds q_t,  dv_j += p dy_t.
template <int R, class T>
void backward_tile(const Attention<T>& a, int64_t b, int64_t head, int64_t t, int64_t block, const T* keys,
                   const T* values) {
  const int64_t dim = a.head_dim, group = head / (a.heads / a.kv_heads) * dim, start = block * kKeys, at = head * dim;
  Range range[R];
  const T *q[R], *dy[R];
  bool any = false, same = true;
  for (int r = 0; r < R; ++r) {
    range[r] = range_of(a, b, t + r, block);
    any = any || !range[r].empty();
    same = same && range[r].from == range[0].from && range[r].to == range[0].to;
    q[r] = a.q.row(b, t + r) + at, dy[r] = a.dy.row(b, t + r) + at;
  }
  if (!any) return;
  T* p = scratch<T>(size_t(kTile * kKeys), kScores);
  T* ds = scratch<T>(size_t(kTile * kKeys), kProducts);
  dot_rows<R>(q, keys, dim, p);
  dot_rows<R>(dy, values, dim, ds);
  for (int r = 0; r < R; ++r) {
    const T* y = a.y.row(b, t + r) + at;
    auto product = zero<T>();
    for (int64_t d = 0; d < dim; d += kLanes<T>) product = fma(load(dy[r] + d, dim - d), load(y + d, dim - d), product);
    const auto delta = set(sum(product)), lse = set(a.lse[(b * a.heads + head) * a.q.length + t + r]);
    for (int64_t j = 0; j < kKeys; j += kLanes<T>) {
      const auto weight = exp(fma(load(p + r * kKeys + j), set(a.scale), -lse));
      store(p + r * kKeys + j, weight);
      store(ds + r * kKeys + j, weight * (load(ds + r * kKeys + j) - delta) * set(a.scale));
    }
  }
  const auto add = [&](auto rows, int r) {
    constexpr int n = decltype(rows)::value;
    const T *weight = p + r * kKeys, *slope = ds + r * kKeys;
    if (a.dv) add_outer<n>(weight, dy + r, dim, range[r], a.dv, b, start, group);
    if (a.dk) add_outer<n>(slope, q + r, dim, range[r], a.dk, b, start, group);
    if (!a.dq) return;
    T* dq[n];
    for (int i = 0; i < n; ++i) dq[i] = a.dq.row(b, t + r + i) + at;
    add_rows<n>(slope, a.k, b, start, group, dim, range[r], dq);
  };
  if (same) return add(std::integral_constant<int, R>(), 0);
  for (int r = 0; r < R; ++r)
    if (!range[r].empty()) add(std::integral_constant<int, 1>(), r);
}

template <class T>
void backward_group(const Attention<T>& a, int64_t b, int64_t group) {
  const int64_t dim = a.head_dim, queries = a.q.length, each = a.heads / a.kv_heads;
  const int64_t past = a.past ? a.past[b] : 0, end = past + queries;
  T* keys = scratch<T>(size_t(dim * kKeys), kPacked);
  T* values = scratch<T>(size_t(dim * kKeys), kPackedValues);
  for (int64_t block = 0; block * kKeys < end; ++block) {
    pack(a.k, b, group * dim, dim, block * kKeys, end, keys);
    pack(a.v, b, group * dim, dim, block * kKeys, end, values);
    const int64_t begin = std::max<int64_t>(0, block * kKeys - past);
    for (int64_t head = group * each; head < (group + 1) * each; ++head) {
      int64_t t = begin;
      for (; t + kTile <= queries; t += kTile) backward_tile<kTile>(a, b, head, t, block, keys, values);
      for (; t < queries; ++t) backward_tile<1>(a, b, head, t, block, keys, values);
    }
  }
}

template <class T>
void backward(const Attention<T>& a) {
  parallel_blocks(a.q.batch * a.kv_heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) backward_group(a, i / a.kv_heads, i % a.kv_heads);
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
