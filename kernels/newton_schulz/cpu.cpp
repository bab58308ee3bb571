// Three products a step; between them passes over single elements, in blocks.
#include "kernels/newton_schulz/newton_schulz.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/matmul/matmul.h"
#include "kernels/parallel.h"
#include "kernels/sum_squares/sum_squares.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/newton_schulz/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t kBlock = 8192;

// y = factor * x
template <class T>
void scale(int64_t n, const T* x, T factor, T* y) {
  parallel_blocks(n, kBlock, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i += kLanes<T>)
      store(y + i, load(x + i, last - i) * set(factor), last - i);
  });
}

// y = b * x + c * y
template <class T>
void combine(int64_t n, const T* x, T b, T c, T* y) {
  parallel_blocks(n, kBlock, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i += kLanes<T>)
      store(y + i, fma(load(x + i, last - i), set(b), load(y + i, last - i) * set(c)), last - i);
  });
}

template <class T>
void iterate(const NewtonSchulz<T>& s) {
  const int64_t rows = s.rows, columns = s.columns, n = rows * columns;
  const bool tall = rows > columns;
  const int64_t k = tall ? columns : rows;
  double squares = 0;
  cpu::sum_squares(SumSquares<T>{.x = s.g, .n = n, .sum = &squares});
  T *x = s.x, *next = s.spare;
  scale(n, s.g, T(1 / std::max(std::sqrt(squares), 1e-7)), next);
  for (int step = 0; step < 5; ++step) {
    std::swap(x, next);  // after an odd number of swaps the result lies in s.x
    MatMul<T> gram{.m = k, .n = k, .k = tall ? rows : columns, .a = x};
    gram.b = x, gram.c = s.a, gram.c_row = k;
    if (tall) gram.a_row = 1, gram.a_col = columns, gram.b_row = columns, gram.b_col = 1;
    else gram.a_row = columns, gram.a_col = 1, gram.b_row = 1, gram.b_col = columns;
    cpu::matmul(gram);
    MatMul<T> square{.m = k, .n = k, .k = k, .a = s.a, .a_row = k, .a_col = 1};
    square.b = s.a, square.b_row = k, square.b_col = 1, square.c = s.b, square.c_row = k;
    cpu::matmul(square);
    combine(k * k, s.a, T(-4.7750), T(2.0315), s.b);
    scale(n, x, T(3.4445), next);
    MatMul<T> move{.m = rows, .n = columns, .k = k, .a = tall ? x : s.b};
    move.a_row = k, move.a_col = 1, move.b = tall ? s.b : x, move.b_row = columns, move.b_col = 1;
    move.c = next, move.c_row = columns, move.accumulate = true;
    cpu::matmul(move);
  }
}

}  // namespace
SIMD_KERNEL(newton_schulz, NewtonSchulz, iterate)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(newton_schulz, NewtonSchulz)
}  // namespace kernels
#endif
