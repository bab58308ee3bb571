// Associative operators as types, over V: a float, a double or a Vec of either. What a scan needs of one:
//   Element                    what one step offers, or a stretch of steps taken together
//   State                      what runs along
//   identity()                 the stretch of no steps
//   combine(earlier, later)    both stretches as one; associative, and the order matters
//   initial()                  the state where nothing came before
//   apply(e, state)            the state after e:  apply(combine(e1, e2), s) = apply(e2, apply(e1, s))
//   sound(state)               false where a state reached over a stretch at once may be wrong where its steps
//                              are not: the stretch is then run step by step
// Include it where simd.h may be included.

// Toggled by foreach_target.h: this part is seen once for each target.
#if defined(KERNELS_SCAN_OPERATORS_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_SCAN_OPERATORS_H_
#undef KERNELS_SCAN_OPERATORS_H_
#else
#define KERNELS_SCAN_OPERATORS_H_
#endif

#include <cmath>
#include <limits>

#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {

// A constant as a V, and the functions of simd.h that the operators use, on plain numbers.
template <class V>
struct Value {
  using Number = V;
  static HWY_INLINE V of(V x) { return x; }
};
template <class T>
struct Value<Vec<T>> {
  using Number = T;
  static HWY_INLINE Vec<T> of(T x) { return set(x); }
};
HWY_INLINE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
HWY_INLINE double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
HWY_INLINE float max(float a, float b) { return a > b ? a : b; }
HWY_INLINE double max(double a, double b) { return a > b ? a : b; }
HWY_INLINE float exp(float x) { return std::exp(x); }
HWY_INLINE double exp(double x) { return std::exp(x); }

HWY_INLINE bool finite(float x) { return std::isfinite(x); }
HWY_INLINE bool finite(double x) { return std::isfinite(x); }
template <class T>
HWY_INLINE bool finite(const Vec<T>& x) {
  // x - x is NaN unless x is finite
  const auto excess = if_greater(set(T(1)), abs(x - x), zero<T>(), set(T(1)));
  return maximum(excess) == T(0);
}

template <class V>
struct Sum {
  using Element = V;
  using State = V;
  static HWY_INLINE Element identity() { return Value<V>::of(0); }
  static HWY_INLINE Element combine(const Element& earlier, const Element& later) { return earlier + later; }
  static HWY_INLINE State initial() { return Value<V>::of(0); }
  static HWY_INLINE State apply(const Element& e, const State& s) { return s + e; }
  static HWY_INLINE bool sound(const State&) { return true; }
};

template <class V>
struct Max {
  using Element = V;
  using State = V;
  static HWY_INLINE Element identity() {
    return Value<V>::of(-std::numeric_limits<typename Value<V>::Number>::infinity());
  }
  static HWY_INLINE Element combine(const Element& earlier, const Element& later) {
    return max(earlier, later);
  }
  static HWY_INLINE State initial() { return identity(); }
  static HWY_INLINE State apply(const Element& e, const State& s) { return max(s, e); }
  static HWY_INLINE bool sound(const State&) { return true; }
};

// log sum exp x as (greatest, sum of e^(x - greatest)): online softmax. A step offers (x, 1) with a finite x.
template <class V>
struct LogSumExp {
  struct Element {
    V greatest, sum;
  };
  using State = Element;
  static HWY_INLINE Element identity() {
    return {Value<V>::of(std::numeric_limits<typename Value<V>::Number>::lowest()), Value<V>::of(0)};
  }
  static HWY_INLINE Element combine(const Element& earlier, const Element& later) {
    const auto m = max(earlier.greatest, later.greatest);
    return {m, fma(earlier.sum, exp(earlier.greatest - m), later.sum * exp(later.greatest - m))};
  }
  static HWY_INLINE State initial() { return identity(); }
  static HWY_INLINE State apply(const Element& e, const State& s) { return combine(s, e); }
  static HWY_INLINE bool sound(const State&) { return true; }
};

// x -> a x + b
template <class V>
struct AffineDiagonal {
  struct Element {
    V a, b;
  };
  using State = V;
  static HWY_INLINE Element identity() { return {Value<V>::of(1), Value<V>::of(0)}; }
  static HWY_INLINE Element combine(const Element& earlier, const Element& later) {
    return {later.a * earlier.a, fma(later.a, earlier.b, later.b)};
  }
  static HWY_INLINE State initial() { return Value<V>::of(0); }
  static HWY_INLINE State apply(const Element& e, const State& s) { return fma(e.a, s, e.b); }
  // A product of many coefficients can overflow where the state stays small: 2^200 times 0.
  static HWY_INLINE bool sound(const State& s) { return finite(s); }
};

