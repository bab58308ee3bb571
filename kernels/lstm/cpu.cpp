// A task runs the whole time loop for a block of batch rows; nothing is shared between tasks but the packed weights.
#include "kernels/lstm/lstm.h"

#include "kernels/fetch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/lstm/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/recurrent/step_product.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {
using namespace recurrent;

template <class T>
History<T> hidden_states(const Lstm<T>& a, const T* zero) {
  return {a.y, a.h0, a.resets, a.length, a.hidden, zero};
}
// c before the chunk of step t
template <class T>
T* cells_before(const Lstm<T>& a, int64_t b, int64_t t) {
  return a.cells + (b * lstm_chunks(a.length) + t / kLstmChunk) * a.hidden;
}

// gates [4 n] in place, c and h; c may be `before`
template <class T>
void apply_gates(T* gates, const T* before, T* c, T* h, int64_t n) {
  T *i = gates, *f = i + n, *g = f + n, *o = g + n;
  each_vector<T>(n, [=](int64_t j, int64_t left) HWY_ATTR {
    const auto in = sigmoid(load(i + j, left)), forget = sigmoid(load(f + j, left));
    const auto candidate = tanh(load(g + j, left)), out = sigmoid(load(o + j, left));
    const auto cell = fma(forget, load(before + j, left), in * candidate);
    store(i + j, in, left), store(f + j, forget, left), store(g + j, candidate, left), store(o + j, out, left);
    store(c + j, cell, left);
    store(h + j, out * tanh(cell), left);
  });
}

template <class T>
void forward_block(const Lstm<T>& a, const Packed<T>& w, const T* zero, int64_t first, int rows) {
  const int64_t n = a.hidden;
  const auto h = hidden_states(a, zero);
  T* unkept = a.gates ? nullptr : scratch<T>(size_t(rows * 4 * n), kGates);
  const T *x[kMaxRows], *start[kMaxRows];
  T* gates[kMaxRows];
  for (int64_t t = 0; t < a.length; ++t) {
    for (int r = 0; r < rows; ++r) {
      const int64_t b = first + r;
      x[r] = h.before(b, t);
      start[r] = a.xg.row(b, t);
      gates[r] = a.gates ? a.gates + (b * a.length + t) * 4 * n : unkept + r * 4 * n;
    }
    multiply(w, rows, x, start, a.bias ? a.bias : zero, gates, t + 1 < a.length ? a.xg.stride : 0);
    for (int r = 0; r < rows; ++r) {
      const int64_t b = first + r;
      // the cells live in last_c from the first step on
      const T* before = t > 0 ? a.last_c.row(b) : a.c0 ? a.c0.row(b) : zero;
      if (a.cells && t % kLstmChunk == 0) std::copy_n(before, n, cells_before(a, b, t));
      apply_gates(gates[r], h.starts(b, t) ? zero : before, a.last_c.row(b), a.y + (b * a.length + t) * n, n);
    }
  }
  for (int r = 0; r < rows; ++r)
    std::copy_n(a.y + ((first + r + 1) * a.length - 1) * n, n, a.last_h.row(first + r));
}

template <class T>
void forward(const Lstm<T>& a) {
  const auto w = transposed_for(a.length, a.w, a.panels, kPacked);
  const T* zero = zeros<T>(4 * a.hidden);
  for_each_block(a.batch, [&](int64_t first, int rows) { forward_block(a, w, zero, first, rows); });
}

// dpre [4 n] from dh and dc; dc becomes the gradient of c_{t-1}
template <class T>
void through_gates(const T* gates, const T* c, const T* before, const T* dh, T* dc, T* dpre, int64_t n) {
  const T *i = gates, *f = i + n, *g = f + n, *o = g + n;
  each_vector<T>(n, [=](int64_t j, int64_t left) HWY_ATTR {
    const auto one = set(T(1));
    const auto in = load(i + j, left), forget = load(f + j, left), candidate = load(g + j, left);
    const auto out = load(o + j, left), d = load(dh + j, left), squashed = tanh(load(c + j, left));
    const auto cell = fma(d * out, fnma(squashed, squashed, one), load(dc + j, left));
    store(dpre + j, cell * candidate * (in * (one - in)), left);
    // + 0: at a start the product may be -0, which a gradient that is added never is
    store(dpre + n + j, fma(cell * (forget * (one - forget)), load(before + j, left), zero<T>()), left);
    store(dpre + 2 * n + j, cell * in * fnma(candidate, candidate, one), left);
    store(dpre + 3 * n + j, d * squashed * (out * (one - out)), left);
    store(dc + j, cell * forget, left);
  });
}

