// A query by itself, as in decoding: keys in lanes for its scores, head_dim in lanes for its sums; other products than a
// stripe's, the same chains, the same bits. Include after kernels/simd.h, inside a kernel file.
#if defined(KERNELS_ATTENTION_ONE_QUERY_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_ATTENTION_ONE_QUERY_H_
#undef KERNELS_ATTENTION_ONE_QUERY_H_
#else
#define KERNELS_ATTENTION_ONE_QUERY_H_
#endif

#include <cmath>
#include <vector>

#include "kernels/attention/rows.h"
#include "kernels/row_max.h"
#include "kernels/transpose.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

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

// One number of what was computed for all lanes, with a lane's bits
template <class T>
HWY_INLINE T first_lane(const Vec<T>& x) {
  alignas(64) T lane[kLanes<T>];
  store(lane, x);
  return lane[0];
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

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