// x -> a x + b over complex numbers, kept as real pairs
template <class V>
struct AffineComplexDiagonal {
  struct State {
    V re, im;
  };
  struct Element {
    V a_re, a_im, b_re, b_im;
  };
  static HWY_INLINE Element identity() {
    return {Value<V>::of(1), Value<V>::of(0), Value<V>::of(0), Value<V>::of(0)};
  }
  static HWY_INLINE Element combine(const Element& earlier, const Element& later) {
    const State a = apply({later.a_re, later.a_im, Value<V>::of(0), Value<V>::of(0)}, {earlier.a_re, earlier.a_im});
    const State b = apply(later, {earlier.b_re, earlier.b_im});
    return {a.re, a.im, b.re, b.im};
  }
  static HWY_INLINE State initial() { return {Value<V>::of(0), Value<V>::of(0)}; }
  static HWY_INLINE State apply(const Element& e, const State& s) {
    return {fma(e.a_re, s.re, fma(-e.a_im, s.im, e.b_re)), fma(e.a_re, s.im, fma(e.a_im, s.re, e.b_im))};
  }
  static HWY_INLINE bool sound(const State& s) { return finite(s.re) && finite(s.im); }
};

// x -> x A + b for rows x of n elements, A dense; over numbers T, not over V. n is known at run time only, so elements
// lie in the caller's memory, and results go where they are told to, apart from the arguments.
template <class T>
struct AffineDense {
  struct Element {
    const T *a, *b;  // [n, n] in rows, [n]
  };
  int64_t n;

  HWY_INLINE void identity(T* a, T* b) const {
    for (int64_t i = 0; i < n * n; ++i) a[i] = i / n == i % n ? T(1) : T(0);
    for (int64_t i = 0; i < n; ++i) b[i] = 0;
  }
  HWY_INLINE void combine(const Element& earlier, const Element& later, T* a, T* b) const {
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) rows<4>(earlier.a + i * n, later.a, nullptr, a + i * n);
    for (; i < n; ++i) rows<1>(earlier.a + i * n, later.a, nullptr, a + i * n);
    apply(later, earlier.b, b);
  }
  HWY_INLINE void apply(const Element& e, const T* x, T* out) const { rows<1>(x, e.a, e.b, out); }
  // As of AffineDiagonal: a product of many matrices can overflow where the states stay small.
  HWY_INLINE bool sound(const T* x) const {
    bool all = true;
    for (int64_t i = 0; i < n; ++i) all = all && finite(x[i]);
    return all;
  }

 private:
  // out[r] = start + x[r] m: each element one chain in increasing k
  template <int Rows>
  HWY_INLINE void rows(const T* x, const T* m, const T* start, T* out) const {
    for (int64_t j = 0; j < n; j += kLanes<T>) {
      const int64_t left = n - j;
      Vec<T> sum[Rows];
      for (int r = 0; r < Rows; ++r) sum[r] = start ? load(start + j, left) : zero<T>();
      for (int64_t k = 0; k < n; ++k) {
        const auto row = load(m + k * n + j, left);
        for (int r = 0; r < Rows; ++r) sum[r] = fma(set(x[r * n + k]), row, sum[r]);
      }
      for (int r = 0; r < Rows; ++r) store(out + r * n + j, sum[r], left);
    }
  }
};

// Op within documents: a step that starts one forgets what came before it.
template <class Op>
struct Segmented {
  struct Element {
    typename Op::Element value;
    bool starts;
  };
  using State = typename Op::State;
  static HWY_INLINE Element identity() { return {Op::identity(), false}; }
  static HWY_INLINE Element combine(const Element& earlier, const Element& later) {
    if (later.starts) return later;
    return {Op::combine(earlier.value, later.value), earlier.starts};
  }
  static HWY_INLINE State initial() { return Op::initial(); }
  static HWY_INLINE State apply(const Element& e, const State& s) {
    return Op::apply(e.value, e.starts ? initial() : s);
  }
  static HWY_INLINE bool sound(const State& s) { return Op::sound(s); }
};

}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
