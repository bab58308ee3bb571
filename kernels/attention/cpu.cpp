// Queries lie in lanes: scores are kept transposed, [key][query], so that the softmax runs down columns and weights
// are at once the k-major operand of the product with V. A stripe of 32 queries meets keys in blocks of 64, in order. Few
// queries (decoding) go one by one, with keys and head_dim in lanes: other products, the same chains, the same bits.
// Each head's keys and values are copied side by side first: in rows that are a power of two apart they would push each
// other out of the first-level cache.
#include "kernels/attention/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "kernels/fetch.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/matmul/tile.h"
#include "kernels/row_max.h"
#include "kernels/simd.h"
#include "kernels/transpose.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {

// Keys and values may be bfloat16 numbers: wherever they are loaded they become floats.
using HalfTag = hn::Rebind<uint16_t, Tag<float>>;
HWY_INLINE Native<float> widened(const hn::Vec<HalfTag>& halves) {
  return hn::BitCast(Tag<float>(), hn::ShiftLeft<16>(hn::PromoteTo(Tag<uint32_t>(), halves)));
}
HWY_INLINE Vec<float> load(const BFloat16* p) {
  const auto* words = reinterpret_cast<const uint16_t*>(p);
  Vec<float> r;
  for (int i = 0; i < Vec<float>::kParts; ++i) r.part[i] = widened(hn::LoadU(HalfTag(), words + i * kNativeLanes<float>));
  return r;
}
HWY_INLINE Vec<float> load(const BFloat16* p, int64_t n) {
  if (HWY_LIKELY(n >= kLanes<float>)) return load(p);
#if HWY_TARGET == HWY_AVX3
  const auto some = hn::FirstN(HalfTag(), size_t(std::max<int64_t>(n, 0)));
  return {{widened(hn::MaskedLoad(some, HalfTag(), reinterpret_cast<const uint16_t*>(p)))}};
#else
  BFloat16 some[kLanes<float>] = {};
  for (int64_t i = 0; i < n; ++i) some[i] = p[i];
  return load(some);
#endif
}

namespace {

constexpr int64_t kKeys = 64;      // a block of keys
constexpr int64_t kStripe = 32;    // queries of one task
constexpr int64_t kHalf = 16;      // of them, at which the diagonal is cut: these meet no keys that none of them sees
constexpr int64_t kFew = 4;        // up to these many queries go one by one
constexpr int64_t kManyPairs = 8;  // heads of keys a thread, from which on they are shares that are even enough
enum Slot { kQueries, kScores, kSums, kAdjoints, kSlopes, kQueryGradients, kPacked, kHeads };

// f(k, v) with the keys and values that are there
template <class T, class F>
void with_keys(const Attention<T>& a, F f) {
  if constexpr (std::is_same_v<T, float>)
    if (a.k_bf16) return f(a.k_bf16, a.v_bf16);
  f(a.k, a.v);
}

// Rows [begin, begin + count) of `dim` columns, side by side. They are short: a loop in place of a call for each.
template <class T, class X>
void copy_rows(const Sequence<const X>& x, int64_t b, int64_t column, int64_t begin, int64_t count, int64_t dim, T* out) {
  for (int64_t i = 0; i < count; ++i, out += dim) {
    const X* row = x.row(b, begin + i) + column;
    for (int64_t d = 0; d < dim; d += kLanes<T>) store(out + d, load(row + d, dim - d), dim - d);
  }
}

// What comes next, the next head or a query's next block of keys, asked for while one is in work, a few rows at a time: short
// pieces of rows that lie far apart are nothing that the hardware would fetch by itself.
struct Upcoming {
  struct Part {
    const char* data;
    int64_t stride, width;  // bytes
  };
  Part parts[8] = {};
  int count = 0;
  int64_t row = 0, end = 0;

  template <class X>
  void add(const Sequence<X>& x, int64_t b, int64_t column, int64_t width) {
    const int64_t size = sizeof(X);
    parts[count++] = {reinterpret_cast<const char*>(x.row(b, 0) + column), x.stride * size, width * size};
  }

