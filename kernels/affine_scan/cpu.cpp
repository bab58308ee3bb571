// A task is a chunk of a row. Backward is the same run over turned sequences and transposed matrices.
#include <algorithm>
#include <vector>

#include "kernels/affine_scan/affine_scan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/affine_scan/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/parallel.h"
#include "kernels/scan/operators.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

enum Slot { kMatrix = 5, kTotals };  // scratch of a task

// h_i = h_{i-1} matrix(b, i) + x_i in scan order; cut(b, i): nothing crosses from step i - 1 to i.
//   const T* matrix(b, i, room)    in rows; `room` [n, n] may be used for it
template <class T, class Matrices, class Cut>
class Recurrence {
 public:
  using Op = AffineDense<T>;

  Recurrence(int64_t n, const Matrices& matrix, const Cut& cut, const Sequence<const T>& x,
             const Sequence<T>& h, const Matrix<const T>& first)
      : op_{n},
        matrix_(matrix),
        cut_(cut),
        x_(x),
        h_(h),
        chunks_((h.length + kAffineChunk - 1) / kAffineChunk),
        entering_(size_t(h.batch * chunks_ * n), T(0)),
        fresh_(!first) {
    for (int64_t b = 0; first && b < h.batch; ++b) std::copy_n(first.row(b), n, entering(b, 0));
  }

  void run() {
    const int64_t inner = chunks_ - 1;  // nothing needs the last chunk's total
    totals_.resize(size_t(h_.batch * inner * (op_.n + 1) * op_.n));
    parallel_for(h_.batch * inner, [&](int64_t i) { combine_steps(i / inner, i % inner); });
    if (inner > 0) parallel_for(h_.batch, [&](int64_t b) { scan_totals(b); });
    parallel_for(h_.batch * chunks_, [&](int64_t i) { run_steps(i / chunks_, i % chunks_); });
  }

 private:
  T* entering(int64_t b, int64_t chunk) { return entering_.data() + (b * chunks_ + chunk) * op_.n; }
  T* total(int64_t b, int64_t chunk) {
    return totals_.data() + (b * (chunks_ - 1) + chunk) * (op_.n + 1) * op_.n;
  }
  bool cuts(int64_t b, int64_t i) const { return (i == 0 && fresh_) || cut_(b, i); }
  bool cut_inside(int64_t b, int64_t chunk) const {
    for (int64_t i = chunk * kAffineChunk; i < (chunk + 1) * kAffineChunk; ++i)
      if (cuts(b, i)) return true;
    return false;
  }

  // Where a document starts amid the chunk only b of its total counts.
  void combine_steps(int64_t b, int64_t chunk) {
    const int64_t n = op_.n, first = chunk * kAffineChunk;
    T* room = scratch<T>(size_t(n * n), kMatrix);
    T *sum = total(b, chunk), *next = scratch<T>(size_t((n + 1) * n), kTotals), *const place = sum;
    op_.identity(sum, sum + n * n);
    for (int64_t i = first; i < first + kAffineChunk; ++i) {
      if (cuts(b, i)) {
        std::fill_n(sum, n * n, T(0));
        std::copy_n(x_.row(b, i), n, sum + n * n);
        continue;
      }
      op_.combine({sum, sum + n * n}, {matrix_(b, i, room), x_.row(b, i)}, next, next + n * n);
      std::swap(sum, next);
    }
    if (sum != place) std::copy_n(sum, (n + 1) * n, place);
  }

  void scan_totals(int64_t b) {
    const int64_t n = op_.n;
    for (int64_t chunk = 0; chunk + 1 < chunks_; ++chunk) {
      T *sum = total(b, chunk), *next = entering(b, chunk + 1);
      if (cut_inside(b, chunk)) {
        std::copy_n(sum + n * n, n, next);
        continue;
      }
      op_.apply({sum, sum + n * n}, entering(b, chunk), next);
      if (!op_.sound(next)) walk(b, chunk, [&](int64_t, const T* h) { std::copy_n(h, n, next); });
    }
  }

  void run_steps(int64_t b, int64_t chunk) {
    walk(b, chunk, [&](int64_t i, const T* h) { std::copy_n(h, op_.n, h_.row(b, i)); });
  }

