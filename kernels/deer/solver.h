// What both directions of deer.h share: the documents of the rows, and the products of all steps of one.
// Include it where simd.h may be included.

// Toggled by foreach_target.h: this part is seen once for each target.
#if defined(KERNELS_DEER_SOLVER_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_DEER_SOLVER_H_
#undef KERNELS_DEER_SOLVER_H_
#else
#define KERNELS_DEER_SOLVER_H_
#endif

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/deer/jacobian.h"
#include "kernels/matmul/matmul.h"
#include "kernels/recurrent/step_product.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace deer {
using namespace recurrent;

constexpr int kBuffers = 7;             // scratch of a task; the lower slots belong to what it calls
constexpr int64_t kStepsTogether = 16;  // of a task within a document

// Steps `first` to `first + steps` of row b.
struct Document {
  int64_t b, first, steps;
};

template <class T>
std::vector<Document> documents(const Deer<T>& a) {
  std::vector<Document> list;
  for (int64_t b = 0; b < a.batch; ++b)
    for (int64_t t = 0; t < a.length; ++t) {
      if (t == 0 || (a.resets && a.resets[b * a.length + t] != 0)) list.push_back({b, t, 0});
      ++list.back().steps;
    }
  return list;
}

// Sizes, the weights, and a document's guess [steps + 1, m], its start first.
template <class T>
struct Solver {
  const Deer<T>& a;
  const Jacobian<T> jacobian;
  const int64_t n = a.hidden, gates = deer_gates(a.cell), states = deer_states(a.cell), m = states * n;

  explicit Solver(const Deer<T>& args) : a(args), jacobian(args.cell, args.w) {}

  bool starts_anew(const Document& d) const { return a.resets && a.resets[d.b * a.length + d.first] != 0; }
  T* states_of(const Document& d) const { return a.states + (d.b * a.length + d.first) * m; }

  void start(const Document& d, T* state) const {
    std::fill_n(state, m, T(0));
    if (d.first > 0 || starts_anew(d)) return;
    if (a.h0) std::copy_n(a.h0.row(d.b), n, state);
    if (a.c0) std::copy_n(a.c0.row(d.b), n, state + n);
  }

  // What no element of state o exceeds: tanh bounds h, and a GRU's is a mean of that and the h before.
  T limit(const Document& d, int64_t o) const {
    if (a.cell == DeerCell::rnn_relu || o > 0) return std::numeric_limits<T>::max();
    T most = 1;
    for (int64_t j = 0; d.first == 0 && a.h0 && j < n; ++j) most = std::max(most, std::abs(a.h0.row(d.b)[j]));
    return T(1.5) * most;
  }

  // pre [steps, gates n] of all steps, from the guess
  void products(const Document& d, const T* guess, T* pre) const {
    const int64_t width = gates * n;
    for (int64_t t = 0; t < d.steps; ++t)
      product_start(a.cell, a.xg.row(d.b, d.first + t), a.bias, pre + t * width, n);
    cpu::matmul<T>({.m = d.steps,
                    .n = width,
                    .k = n,
                    .a = guess,
                    .a_row = m,
                    .a_col = 1,
                    .b = a.w.data,
                    .b_row = 1,
                    .b_col = a.w.stride,
                    .c = pre,
                    .c_row = width,
                    .accumulate = true});
  }
};

}  // namespace deer
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
