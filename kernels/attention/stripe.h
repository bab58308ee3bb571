// A stripe of 32 queries of one head, in lanes, and the products of its scores and weights with a block of keys. Include
// after kernels/simd.h, inside a kernel file.
#if defined(KERNELS_ATTENTION_STRIPE_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_ATTENTION_STRIPE_H_
#undef KERNELS_ATTENTION_STRIPE_H_
#else
#define KERNELS_ATTENTION_STRIPE_H_
#endif

#include "kernels/attention/rows.h"
#include "kernels/matmul/tile.h"
#include "kernels/transpose.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t kStripe = 32;  // queries of one task
constexpr int64_t kHalf = 16;    // of them, at which the diagonal is cut: these meet no keys that none of them sees

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

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
