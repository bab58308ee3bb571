// Drawing the mask costs far more than this, so plain loops.
#include "kernels/dropout/dropout.h"

#include "kernels/elementwise.h"

namespace kernels::cpu {
namespace {

template <class T, class F>
void each(const Dropout<T>& a, F f) {
  for_each_run(a.x.rows, a.x.columns, false, [&](int64_t row, int64_t first, int64_t n) {
    const T* x = a.x.row(row) + first;
    T* y = a.y.row(row) + first;
    const int64_t start = row * a.x.columns + first;
    for (int64_t j = 0; j < n; ++j) {
      const int64_t i = start + j;
      f(y[j], (uint32_t(a.kept[i / 32]) >> (i % 32) & 1) ? a.scale * x[j] : T(0));
    }
  });
}

}  // namespace

template <class T>
void dropout_fwd(const Dropout<T>& a) {
  each(a, [](T& y, T value) { y = value; });
}
template <class T>
void dropout_bwd(const Dropout<T>& a) {
  if (a.y) each(a, [](T& dx, T value) { dx += value; });
}

template void dropout_fwd(const Dropout<float>&);
template void dropout_fwd(const Dropout<double>&);
template void dropout_bwd(const Dropout<float>&);
template void dropout_bwd(const Dropout<double>&);

}  // namespace kernels::cpu
