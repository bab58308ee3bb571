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
  Vec<T> gate(int64_t j) const {
    const auto gate = z(j);
    return gate * sigmoid(gate);
  }
  void add(T* base, int64_t j, const Vec<T>& d) const { store(base + first + j, at(base, j) + d, n - j); }
};

template <class T, class F>
void each_group(const RmsNormGated<T>& a, int64_t row, F task) {
  const int64_t n = a.x.columns / a.groups;
  for (int64_t g = 0; g < a.groups; ++g) task(Group<T>{a, row, g * n, n, a.r[row * a.groups + g]});
}

template <class T>
void forward_group(const Group<T>& s) {
  const bool norm_first = s.a.norm_before_gate;
  auto squares = zero<T>();
  for (int64_t j = 0; j < s.n; j += kLanes<T>) {
    const auto v = norm_first ? s.x(j) : s.x(j) * s.gate(j);
    squares = fma(v, v, squares);
  }
  s.r = T(1) / std::sqrt(sum(squares) / T(s.n) + s.a.eps);
  for (int64_t j = 0; j < s.n; j += kLanes<T>)
    store(s.a.y.row(s.row) + s.first + j, s.x(j) * s.gate(j) * set(s.r) * s.w(j), s.n - j);
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
template <class T>
void input_gradient(const Group<T>& s) {
  const auto& a = s.a;
  const bool norm_first = a.norm_before_gate;
  auto dot = zero<T>();  // k v = dy w s x either way
  for (int64_t j = 0; j < s.n; j += kLanes<T>) dot = fma(s.dy(j) * s.w(j) * s.gate(j), s.x(j), dot);
  const auto r = set(s.r), pull = set(sum(dot) / T(s.n) * s.r * s.r * s.r);
  for (int64_t j = 0; j < s.n; j += kLanes<T>) {
    const auto x = s.x(j), z = s.z(j), sigma = sigmoid(z), gate = z * sigma, g = s.dy(j) * s.w(j);
    const auto slope = sigma * fma(z, set(T(1)) - sigma, set(T(1)));
    const auto v = norm_first ? x : x * gate, k = norm_first ? g * gate : g;
    const auto dv = fnma(v, pull, k * r);
    if (a.dx) s.add(a.dx.row(s.row), j, norm_first ? dv : dv * gate);
    if (a.dz) s.add(a.dz.row(s.row), j, (norm_first ? g * r : dv) * x * slope);
  }
}

// dw = sum over rows of dy x s r
template <class T>
void weight_gradient(const Group<T>& s, T* dw) {
  for (int64_t j = 0; j < s.n; j += kLanes<T>) s.add(dw, j, s.dy(j) * set(s.r) * s.gate(j) * s.x(j));
}

// All while a row is in the first-level cache.
template <class T>
void backward(const RmsNormGated<T>& a) {
  sum_over_rows(a.x.rows, a.x.columns, a.dw, [&](int64_t begin, int64_t end, T* partial) {
    for (int64_t i = begin; i < end; ++i)
      each_group(a, i, [&](const Group<T>& s) {
        if (a.dx || a.dz) input_gradient(s);
        if (a.dw) weight_gradient(s, partial);
      });
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
