#include "kernels/rotary/rotary.h"

#include <cmath>

#include "kernels/parallel.h"

// A handful of multiplications an element, next to the projections before it: plain loops, the same everywhere.
namespace kernels::cpu {
namespace {

constexpr int64_t kRows = 64;

// f(x row, y row, cos, sin, one, two) for each pair.
template <class T, class F>
void each_pair(const Rotary<T>& a, F f) {
  const int64_t half = a.head_dim / 2, step = a.interleaved ? 2 : 1, apart = a.interleaved ? 1 : half;
  parallel_blocks(a.x.batch * a.x.length, kRows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T *c = a.cos + a.positions[row] * half, *s = a.sin + a.positions[row] * half;
      for (int64_t h = 0; h < a.heads; ++h)
        for (int64_t i = 0; i < half; ++i) {
          const int64_t one = h * a.head_dim + i * step;
          f(row / a.x.length, row % a.x.length, c[i], s[i], one, one + apart);
        }
    }
  });
}

}  // namespace

template <class T>
void rotary_fwd(const Rotary<T>& a) {
  each_pair(a, [&](int64_t b, int64_t t, T c, T s, int64_t one, int64_t two) {
    const T* x = a.x.row(b, t);
    T* y = a.y.row(b, t);
    y[one] = x[one] * c - x[two] * s;
    y[two] = x[two] * c + x[one] * s;
  });
}

template <class T>
void rotary_bwd(const Rotary<T>& a) {
  each_pair(a, [&](int64_t b, int64_t t, T c, T s, int64_t one, int64_t two) {
    const T* dy = a.dy.row(b, t);
    T* dx = a.dx.row(b, t);
    dx[one] += dy[one] * c + dy[two] * s;
    dx[two] += dy[two] * c - dy[one] * s;
  });
}

template void rotary_fwd(const Rotary<float>&);
template void rotary_fwd(const Rotary<double>&);
template void rotary_bwd(const Rotary<float>&);
template void rotary_bwd(const Rotary<double>&);

}  // namespace kernels::cpu
