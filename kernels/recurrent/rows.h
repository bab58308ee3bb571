// What the fused recurrences (rnn, lstm, gru) share beside the step's product: blocks of batch rows, the state
// before a step, and the gradients of the recurrent weights.
#pragma once
#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "kernels/column_sum/column_sum.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matrix.h"
#include "kernels/parallel.h"

namespace kernels::recurrent {

// A task runs the whole time loop for up to this many batch rows: two tiles or more of them share a panel of weights
// while it is in the first-level cache.
constexpr int kMaxRows = 16;

// Scratch of a call (on the thread that made it) and of a task; 0 and 1 belong to the matrix product.
enum Slot { kZeros = 2, kPacked, kPackedToo, kState, kGates, kInputs, kPrevious, kCells };

// Rows a block: even shares, one a thread where the rows are few. No number depends on it.
inline int64_t block_rows(int64_t batch) {
  const int64_t most = std::min<int64_t>(kMaxRows, (batch + threads() - 1) / threads());
  const int64_t blocks = (batch + most - 1) / most;
  return (batch + blocks - 1) / blocks;
}

// task(first row, number of rows)
template <class F>
void for_each_block(int64_t batch, F task) {
  parallel_for((batch + block_rows(batch) - 1) / block_rows(batch), [&](int64_t i) {
    const int64_t first = i * block_rows(batch);
    task(first, int(std::min(block_rows(batch), batch - first)));
  });
}

template <class T>
const T* zeros(int64_t n) {
  T* z = scratch<T>(size_t(n), kZeros);
  std::fill_n(z, n, T(0));
  return z;
}

// h_{t-1} of dense states [batch, length, size]: `first` before the stretch, and 0 where a document starts, whatever
// stands there.
template <class T>
struct History {
  const T* states;
  Matrix<const T> first;   // [batch, size] or null: zero
  const int32_t* resets;   // [batch, length] or null
  int64_t length, size;
  const T* zero;           // a row of zeros

  bool starts(int64_t b, int64_t t) const { return resets && resets[b * length + t] != 0; }
  const T* before(int64_t b, int64_t t) const {
    if (starts(b, t)) return zero;
    if (t > 0) return states + (b * length + t - 1) * size;
    return first ? first.row(b) : zero;
  }
};

// dw[n,k] += sum_i dgates[i,n] previous[i,k]
template <class T>
void add_weight_gradient(const Matrix<T>& dw, const Matrix<const T>& dgates, const T* previous) {
  cpu::matmul<T>({.m = dgates.columns, .n = dw.columns, .k = dgates.rows, .a = dgates.data, .a_row = 1, .a_col = dgates.stride,
                  .b = previous, .b_row = dw.columns, .b_col = 1, .c = dw.data, .c_row = dw.stride, .accumulate = true});
}

// Rows of a recurrent weight, and the gradients of the gates that they make.
template <class T>
struct Gates {
  Matrix<T> dw;
  T* dbias;
  Matrix<const T> dgates;  // [batch * length, gates]
};

// The same over (b,t), previous[b,t] = h_{t-1}, and dbias[n] += sum of dgates[b,t,n]; a null dw (of all) or dbias is left out. The
// rows of h_{t-1} are gathered part by part: the chain goes on through dw.
template <class T>
void add_weight_gradients(const History<T>& h, std::initializer_list<Gates<T>> all) {
  constexpr int64_t kPart = 2048, kTogether = 64;
  const int64_t count = all.begin()->dw ? all.begin()->dgates.rows : 0;
  T* previous = scratch<T>(size_t(std::min(kPart, count) * h.size), kPrevious);
  for (int64_t first = 0; first < count; first += kPart) {
    const int64_t rows = std::min(kPart, count - first);
    parallel_blocks(rows, kTogether, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        std::copy_n(h.before((first + i) / h.length, (first + i) % h.length), h.size, previous + i * h.size);
    });
    for (const Gates<T>& g : all)
      add_weight_gradient<T>(g.dw, {g.dgates.row(first), rows, g.dgates.columns, g.dgates.stride}, previous);
  }
  for (const Gates<T>& g : all)
    if (g.dbias) cpu::column_sum<T>({.x = g.dgates, .sum = g.dbias});
}

}  // namespace kernels::recurrent
