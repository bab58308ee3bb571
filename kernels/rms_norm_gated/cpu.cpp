// Rows in parallel, a group of a row after the other; sums over 16 (8) lane partials whatever the SIMD target.
#include "kernels/rms_norm_gated/rms_norm_gated.h"

#include "kernels/row_blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rms_norm_gated/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

// A group of a row, from column `first` on.
template <class T>
struct Group {
  const RmsNormGated<T>& a;
  int64_t row, first, n;
  T& r;

  Vec<T> at(const T* base, int64_t j) const { return load(base + first + j, n - j); }
  Vec<T> x(int64_t j) const { return at(a.x.row(row), j); }
  Vec<T> z(int64_t j) const { return at(a.z.row(row), j); }
  Vec<T> w(int64_t j) const { return at(a.w, j); }
  Vec<T> dy(int64_t j) const { return at(a.dy.row(row), j); }
  void put(T* base, int64_t j, const Vec<T>& value) const { store(base + first + j, value, n - j); }
  // base[j] = before[j] + d; before null: d
  void put(const T* before, T* base, int64_t j, const Vec<T>& d) const { put(base, j, before ? at(before, j) + d : d); }
};

template <class T, class F>
void each_group(const RmsNormGated<T>& a, int64_t row, F task) {
  const int64_t n = a.x.columns / a.groups;
  for (int64_t g = 0; g < a.groups; ++g) task(Group<T>{a, row, g * n, n, a.r[row * a.groups + g]});
}

// x silu(z) waits in y for the norm.
template <class T>
void forward_group(const Group<T>& s) {
  T* y = s.a.y.row(s.row);
  auto squares = zero<T>();
  for (int64_t j = 0; j < s.n; j += kLanes<T>) {
    const auto x = s.x(j), z = s.z(j), gated = x * (z * sigmoid(z)), v = s.a.norm_before_gate ? x : gated;
    s.put(y, j, gated);
    squares = fma(v, v, squares);
  }
  s.r = T(1) / std::sqrt(sum(squares) / T(s.n) + s.a.eps);
  for (int64_t j = 0; j < s.n; j += kLanes<T>) s.put(y, j, s.at(y, j) * set(s.r) * s.w(j));
}

template <class T>
void forward(const RmsNormGated<T>& a) {
  parallel_blocks(a.x.rows, kRowBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) each_group(a, i, forward_group<T>);
  });
}

// With s = silu(z) and k = dy w (gate first) or dy w s (norm first), the adjoint of v r:
//   dv = r k - v r^3 mean(k v)
//   gate first: dx = dv s,  dz = dv x silu'(z)        norm first: dx = dv,  dz = dy w x r silu'(z)
// and dw = sum over rows of dy x s r. `sigma` [n]: scratch, 1 / (1 + e^-z).
template <class T>
void backward_group(const Group<T>& s, T* sigma, T* dw) {
  const auto& a = s.a;
  const bool norm_first = a.norm_before_gate;
  auto dot = zero<T>();  // k v = dy w s x either way
  for (int64_t j = 0; j < s.n; j += kLanes<T>) {
    const auto z = s.z(j), part = sigmoid(z);
    store(sigma + j, part);
    dot = fma(s.dy(j) * s.w(j) * (z * part), s.x(j), dot);
  }
  const auto r = set(s.r), pull = set(sum(dot) / T(s.n) * s.r * s.r * s.r);
  const T *before_x = a.before_x ? a.before_x.row(s.row) : nullptr, *before_z = a.before_z ? a.before_z.row(s.row) : nullptr;
  for (int64_t j = 0; j < s.n; j += kLanes<T>) {
    const auto x = s.x(j), z = s.z(j), part = load(sigma + j), gate = z * part, dy = s.dy(j), g = dy * s.w(j);
    const auto slope = part * fma(z, set(T(1)) - part, set(T(1)));
    const auto v = norm_first ? x : x * gate, k = norm_first ? g * gate : g;
    const auto dv = fnma(v, pull, k * r);
    if (a.dx) s.put(before_x, a.dx.row(s.row), j, norm_first ? dv : dv * gate);
    if (a.dz) s.put(before_z, a.dz.row(s.row), j, (norm_first ? g * r : dv) * x * slope);
    if (dw) s.put(dw, dw, j, dy * r * gate * x);
  }
}

template <class T>
void backward(const RmsNormGated<T>& a) {
  const int64_t whole = (a.x.columns / a.groups + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
  sum_over_rows(a.x.rows, a.x.columns, a.dw, [&](int64_t begin, int64_t end, T* partial) {
    T* sigma = scratch<T>(size_t(whole));
    for (int64_t i = begin; i < end; ++i)
      each_group(a, i, [&](const Group<T>& s) { backward_group(s, sigma, a.dw ? partial : nullptr); });
  });
}

}  // namespace
SIMD_KERNEL(rms_norm_gated_fwd, RmsNormGated, forward)
SIMD_KERNEL(rms_norm_gated_bwd, RmsNormGated, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(rms_norm_gated_fwd, RmsNormGated)
SIMD_DISPATCH(rms_norm_gated_bwd, RmsNormGated)
}  // namespace kernels
#endif
