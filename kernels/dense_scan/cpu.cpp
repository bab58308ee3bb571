// A task takes a few stretches (a batch row, or a chunk of one) through their steps together, by the product that the
// recurrent networks use. Backward is the same run on turned sequences.
#include "kernels/dense_scan/dense_scan.h"

#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dense_scan/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/recurrent/step_product.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {
using namespace recurrent;

// Steps `first` to `first + steps` of a row, from the state `entering`.
template <class T>
struct Stretch {
  int64_t b, first, steps;
  const T* entering;
  T* end;  // null: the states are written to `out`; else only the last one, to here
};

// h_i = M h_{i-1} + x_i, in scan order; `cut(b, i)`: nothing crosses from step i - 1 to i. `out` may be `x`.
template <class T, class Cut>
class Recurrence {
 public:
  Recurrence(const Packed<T>& m, const T* power, const Sequence<const T>& x, const Sequence<T>& out, int64_t length,
             const Cut& cut)
      : m_(m), power_(power), x_(x), out_(out), length_(length), n_(m.width), cut_(cut), zero_(zeros<T>(m.width)) {}

  void run(const Matrix<const T>& first) {
    const int64_t whole = length_ / kDenseChunk, rest = length_ % kDenseChunk, chunks = whole + (rest > 0);
    const std::vector<T> states = entering_states(first, chunks);
    const auto entering = [&](int64_t b, int64_t c) { return states.data() + (b * chunks + c) * n_; };
    std::vector<Stretch<T>> all;
    for (int64_t b = 0; b < out_.batch; ++b)
      for (int64_t c = 0; c < whole; ++c) all.push_back({b, c * kDenseChunk, kDenseChunk, entering(b, c), nullptr});
    run_all(all);
    all.clear();
    for (int64_t b = 0; rest > 0 && b < out_.batch; ++b)
      all.push_back({b, whole * kDenseChunk, rest, entering(b, whole), nullptr});
    run_all(all);
  }

 private:
  // [batch, chunks, n]: the state that enters each chunk
  std::vector<T> entering_states(const Matrix<const T>& first, int64_t chunks) {
    std::vector<T> states(size_t(out_.batch * chunks * n_), T(0));
    const auto state = [&](int64_t b, int64_t c) { return states.data() + (b * chunks + c) * n_; };
    std::vector<Stretch<T>> local;
    for (int64_t b = 0; b < out_.batch; ++b) {
      if (first) std::copy_n(first.row(b), n_, state(b, 0));
      for (int64_t c = 0; c + 1 < chunks; ++c)
        local.push_back({b, c * kDenseChunk, kDenseChunk, zero_, state(b, c + 1)});
    }
    run_all(local);
    const Packed<T> power{power_, n_, n_};
    for_each_block(out_.batch, [&](int64_t row, int rows) {
      for (int64_t c = 0; c + 1 < chunks; ++c) {
        const T *x[kMaxRows], *start[kMaxRows];
        T* next[kMaxRows];
        for (int r = 0; r < rows; ++r) {
          x[r] = cut_inside(row + r, c * kDenseChunk) ? zero_ : state(row + r, c);
          start[r] = next[r] = state(row + r, c + 1);
        }
        multiply(power, rows, x, start, zero_, next);
      }
    });
    return states;
  }

  bool cut_inside(int64_t b, int64_t first) const {
    for (int64_t i = first; i < first + kDenseChunk; ++i)
      if (cut_(b, i)) return true;
    return false;
  }

  void run_all(const std::vector<Stretch<T>>& all) {
    if (all.empty()) return;
    for_each_block(int64_t(all.size()), [&](int64_t i, int rows) { run_block(all.data() + i, rows); });
  }

  void run_block(const Stretch<T>* s, int rows) {
    T* turns = scratch<T>(size_t(2 * rows * n_), kState);  // of those whose states are not kept
    const T *x[kMaxRows], *start[kMaxRows], *state[kMaxRows];
    T* next[kMaxRows];
    for (int r = 0; r < rows; ++r) state[r] = s[r].entering;
    for (int64_t i = 0; i < s[0].steps; ++i) {
      for (int r = 0; r < rows; ++r) {
        const int64_t b = s[r].b, at = s[r].first + i;
        x[r] = cut_(b, at) ? zero_ : state[r];
        start[r] = x_.row(b, at);
        next[r] = s[r].end ? turns + (2 * r + i % 2) * n_ : out_.row(b, at);
      }
      multiply(m_, rows, x, start, zero_, next);
      std::copy_n(next, rows, state);
    }
    for (int r = 0; r < rows; ++r)
      if (s[r].end) std::copy_n(state[r], n_, s[r].end);
  }