  HWY_INLINE void fetch(int64_t rows) {
    for (const int64_t last = std::min(end, row + rows); row < last; ++row)
      for (int i = 0; i < count; ++i) kernels::fetch(parts[i].data + row * parts[i].stride, parts[i].width);
  }
};

template <class T>
void clear(T* x, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes<T>) store(x + i, zero<T>(), n - i);
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
  // window moves by one key a query; what else the first keys do ends the stripe.
  Stripe(const Attention<T>& a, int64_t b_, int64_t head_, int64_t first_)
      : b(b_), head(head_), first(first_), count(1), query(head_ * a.head_dim),
        key(head_ / (a.heads / a.kv_heads) * a.head_dim), low(first_key(a, b_, first_)) {
    const int64_t end = std::min(a.q.length, (first / kStripe + 1) * kStripe);
    while (first + count < end && follows(a, first + count)) ++count;
    high = past_key(a, b, first + count - 1);
    for (int64_t i = 0; i < kStripe; ++i) {
      const int64_t t = first + std::min(i, count - 1);
      from[i] = T(first_key(a, b, t)), to[i] = T(past_key(a, b, t));
    }
  }
  bool follows(const Attention<T>& a, int64_t t) const {
    const int64_t step = first_key(a, b, t) - first_key(a, b, t - 1);
    return step == 0 || step == 1;
  }
  // of keys [begin, end): up to where the first half of the lanes sees any
  int64_t cut(int64_t begin, int64_t end) const { return std::clamp(int64_t(to[kHalf - 1]), begin, end); }
  // whether each of the vector's lanes sees all of these keys
  bool all_see(int64_t lane, int64_t begin, int64_t end) const {
    return from[lane + kLanes<T> - 1] <= T(begin) && T(end) <= to[lane];
  }
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
  if (at.count < kStripe) clear(out, dim * kStripe);
  transpose(x.row(at.b, at.first) + column, x.stride, at.count, dim, out, kStripe);
}

// f(begin, end, lane) where lanes from `lane` on meet keys [begin, end) of a block: first all of them, then the second half.
template <class T, class F>
void for_halves(const Stripe<T>& at, int64_t begin, int64_t end, F f) {
  const int64_t cut = at.cut(begin, end);
  if (begin < cut) f(begin, cut, int64_t(0));
  if (cut < end) f(cut, end, kHalf);
}

// f(lane, past, all) for each vector of lanes: it meets keys [begin, past) of a block; `all`: each of its lanes sees all of them.
template <class T, class F>
void for_vectors(const Stripe<T>& at, int64_t begin, int64_t end, F f) {
  for (int64_t lane = 0; lane < kStripe; lane += kLanes<T>) {
    const int64_t past = lane < kHalf ? at.cut(begin, end) : end;
    if (at.all_see(lane, begin, past)) f(lane, past, std::true_type());
    else f(lane, past, std::false_type());
  }
}

// out[key][lane] = sum_d x[key][d] lanes[d][lane]
template <class T>
void products_with(const Stripe<T>& at, const T* x, int64_t begin, int64_t end, int64_t dim, const T* lanes, T* out) {
  for_halves(at, begin, end, [&](int64_t first, int64_t last, int64_t lane) {
    tile::multiply<T>({.a = x + first * dim, .a_row = dim, .a_col = 1, .depth = dim, .b = lanes + lane, .b_row = kStripe,
                       .c = out + (first - begin) * kStripe + lane, .c_row = kStripe, .width = kStripe - lane, .from_c = false,
                       .bias = nullptr},
                      last - first);
  });
}

