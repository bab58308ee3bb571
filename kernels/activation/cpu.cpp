// A kind is a functor with value and slope on whole vectors; the switch stands outside the loops.
#include "kernels/activation/activation.h"

#include "kernels/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

struct Silu {
  template <class T>
  static HWY_INLINE Vec<T> value(const Vec<T>& x) { return x * sigmoid(x); }
  // s + x s (1 - s)
  template <class T>
  static HWY_INLINE Vec<T> slope(const Vec<T>& x) {
    const Logistic<T> f(x);
    return fma(x * f.s, f.rest, f.s);
  }
};

struct GeluTanh {
  static constexpr double kScale = 0.79788456080286535588, kCubic = 0.044715;  // sqrt(2/pi)
  template <class T>
  static HWY_INLINE Vec<T> inner(const Vec<T>& x) {
    return x * set(T(kScale)) * fma(x * x, set(T(kCubic)), set(T(1)));
  }
  template <class T>
  static HWY_INLINE Vec<T> value(const Vec<T>& x) {
    const auto half = x * set(T(0.5));
    return fma(half, tanh(inner(x)), half);
  }
  // (1 + t)/2 + x/2 (1 - t^2) u', u' = c (1 + 3 * 0.044715 x^2); flat beyond 30, where x^2 must not overflow
  template <class T>
  static HWY_INLINE Vec<T> slope(const Vec<T>& x) {
    const auto near = min(set(T(30)), max(set(T(-30)), x));
    const auto t = tanh(inner(near)), half = set(T(0.5));
    const auto steep = fma(near * near, set(T(3 * kScale * kCubic)), set(T(kScale)));
    return fma(half * near * fnma(t, t, set(T(1))), steep, fma(half, t, half));
  }
};

// The normal distribution function and its density. Float: erfc(z) = e^-z^2 q(1 / (1 + 0.36 z)), z = |x| / sqrt(2), q
// fitted to 4e-8, the whole within 3e-7 on the left too, where 1 + erf would cancel; double: by the library, lane by lane.
template <class T>
struct Normal;
template <>
struct Normal<float> {
  using T = float;
  Vec<T> below, density;
  HWY_INLINE explicit Normal(const Vec<T>& x) {
    constexpr T c[] = {2.032155246e-01f, 2.009824514e-01f, 2.080026567e-01f, 7.758293301e-02f, 3.789319098e-01f,
                       -3.822853863e-01f, 5.731943250e-01f, -3.181734085e-01f, 5.854893103e-02f};
    const auto a = min(set(T(13.3)), abs(x));  // e is 0 there
    const auto square = a * a, rest = fms(a, a, square);
    const auto e = exp_of_minus(square * set(T(0.5))) * fnma(rest, set(T(0.5)), set(T(1)));
    const auto s = set(T(1)) / fma(a, set(T(0.36 * 0.70710678118654752440)), set(T(1)));
    const auto tail = e * set(T(0.5)) * (s * polynomial(s, c));
    below = if_greater(x, zero<T>(), set(T(1)) - tail, tail);
    density = e * set(T(0.39894228040143267794));
  }
};
template <>
struct Normal<double> {
  using T = double;
  Vec<T> below, density;
  HWY_INLINE explicit Normal(const Vec<T>& x) {
    const auto near = min(set(T(40)), max(set(T(-40)), x));
    below = set(T(0.5)) * map_lanes(near * set(T(-0.70710678118654752440)), [](T v) { return std::erfc(v); });
    density = exp(near * near * set(T(-0.5))) * set(T(0.39894228040143267794));
  }
};

struct GeluErf {
  template <class T>
  static HWY_INLINE Vec<T> value(const Vec<T>& x) { return x * Normal<T>(x).below; }
  // below(x) + x density(x); flat beyond 30
  template <class T>
  static HWY_INLINE Vec<T> slope(const Vec<T>& x) {
    const Normal<T> at(x);
    return fma(min(set(T(30)), max(set(T(-30)), x)), at.density, at.below);
  }
};

struct Relu {
  template <class T>
  static HWY_INLINE Vec<T> value(const Vec<T>& x) { return max(zero<T>(), x); }
  template <class T>
  static HWY_INLINE Vec<T> slope(const Vec<T>& x) { return if_greater(x, zero<T>(), set(T(1)), zero<T>()); }
};

struct ReluSquared {
  template <class T>
  static HWY_INLINE Vec<T> value(const Vec<T>& x) { return max(zero<T>(), x) * max(zero<T>(), x); }
  template <class T>
  static HWY_INLINE Vec<T> slope(const Vec<T>& x) { return max(zero<T>(), x + x); }
};

struct Sigmoid {
  template <class T>
  static HWY_INLINE Vec<T> value(const Vec<T>& x) { return sigmoid(x); }
  template <class T>
  static HWY_INLINE Vec<T> slope(const Vec<T>& x) {
    const Logistic<T> f(x);
    return f.s * f.rest;
  }
};

