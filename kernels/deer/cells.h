// The recurrent cells, linearised. With pre_g = xg_g + bias_g + W_g h (of a GRU's n without xg) and n hidden
// units,
//   dnext_o = sum over gates g of through[o,g] (W_g dh) + sum over states i of own[o,i] ds_i      element by
//   element
// next [states, n] is what the cell gives; through [states, gates, n], own [states, states, n]; a state is
// [h], or [h, c]. input [states, gates, n] is through, but for what xg reaches by another way. Include it
// where simd.h may be included.

// Toggled by foreach_target.h: this part is seen once for each target.
#if defined(KERNELS_DEER_CELLS_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_DEER_CELLS_H_
#undef KERNELS_DEER_CELLS_H_
#else
#define KERNELS_DEER_CELLS_H_
#endif

#include "kernels/deer/deer.h"
#include "kernels/recurrent/step_product.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace deer {
using recurrent::each_vector;

template <class T>
struct Linear {
  T *through, *own, *input;

  static int64_t size(DeerCell cell, int64_t n) {
    const int64_t G = deer_gates(cell), S = deer_states(cell);
    return (2 * S * G + S * S) * n;
  }
  Linear(T* memory, DeerCell cell, int64_t n)
      : through(memory),
        own(through + deer_states(cell) * deer_gates(cell) * n),
        input(own + deer_states(cell) * deer_states(cell) * n) {}
};

template <class T>
void step_rnn(bool relu, const T* pre, T* next, const Linear<T>& l, int64_t n) {
  each_vector<T>(n, [&](int64_t j, int64_t left) HWY_ATTR {
    const auto x = load(pre + j, left), one = set(T(1));
    const auto h = relu ? max(zero<T>(), x) : tanh(x);
    const auto slope = relu ? if_greater(h, zero<T>(), one, zero<T>()) : fnma(h, h, one);
    store(next + j, h, left);
    store(l.through + j, slope, left), store(l.input + j, slope, left), store(l.own + j, zero<T>(), left);
  });
}

// pre: r, z and q = bias_n + W_n h; xn: xg of n
template <class T>
void step_gru(const T* pre, const T* xn, const T* before, T* next, const Linear<T>& l, int64_t n) {
  each_vector<T>(n, [&](int64_t j, int64_t left) HWY_ATTR {
    const auto one = set(T(1)), h = load(before + j, left), q = load(pre + 2 * n + j, left);
    const auto reset = sigmoid(load(pre + j, left)), update = sigmoid(load(pre + n + j, left));
    const auto fresh = tanh(fma(reset, q, load(xn + j, left)));
    store(next + j, fma(update, h - fresh, fresh), left);
    const auto dn = (one - update) * fnma(fresh, fresh, one);
    const auto dr = dn * q * (reset * (one - reset)), dz = (h - fresh) * (update * (one - update));
    store(l.through + j, dr, left), store(l.through + n + j, dz, left),
        store(l.through + 2 * n + j, dn * reset, left);
    store(l.input + j, dr, left), store(l.input + n + j, dz, left), store(l.input + 2 * n + j, dn, left);
    store(l.own + j, update, left);
  });
}

template <class T>
void step_lstm(const T* pre, const T* before, T* next, const Linear<T>& l, int64_t n) {
  each_vector<T>(n, [&](int64_t j, int64_t left) HWY_ATTR {
    const auto one = set(T(1)), c = load(before + n + j, left);
    const auto in = sigmoid(load(pre + j, left)), forget = sigmoid(load(pre + n + j, left));
    const auto candidate = tanh(load(pre + 2 * n + j, left)), out = sigmoid(load(pre + 3 * n + j, left));
    const auto cell = fma(forget, c, in * candidate), squashed = tanh(cell);
    store(next + j, out * squashed, left), store(next + n + j, cell, left);
    const auto slope = out * fnma(squashed, squashed, one);  // dh / dc
    const Vec<T> dc[3] = {candidate * (in * (one - in)), c * (forget * (one - forget)),
                          in * fnma(candidate, candidate, one)};
    for (int g = 0; g < 3; ++g) {
      store(l.through + g * n + j, slope * dc[g], left), store(l.through + (4 + g) * n + j, dc[g], left);
      store(l.input + g * n + j, slope * dc[g], left), store(l.input + (4 + g) * n + j, dc[g], left);
    }
    const auto direct = squashed * (out * (one - out));
    store(l.through + 3 * n + j, direct, left), store(l.through + 7 * n + j, zero<T>(), left);
    store(l.input + 3 * n + j, direct, left), store(l.input + 7 * n + j, zero<T>(), left);
    store(l.own + j, zero<T>(), left), store(l.own + n + j, slope * forget, left);
    store(l.own + 2 * n + j, zero<T>(), left), store(l.own + 3 * n + j, forget, left);
  });
}

// A step from `before` [states, n], where its product is made: pre [gates, n], xg [gates, n].
template <class T>
void linearise(DeerCell cell, const T* pre, const T* xg, const T* before, T* next, const Linear<T>& l,
               int64_t n) {
  if (cell == DeerCell::gru) return step_gru(pre, xg + 2 * n, before, next, l, n);
  if (cell == DeerCell::lstm) return step_lstm(pre, before, next, l, n);
  step_rnn(cell == DeerCell::rnn_relu, pre, next, l, n);
}

// Where the chain of a step's product begins: xg + bias, as in rnn.h and lstm.h; in gru.h xg is no part of q.
template <class T>
void product_start(DeerCell cell, const T* xg, const T* bias, T* pre, int64_t n) {
  const int64_t all = deer_gates(cell) * n, with_input = cell == DeerCell::gru ? 2 * n : all;
  for (int64_t j = 0; j < all; ++j) pre[j] = (j < with_input ? xg[j] : T(0)) + (bias ? bias[j] : T(0));
}

}  // namespace deer
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