// sum[d][lane] += sum_key x[key][d] weight[key][lane]
template <class T>
void add_weighted(const Stripe<T>& at, const T* x, int64_t begin, int64_t end, int64_t dim, const T* weight, T* sum) {
  for_halves(at, begin, end, [&](int64_t first, int64_t last, int64_t lane) {
    tile::multiply<T>({.a = x + first * dim, .a_row = 1, .a_col = dim, .depth = last - first,
                       .b = weight + (first - begin) * kStripe + lane, .b_row = kStripe, .c = sum + lane, .c_row = kStripe,
                       .width = kStripe - lane, .from_c = true, .bias = nullptr},
                      dim);
  });
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

// ---- one query: keys in lanes for its scores, head_dim in lanes for its sums -----------------------------------
// sum[n] += sum_k factor[k] x[k][n] for V vectors of columns, a chain each in increasing k; the last has `left` columns.
template <int V, class T, class X>
HWY_INLINE void add_products(const T* factor, int64_t depth, const X* x, int64_t x_row, T* sum, int64_t left) {
  constexpr int64_t last = (V - 1) * kLanes<T>;
  Vec<T> s[V];
#pragma GCC unroll 4
  for (int v = 0; v + 1 < V; ++v) s[v] = load(sum + v * kLanes<T>);
  s[V - 1] = load(sum + last, left);
  for (int64_t k = 0; k < depth; ++k, x += x_row) {
    const auto f = set(factor[k]);
#pragma GCC unroll 4
    for (int v = 0; v + 1 < V; ++v) s[v] = fma(f, load(x + v * kLanes<T>), s[v]);
    s[V - 1] = fma(f, load(x + last, left), s[V - 1]);
  }
#pragma GCC unroll 4
  for (int v = 0; v + 1 < V; ++v) store(sum + v * kLanes<T>, s[v]);
  store(sum + last, s[V - 1], left);
}

// The same for any number of columns.
template <class T, class X>
void add_all_products(const T* factor, int64_t depth, const X* x, int64_t x_row, T* sum, int64_t columns) {
  constexpr int64_t n = kLanes<T>;
  for (; columns > 0; columns -= 4 * n, x += 4 * n, sum += 4 * n) {
    if (columns > 3 * n) add_products<4>(factor, depth, x, x_row, sum, std::min(n, columns - 3 * n));
    else if (columns > 2 * n) add_products<3>(factor, depth, x, x_row, sum, columns - 2 * n);
    else if (columns > n) add_products<2>(factor, depth, x, x_row, sum, columns - n);
    else add_products<1>(factor, depth, x, x_row, sum, columns);
  }
}

// The sum of a block's weights, in four chains by key modulo 4.
template <class T>
T sum_of_weights(const T* weights, int64_t begin, int64_t keys) {
  T part[4] = {};
  int64_t j = 0;
  for (; j < keys && (begin + j) % 4; ++j) part[(begin + j) % 4] += weights[j];
  for (; j + 4 <= keys; j += 4)
    for (int64_t i = 0; i < 4; ++i) part[i] += weights[j + i];
  for (int64_t i = 0; j + i < keys; ++i) part[i] += weights[j + i];
  return (part[0] + part[1]) + (part[2] + part[3]);
}

constexpr int64_t kPiece = 16;  // keys, or elements of a head, that are in work between two requests for what comes next

// The running softmax of one head of a query.
template <class T>
struct Running {
  T greatest = kLowest<T>, total = 0;
  T* sums = nullptr;  // [head_dim], of values times weights
};

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
// sum[key] += sum_d q[d] k[key][d] for a vector of keys, in increasing d: of four d's, or of eight in bfloat16, two of which are
// the halves of a word. The transpose stays in registers.
HWY_INLINE void add_few(const float* q, const float* k, int64_t k_row, Native<float>& sum) {
  const auto at = strip_columns(k, k_row);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) sum = hn::MulAdd(hn::Set(Tag<float>(), q[i]), at.column[i], sum);
}
HWY_INLINE void add_few(const float* q, const BFloat16* k, int64_t k_row, Native<float>& sum) {
  const Tag<float> d;
  const Tag<uint32_t> words;
  const auto at = strip_columns(reinterpret_cast<const float*>(k), k_row / 2);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const auto both = hn::BitCast(words, at.column[i]);
    const auto even = hn::ShiftLeft<16>(both), odd = hn::And(both, hn::Set(words, 0xffff0000u));
    sum = hn::MulAdd(hn::Set(d, q[2 * i]), hn::BitCast(d, even), sum);
    sum = hn::MulAdd(hn::Set(d, q[2 * i + 1]), hn::BitCast(d, odd), sum);
  }
}
template <class X>
constexpr int64_t kFewDims = 16 / int64_t(sizeof(X));

// scores[key] = sum_d q[d] k[begin + key][column + d] for kPiece keys, where these and a head's elements come out even; false:
// nothing was done.
template <class T, class X>
HWY_INLINE bool score_piece(const T* q, const Sequence<const X>& k, int64_t b, int64_t column, int64_t begin, int64_t keys,
                            int64_t dim, T* scores, Upcoming& next, int64_t rows) {
  if constexpr (std::is_same_v<T, float>) {
    constexpr int64_t n = kNativeLanes<float>;
    if (keys < kPiece || dim % kFewDims<X> != 0 || k.stride * sizeof(X) % sizeof(float) != 0) return false;
    for (int64_t j = 0; j < kPiece; j += n) {
      const X* key = k.row(b, begin + j) + column;
      auto sum = hn::Zero(Tag<float>());
      for (int64_t d = 0; d < dim; d += kPiece) {
        if (j == 0) next.fetch(rows);
        for (int64_t i = d; i < std::min(dim, d + kPiece); i += kFewDims<X>) add_few(q + i, key + i, k.stride, sum);
      }
      hn::StoreU(sum, Tag<float>(), scores + j);
    }
    return true;
  }
  return false;
}
#else
template <class... Any>
bool score_piece(Any&&...) { return false; }
#endif

