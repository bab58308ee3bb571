// Rows in parallel. e^(x - peak) is summed over 16 (8) lane partials; the logarithm of a row is taken in
// double.
#include "kernels/cross_entropy/cross_entropy.h"

#include <algorithm>

#include "kernels/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cross_entropy/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/row_max.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

template <class T>
void row_loss(const CrossEntropy<T>& a, int64_t i) {
  const int64_t n = a.x.columns;
  const T *x = a.x.row(i), peak = row_max(x, n);
  auto partial = zero<T>();
  for (int64_t j = 0; j < n; j += kLanes<T>) partial += keep(exp(load(x + j, n - j) - set(peak)), n - j);
  const T total = sum(partial);
  a.peak[i] = peak, a.inverse[i] = T(1) / total;
  const double log_total = std::log(double(total));
  a.loss[i] = log_total + (double(peak) - double(x[a.labels[i]]));
  if (a.log_z) a.log_z[i] = log_total + double(peak);
}

template <class T>
void forward(const CrossEntropy<T>& a) {
  parallel_blocks(a.x.rows, rows_a_block(a.x.columns), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      if (a.labels[i] != a.ignored) row_loss(a, i);
      else if (a.loss[i] = 0; a.log_z) a.log_z[i] = 0;
    }
  });
}

template <class T>
void row_gradient(const CrossEntropy<T>& a, int64_t i) {
  const int64_t n = a.x.columns;
  const T* x = a.x.row(i);
  T* dx = a.dx.row(i);
  const T weight = a.log_z ? T(double(a.scale) + 2 * a.square_scale * a.log_z[i]) : a.scale;
  const auto peak = set(a.peak[i]), factor = set(a.inverse[i] * weight);
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    const auto before = a.overwrite ? zero<T>() : load(dx + j, n - j);
    store(dx + j, fma(exp(load(x + j, n - j) - peak), factor, before), n - j);
  }
  dx[a.labels[i]] -= a.scale;
}

template <class T>
void backward(const CrossEntropy<T>& a) {
  if (!a.dx) return;
  parallel_blocks(a.x.rows, rows_a_block(a.x.columns), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      if (a.labels[i] != a.ignored) row_gradient(a, i);
      else if (a.overwrite) std::fill_n(a.dx.row(i), a.dx.columns, T(0));
    }
  });
}

}  // namespace
SIMD_KERNEL(cross_entropy_fwd, CrossEntropy, forward)
SIMD_KERNEL(cross_entropy_bwd, CrossEntropy, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(cross_entropy_fwd, CrossEntropy)
SIMD_DISPATCH(cross_entropy_bwd, CrossEntropy)
}  // namespace kernels
#endif