struct Tanh {
  template <class T>
  static HWY_INLINE Vec<T> value(const Vec<T>& x) { return tanh(x); }
  // 1 - tanh^2 = 4 s(2x) (1 - s(2x)), which does not cancel
  template <class T>
  static HWY_INLINE Vec<T> slope(const Vec<T>& x) {
    const Logistic<T> f(x + x);
    return set(T(4)) * f.s * f.rest;
  }
};

struct Softplus {
  template <class T>
  static HWY_INLINE Vec<T> value(const Vec<T>& x) { return softplus(x); }
  template <class T>
  static HWY_INLINE Vec<T> slope(const Vec<T>& x) { return sigmoid(x); }
};

struct NegExp {
  template <class T>
  static HWY_INLINE Vec<T> value(const Vec<T>& x) { return -exp(x); }
  template <class T>
  static HWY_INLINE Vec<T> slope(const Vec<T>& x) { return -exp(x); }
};

struct Exp {
  template <class T>
  static HWY_INLINE Vec<T> value(const Vec<T>& x) { return exp(x); }
  template <class T>
  static HWY_INLINE Vec<T> slope(const Vec<T>& x) { return exp(x); }
};

// Lane by lane: they turn up in the few parameters of a complex state space only.
struct Sin {
  template <class T>
  static HWY_INLINE Vec<T> value(const Vec<T>& x) { return map_lanes(x, [](T v) { return std::sin(v); }); }
  template <class T>
  static HWY_INLINE Vec<T> slope(const Vec<T>& x) { return map_lanes(x, [](T v) { return std::cos(v); }); }
};

struct Cos {
  template <class T>
  static HWY_INLINE Vec<T> value(const Vec<T>& x) { return Sin::slope(x); }
  template <class T>
  static HWY_INLINE Vec<T> slope(const Vec<T>& x) { return -Sin::value(x); }
};

template <class Run>
void with_kind(ActivationKind kind, Run run) {
  switch (kind) {
    case ActivationKind::silu: return run(Silu{});
    case ActivationKind::gelu_tanh: return run(GeluTanh{});
    case ActivationKind::gelu_erf: return run(GeluErf{});
    case ActivationKind::relu: return run(Relu{});
    case ActivationKind::relu_squared: return run(ReluSquared{});
    case ActivationKind::sigmoid: return run(Sigmoid{});
    case ActivationKind::tanh: return run(Tanh{});
    case ActivationKind::softplus: return run(Softplus{});
    case ActivationKind::neg_exp: return run(NegExp{});
    case ActivationKind::exp: return run(Exp{});
    case ActivationKind::sin: return run(Sin{});
    case ActivationKind::cos: return run(Cos{});
  }
}

template <class F, class T>
void forward_run(const T* x, T* y, int64_t n) {
  for (int64_t j = 0; j < n; j += kLanes<T>) store(y + j, F::value(load(x + j, n - j)), n - j);
}

template <class F, class T>
void backward_run(const T* x, const T* dy, const T* before, T* dx, T* y, int64_t n) {
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    if (y == x || dx == x) fetch_to_write(x + j);
    if (dx == dy) fetch_to_write(dy + j);
    const auto at = load(x + j, n - j), d = load(dy + j, n - j) * F::slope(at);
    if (y) store(y + j, F::value(at), n - j);
    store(dx + j, (before ? load(before + j, n - j) : zero<T>()) + d, n - j);
  }
}

template <class T>
void forward(const Activation<T>& a) {
  with_kind(a.kind, [&](auto kind) {
    for_each_run(a.x.rows, a.x.columns, a.x.dense() && a.y.dense(), [&](int64_t row, int64_t first, int64_t n) {
      forward_run<decltype(kind)>(a.x.row(row) + first, a.y.row(row) + first, n);
    });
  });
}

template <class T>
void backward(const Activation<T>& a) {
  if (!a.dx) return;
  const bool dense = a.x.dense() && a.dy.dense() && a.dx.dense() && a.before.dense() && a.y.dense();
  with_kind(a.kind, [&](auto kind) {
    for_each_run(a.x.rows, a.x.columns, dense, [&](int64_t row, int64_t first, int64_t n) {
      backward_run<decltype(kind)>(a.x.row(row) + first, a.dy.row(row) + first,
                                   a.before ? a.before.row(row) + first : nullptr, a.dx.row(row) + first,
                                   a.y ? a.y.row(row) + first : nullptr, n);
    });
  });
}

}  // namespace
SIMD_KERNEL(activation_fwd, Activation, forward)
SIMD_KERNEL(activation_bwd, Activation, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(activation_fwd, Activation)
SIMD_DISPATCH(activation_bwd, Activation)
}  // namespace kernels
#endif