// out[d][key] = k[begin + key][column + d] for `keys` keys, kPiece at most; rows of out are kKeys apart
template <class T, class X>
void transpose_keys(const Sequence<const X>& k, int64_t b, int64_t column, int64_t begin, int64_t keys, int64_t dim, T* out) {
  if constexpr (std::is_same_v<T, X>) return transpose(k.row(b, begin) + column, k.stride, keys, dim, out, kKeys);
  T* rows = scratch<T>(size_t(kPiece * dim), kScores);
  copy_rows(k, b, column, begin, keys, dim, rows);
  transpose(rows, dim, keys, dim, out, kKeys);
}

// Keys [begin, end) of one head, in pieces, between which some rows of the next block are asked for.
template <class T, class X>
void attend(const Attention<T>& a, const Sequence<const X>& k, const Sequence<const X>& v, int64_t b, int64_t head, int64_t t,
            int64_t begin, int64_t end, T* packed, Running<T>& at, Upcoming& next, int64_t rows) {
  const int64_t dim = a.head_dim, key = head / (a.heads / a.kv_heads) * dim, keys = end - begin;
  alignas(64) T scores[kKeys] = {};
  const T* q = a.q.row(b, t) + head * dim;
  int64_t scored = 0;
  while (score_piece(q, k, b, key, begin + scored, keys - scored, dim, scores + scored, next, rows)) scored += kPiece;
  for (int64_t j = scored; j < keys; j += kPiece) {
    next.fetch(rows * std::max<int64_t>(1, dim / kPiece));
    transpose_keys(k, b, key, begin + j, std::min(kPiece, keys - j), dim, packed + j);
  }
  if (scored < keys) add_all_products(q, dim, packed + scored, kKeys, scores + scored, keys - scored);
  for (int64_t j = 0; j < keys; j += kLanes<T>) store(scores + j, load(scores + j, keys - j) * set(a.scale), keys - j);
  const T most = std::max(at.greatest, row_max(scores, keys));
  for (int64_t j = 0; j < keys; j += kLanes<T>)
    store(scores + j, exp_of_minus(set(most) - load(scores + j, keys - j)), keys - j);
  const T factor = first_lane(exp_of_minus(set(most - at.greatest)));
  for (int64_t d = 0; d < dim; d += kLanes<T>) store(at.sums + d, load(at.sums + d, dim - d) * set(factor), dim - d);
  at.total = first_lane(fma(set(at.total), set(factor), set(sum_of_weights(scores, begin, keys))));
  at.greatest = most;
  for (int64_t j = 0; j < keys; j += kPiece) {
    next.fetch(rows);
    add_all_products(scores + j, std::min(kPiece, keys - j), v.row(b, begin + j) + key, v.stride, at.sums, dim);
  }
}

// Heads [first, last) of one query, together block by block: a row of keys is read from end to end.
template <class T, class X>
void forward_query(const Attention<T>& a, const Sequence<const X>& k, const Sequence<const X>& v, int64_t b, int64_t first,
                   int64_t last, int64_t t) {
  const int64_t dim = a.head_dim, width = dim + kLanes<T>, low = first_key(a, b, t), high = past_key(a, b, t);
  const int64_t each = a.heads / a.kv_heads, requests = (last - first) * (kKeys / kPiece) * (1 + std::max<int64_t>(1, dim / kPiece));
  const int64_t rows = (kKeys + requests - 1) / requests;  // asked for at a time
  T* packed = scratch<T>(size_t(dim * kKeys), kPacked);
  T* sums = scratch<T>(size_t((last - first) * width), kSums);
  std::vector<Running<T>> heads(size_t(last - first));
  std::fill_n(sums, (last - first) * width, T(0));
  for (int64_t i = 0; i < last - first; ++i) heads[size_t(i)].sums = sums + i * width;
  const int64_t column = first / each * dim, columns = ((last - 1) / each + 1) * dim - column;
  Upcoming next{.row = low, .end = std::min(high, low + kKeys)};
  next.add(k, b, column, columns), next.add(v, b, column, columns);
  next.fetch(kKeys);
  for (int64_t block = low / kKeys; block * kKeys < high; ++block) {
    const int64_t begin = std::max(low, block * kKeys), end = std::min(high, (block + 1) * kKeys);
    next.end = std::min(high, end + kKeys);
    for (int64_t head = first; head < last; ++head)
      attend(a, k, v, b, head, t, begin, end, packed, heads[size_t(head - first)], next, rows);
  }
  for (int64_t head = first; head < last; ++head) {
    const Running<T>& at = heads[size_t(head - first)];
    T* y = a.y.row(b, t) + head * dim;
    for (int64_t d = 0; d < dim; d += kLanes<T>) store(y + d, load(at.sums + d, dim - d) / set(at.total), dim - d);
    a.lse[(b * a.heads + head) * a.q.length + t] = at.greatest + std::log(at.total);
  }
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