  // visit(i, state) for each step of a chunk in turn
  template <class Visit>
  void walk(int64_t b, int64_t chunk, Visit visit) {
    const int64_t n = op_.n, first = chunk * kAffineChunk, end = std::min(first + kAffineChunk, h_.length);
    T *room = scratch<T>(size_t(n * n), kMatrix), *turns = scratch<T>(size_t(2 * n), kTotals);
    const T* state = entering(b, chunk);
    for (int64_t i = first; i < end; ++i) {
      T* next = turns + i % 2 * n;
      if (cuts(b, i))
        std::copy_n(x_.row(b, i), n, next);
      else
        op_.apply({matrix_(b, i, room), x_.row(b, i)}, state, next);
      visit(i, next);
      state = next;
    }
  }

  Op op_;
  Matrices matrix_;
  Cut cut_;
  Sequence<const T> x_;
  Sequence<T> h_;
  int64_t chunks_;
  std::vector<T> entering_, totals_;  // by row and chunk
  bool fresh_;                        // nothing came before step 0
};

template <class T, class Matrices, class Cut>
void run(int64_t n, const Matrices& matrix, const Cut& cut, const Sequence<const T>& x, const Sequence<T>& h,
         const Matrix<const T>& first) {
  Recurrence<T, Matrices, Cut>(n, matrix, cut, x, h, first).run();
}

template <class T>
void forward(const AffineScan<T>& s) {
  const int64_t length = s.x.length;
  const auto cut = [&s, length](int64_t b, int64_t i) { return s.resets && s.resets[b * length + i] != 0; };
  run<T>(
      s.state, [&s](int64_t b, int64_t i, T*) { return s.a.row(b, i); }, cut, s.x, s.h, s.h0);
  for (int64_t b = 0; s.last && b < s.x.batch; ++b)
    std::copy_n(s.h.row(b, length - 1), s.state, s.last.row(b));
}

// Step i of the adjoint is step t = L-1-i. What dlast adds enters as dh of the last step.
template <class T>
void backward(const AffineScan<T>& s) {
  const int64_t n = s.state, length = s.h.length, batch = s.h.batch;
  std::vector<T> seeds(size_t(batch * length * n), T(0));
  const Sequence<T> dh{seeds.data(), batch, length, n, length * n, n};
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t t = 0; s.dh && t < length; ++t) std::copy_n(s.dh.row(b, t), n, dh.row(b, t));
    for (int64_t j = 0; s.dlast && j < n; ++j) dh.row(b, length - 1)[j] += s.dlast.row(b)[j];
  }
  const auto starts = [&s, length](int64_t b, int64_t t) {
    return s.resets && s.resets[b * length + t] != 0;
  };
  const auto transposed = [&s, n, length](int64_t b, int64_t i, T* room) {
    const T* a = s.a.row(b, length - i);
    for (int64_t k = 0; k < n; ++k)
      for (int64_t j = 0; j < n; ++j) room[j * n + k] = a[k * n + j];
    return static_cast<const T*>(room);
  };
  const Sequence<T> turned = dh.backwards();
  const Sequence<const T> in{turned.data, batch, length, n, turned.batch_stride, turned.stride};
  run<T>(n, transposed, [&](int64_t b, int64_t i) { return starts(b, length - i); }, in, s.g.backwards(), {});

  parallel_for(batch * length, [&](int64_t row) {
    const int64_t b = row / length, t = row % length;
    if (starts(b, t) || (t == 0 && !s.h0)) return;
    const T *before = t > 0 ? s.h.row(b, t - 1) : s.h0.row(b), *g = s.g.row(b, t), *a = s.a.row(b, t);
    for (int64_t k = 0; s.da && k < n; ++k)
      for (int64_t j = 0; j < n; ++j) s.da.row(b, t)[k * n + j] += before[k] * g[j];
    for (int64_t k = 0; t == 0 && s.dh0 && k < n; ++k)
      for (int64_t j = 0; j < n; ++j) s.dh0.row(b)[k] += g[j] * a[k * n + j];
  });
}

}  // namespace
SIMD_KERNEL(affine_scan_fwd, AffineScan, forward)
SIMD_KERNEL(affine_scan_bwd, AffineScan, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(affine_scan_fwd, AffineScan)
SIMD_DISPATCH(affine_scan_bwd, AffineScan)
}  // namespace kernels
#endif