// The cells of steps [begin, end), within a chunk: c[0] is the one before it, c[i + 1] that after its step i.
template <class T>
void cells_again(const Lstm<T>& a, const History<T>& h, int64_t b, int64_t begin, int64_t end, T* c) {
  const int64_t n = a.hidden;
  std::copy_n(cells_before(a, b, begin), n, c);
  for (int64_t t = begin; t < end; ++t, c += n) {
    const T *i = a.gates + (b * a.length + t) * 4 * n, *f = i + n, *g = f + n;
    const T* before = h.starts(b, t) ? h.zero : c;
    each_vector<T>(n, [=](int64_t j, int64_t left) HWY_ATTR {
      store(c + n + j, fma(load(f + j, left), load(before + j, left), load(i + j, left) * load(g + j, left)), left);
    });
  }
}

template <class T>
void backward_block(const Lstm<T>& a, const Packed<T>& w, const T* zero, int64_t first, int rows) {
  const int64_t n = a.hidden, chunk = (kLstmChunk + 1) * n;
  const auto h = hidden_states(a, zero);
  T *state = scratch<T>(size_t(rows * 2 * n), kState), *cells = scratch<T>(size_t(rows * chunk), kCells);
  const T *x[kMaxRows], *start[kMaxRows];
  T *dh[kMaxRows], *dc[kMaxRows];
  for (int r = 0; r < rows; ++r) {
    dh[r] = state + 2 * r * n, dc[r] = dh[r] + n;
    std::copy_n(a.dlast_h ? a.dlast_h.row(first + r) : zero, n, dh[r]);
    std::copy_n(a.dlast_c ? a.dlast_c.row(first + r) : zero, n, dc[r]);
    if (a.dy) add_to(dh[r], a.dy.row(first + r, a.length - 1), n);
  }
  for (int64_t t = a.length - 1; t >= 0; --t) {
    const int64_t begin = t / kLstmChunk * kLstmChunk;
    for (int r = 0; r < rows; ++r) {
      const int64_t b = first + r, row = b * a.length + t;
      T *dpre = a.dpre + row * 4 * n, *before = cells + r * chunk + (t - begin) * n;
      if (t + 1 == a.length || t + 1 == begin + kLstmChunk) cells_again(a, h, b, begin, t + 1, cells + r * chunk);
      if (t > 0) fetch(a.gates + (row - 1) * 4 * n, 4 * n);
      through_gates(a.gates + row * 4 * n, before + n, h.starts(b, t) ? zero : before, dh[r], dc[r], dpre, n);
      if (h.starts(b, t)) std::fill_n(dc[r], n, T(0));
      x[r] = dpre;
      start[r] = t > 0 && a.dy ? a.dy.row(b, t - 1) : zero;
    }
    if (t == 0 && !a.dh0) break;
    multiply(w, rows, x, start, zero, dh);
    for (int r = 0; r < rows; ++r)
      if (h.starts(first + r, t)) std::copy_n(start[r], n, dh[r]);
  }
  for (int r = 0; r < rows; ++r) {
    if (a.dh0) add_to(a.dh0.row(first + r), dh[r], n);
    if (a.dc0) add_to(a.dc0.row(first + r), dc[r], n);
  }
}

template <class T>
void backward(const Lstm<T>& a) {
  const auto w = pack(a.w, kPacked);
  const T* zero = zeros<T>(a.hidden);
  const int64_t gates = 4 * a.hidden;
  for_each_block(a.batch, [&](int64_t first, int rows) { backward_block(a, w, zero, first, rows); });
  add_weight_gradients<T>(hidden_states(a, zero), {{a.dw, a.dbias, {a.dpre, a.batch * a.length, gates, gates}}});
}

}  // namespace
SIMD_KERNEL(lstm_fwd, Lstm, forward)
SIMD_KERNEL(lstm_bwd, Lstm, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(lstm_fwd, Lstm)
SIMD_DISPATCH(lstm_bwd, Lstm)
}  // namespace kernels
#endif