  const Packed<T>& m_;
  const T* power_;
  Sequence<const T> x_;
  Sequence<T> out_;
  int64_t length_, n_;
  Cut cut_;
  const T* zero_;
};

// A^Q, Q a power of two
template <class T>
std::vector<T> power_of(const Matrix<const T>& a) {
  const int64_t n = a.rows;
  std::vector<T> power(size_t(n * n)), square(size_t(n * n));
  for (int64_t i = 0; i < n; ++i) std::copy_n(a.row(i), n, power.data() + i * n);
  for (int64_t q = 1; q < kDenseChunk; q *= 2, power.swap(square))
    cpu::matmul<T>({.m = n, .n = n, .k = n, .a = power.data(), .a_row = n, .a_col = 1, .b = power.data(), .b_row = n,
                    .b_col = 1, .c = square.data(), .c_row = n});
  return power;
}

// The step's matrix and its power, packed: transposed forward (rows times A^T), as they are backwards.
template <class T, class Cut>
void run(const DenseScan<T>& s, bool backwards, const Sequence<const T>& x, const Sequence<T>& out,
         const Matrix<const T>& first, const Cut& cut) {
  const int64_t n = s.a.rows;
  const auto packed = [&](const Matrix<const T>& m, int slot) {
    return backwards ? pack(m, slot) : pack_transposed(m, slot);
  };
  std::vector<T> power;
  const T* panels = nullptr;
  if (out.length > kDenseChunk) {
    power = power_of(s.a);
    panels = packed({power.data(), n, n, n}, kPackedToo).panels;
  }
  const Packed<T> m = packed(s.a, kPacked);
  Recurrence<T, Cut>(m, panels, x, out, out.length, cut).run(first);
}

template <class T>
void forward(const DenseScan<T>& s) {
  const int64_t length = s.x.length;
  run(s, false, s.x, s.h, s.h0, [&](int64_t b, int64_t i) { return s.resets && s.resets[b * length + i] != 0; });
  for (int64_t b = 0; b < s.x.batch; ++b) std::copy_n(s.h.row(b, length - 1), s.a.rows, s.last.row(b));
}

// Step i of the adjoint is step t = L-1-i: G_t = A^T G_{t+1} + dh_t. What dlast adds enters as dh of the last step.
template <class T>
void backward(const DenseScan<T>& s) {
  const int64_t n = s.a.rows, length = s.h.length, batch = s.h.batch;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t t = 0; t < length; ++t) {
      T* to = s.g.row(b, t);
      if (s.dh) std::copy_n(s.dh.row(b, t), n, to);
      else std::fill_n(to, n, T(0));
      if (s.dlast && t == length - 1) add_to(to, s.dlast.row(b), n);
    }
  const Sequence<T> g = s.g.backwards();
  const Sequence<const T> dh{g.data, g.batch, g.length, g.channels, g.batch_stride, g.stride};
  const auto starts = [&](int64_t b, int64_t t) { return s.resets && s.resets[b * length + t] != 0; };
  run(s, true, dh, g, {}, [&](int64_t b, int64_t i) { return i > 0 && starts(b, length - i); });

  const T* zero = zeros<T>(n);
  const History<T> history{s.h.data, s.h0, s.resets, length, n, zero};
  add_weight_gradients<T>(history, {{s.da, nullptr, {s.g.data, batch * length, n, n}}});
  if (!s.dh0) return;
  const Packed<T> m = pack(s.a, kPacked);
  for (int64_t b = 0; b < batch; ++b) {
    const T *x = starts(b, 0) ? zero : s.g.row(b, 0), *start = s.dh0.row(b);
    T* to = s.dh0.row(b);
    multiply(m, 1, &x, &start, zero, &to);
  }
}

}  // namespace
SIMD_KERNEL(dense_scan_fwd, DenseScan, forward)
SIMD_KERNEL(dense_scan_bwd, DenseScan, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(dense_scan_fwd, DenseScan)
SIMD_DISPATCH(dense_scan_bwd, DenseScan)
}  // namespace kernels
#endif
