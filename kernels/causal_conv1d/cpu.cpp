// Lanes are channels. A task is a stretch of time of some channels of one sequence, cut by the shape alone; it
// takes a few positions at once, so that weights and inputs are loaded once for several uses. A row that is
// missing (before x0, before a document's start, after the end) is a row of zeros, so that every position does
// the same arithmetic, wherever a sequence was cut into stretches.
#include "kernels/causal_conv1d/causal_conv1d.h"

#include <algorithm>
#include <type_traits>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/causal_conv1d/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"
#include "kernels/transpose.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

// 4 KB of a row: narrower pieces keep the hardware from fetching ahead.
constexpr int64_t kTimeBlock = 128, kChannelBlock = 1024;
// Positions at once, for kTaps taps; kTaps is 0 where their number is not known at compile time.
template <int kTaps>
constexpr int kTile = kTaps ? 4 : 1;

// Scratch: the first and the last belong to the calling thread for the whole call, the others to a task.
enum Slot { kWeights, kRows, kAhead, kRing, kPartials };

template <class T>
const T* zero_row() {
  alignas(64) static const T zeros[kChannelBlock] = {};
  return zeros;
}

// Positions [first, last) of channels [c, c + n) of sequence b; `index` counts stretches over all sequences.
struct Block {
  int64_t b, first, last, c, n, index;
};

int64_t time_blocks(int64_t length) { return (length + kTimeBlock - 1) / kTimeBlock; }

template <class F>
void parallel_stretches(int64_t batch, int64_t length, int64_t channels, F task) {
  const int64_t stretches = time_blocks(length), stripes = (channels + kChannelBlock - 1) / kChannelBlock;
  parallel_blocks(batch * stretches * stripes, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t index = i / stripes, first = index % stretches * kTimeBlock,
                    c = i % stripes * kChannelBlock;
      task(Block{index / stretches, first, std::min(length, first + kTimeBlock), c,
                 std::min(kChannelBlock, channels - c), index});
    }
  });
}

// w as [taps, channels]; where `reversed`, then the same with the last tap first, in which gradients of inputs need it.
template <class T>
const T* transposed(const Matrix<const T>& w, bool reversed) {
  const int64_t channels = w.rows, taps = w.columns;
  T* t = scratch<T>(size_t((reversed ? 2 : 1) * taps * channels), kWeights);
  transpose(w.data, w.stride, channels, taps, t, channels);
  for (int64_t k = 0; reversed && k < taps; ++k) std::copy_n(t + k * channels, channels, t + (2 * taps - 1 - k) * channels);
  return t;
}

// Whether a document starts at one of the positions (after, last].
template <class T>
bool document_starts(const CausalConv1d<T>& a, int64_t b, int64_t after, int64_t last) {
  if (!a.resets) return false;
  for (int64_t t = std::max<int64_t>(0, after + 1); t <= std::min(last, a.x.length - 1); ++t)
    if (a.resets[b * a.x.length + t] != 0) return true;
  return false;
}

// rows[s + k]: the input that w[k] meets at position t + s. Returns the number of positions: tile, or 1 where
// that would reach `limit` or a document's start. At t = length, all rows but the last are the inputs to carry
// on.
template <class T>
int find_inputs(const CausalConv1d<T>& a, const Block& at, int64_t t, int64_t limit, int tile, const T** rows) {
  const int64_t taps = a.w.columns, first = t - taps + 1;
  const int steps = t + tile <= limit && !document_starts(a, at.b, first, t + tile - 1) ? tile : 1;
  for (int64_t i = 0; i < steps + taps - 1; ++i) {
    const int64_t p = first + i;
    const T* row = nullptr;
    if (p < 0 && a.x0) row = a.x0.row(at.b, p + taps - 1);
    if (p >= 0 && p < a.x.length) row = a.x.row(at.b, p);
    rows[i] = row && (steps > 1 || !document_starts(a, at.b, p, t)) ? row + at.c : zero_row<T>();
  }
  return steps;
}

// body(j, lanes) for each vector of a row of n channels; `lanes` is a constant but for the last one.
template <class T, class F>
HWY_INLINE void each_vector(int64_t n, F body) {
  int64_t j = 0;
  for (; j + kLanes<T> <= n; j += kLanes<T>) body(j, int64_t{kLanes<T>});
  if (j < n) body(j, n - j);
}

// The same vector of the next tile's rows; they are too short for the hardware to fetch them by itself.
template <int kSteps, class T>
HWY_INLINE void fetch_next(T* p, int64_t stride) {
  for (int s = kSteps; kSteps > 1 && s < 2 * kSteps; ++s) __builtin_prefetch(p + s * stride, !std::is_const_v<T>, 2);
}

// sum[s] += sum_k w[k] rows[s + k], channels from j on; w is [taps, pitch].
template <int kTaps, int kSteps, class T>
HWY_INLINE void correlate(const T* w, int64_t pitch, int64_t taps, const T* const* rows, int64_t j,
                          int64_t left, Vec<T>* sum) {
  if (kTaps) taps = kTaps;
  for (int64_t k = 0; k < taps; ++k) {
    const auto weight = load(w + k * pitch + j, left);
    for (int s = 0; s < kSteps; ++s) sum[s] = fma(weight, load(rows[s + k] + j, left), sum[s]);
  }
}

template <int kTaps, int kSteps, class T>
HWY_INLINE void before_activation(const CausalConv1d<T>& a, const T* weights, const Block& at,
                                  const T* const* rows, int64_t j, int64_t left, Vec<T>* pre) {
  const auto bias = a.bias ? load(a.bias + at.c + j, left) : zero<T>();
  for (int s = 0; s < kSteps; ++s) pre[s] = bias;
  correlate<kTaps, kSteps>(weights + at.c, a.x.channels, a.w.columns, rows, j, left, pre);
}

template <int kTaps, int kSteps, class T>
void forward_rows(const CausalConv1d<T> a, const T* weights, const Block at, int64_t t, const T* const* rows) {
  T* y = a.y.row(at.b, t) + at.c;
  const int64_t stride = a.y.stride, taps = kTaps ? kTaps : a.w.columns;
  each_vector<T>(at.n, [&](int64_t j, int64_t left) __attribute__((always_inline)) {
    Vec<T> pre[kSteps];
    fetch_next<kSteps>(rows[taps - 1] + j, a.x.stride);
    fetch_next<kSteps>(y + j, stride);
    before_activation<kTaps, kSteps>(a, weights, at, rows, j, left, pre);
    for (int s = 0; s < kSteps; ++s)
      store(y + s * stride + j, a.silu ? pre[s] * sigmoid(pre[s]) : pre[s], left);
  });
}

template <int kTaps, class T>
void forward_block(const CausalConv1d<T>& a, const T* weights, const Block& at) {
  constexpr int tile = kTile<kTaps>;
  const int64_t taps = a.w.columns;
  const T** rows = scratch<const T*>(size_t(taps + tile), kRows);
  for (int64_t t = at.first, steps = 0; t < at.last; t += steps) {
    steps = find_inputs(a, at, t, at.last, tile, rows);
    if (steps == tile) forward_rows<kTaps, tile>(a, weights, at, t, rows);
    else forward_rows<kTaps, 1>(a, weights, at, t, rows);
  }
  if (at.last < a.x.length) return;
  find_inputs(a, at, a.x.length, a.x.length, 1, rows);
  for (int64_t k = 0; k < taps - 1; ++k) std::copy_n(rows[k], at.n, a.last.row(at.b, k) + at.c);
}

template <class T>
void forward(const CausalConv1d<T>& a) {
  const T* weights = transposed(a.w, false);
  parallel_stretches(a.x.batch, a.x.length, a.x.channels, [&](const Block& at) {
    a.w.columns == 4 ? forward_block<4>(a, weights, at) : forward_block<0>(a, weights, at);
  });
}

// The rows of dpre = dL/dpre that gradients of inputs still need, by position.
template <class T>
struct Ring {
  T* data;
  int64_t rows;
  T* row(int64_t t) const { return data + t % rows * kChannelBlock; }
};

// With s = sigmoid(pre):  dpre = dy s (1 + pre (1 - s)),  dw[k] += dpre x[t-K+1+k],  dbias += dpre.
// dw is [taps, channels] and dbias follows it; null: these positions' share belongs to another block.
template <int kTaps, int kSteps, class T>
void preactivation_gradient(const CausalConv1d<T> a, const T* weights, const Block at, int64_t t,
                            const T* const* rows, const Ring<T> ring, T* dw) {
  const int64_t taps = kTaps ? kTaps : a.w.columns, channels = a.x.channels;
  const T* dy[kSteps];
  T* dpre[kSteps];
  for (int s = 0; s < kSteps; ++s) {
    dy[s] = a.dy ? a.dy.row(at.b, t + s) + at.c : zero_row<T>();
    dpre[s] = ring.row(t + s);
  }
  each_vector<T>(at.n, [&](int64_t j, int64_t left) __attribute__((always_inline)) {
    Vec<T> g[kSteps];
    fetch_next<kSteps>(rows[taps - 1] + j, a.x.stride);
    fetch_next<kSteps>(dy[0] + j, a.dy.stride);
    for (int s = 0; s < kSteps; ++s) g[s] = load(dy[s] + j, left);
    if (a.silu) {
      Vec<T> pre[kSteps];
      before_activation<kTaps, kSteps>(a, weights, at, rows, j, left, pre);
      for (int s = 0; s < kSteps; ++s) {
        const auto gate = sigmoid(pre[s]);
        g[s] *= gate * fma(pre[s], set(T(1)) - gate, set(T(1)));
      }
    }
    for (int s = 0; s < kSteps; ++s) store(dpre[s] + j, g[s], left);
    if (!dw) return;
    for (int64_t k = 0; k < taps; ++k) {
      auto sum = load(dw + k * channels + j, left);
      for (int s = 0; s < kSteps; ++s) sum = fma(g[s], load(rows[s + k] + j, left), sum);
      store(dw + k * channels + j, sum, left);
    }
    auto sum = load(dw + taps * channels + j, left);
    for (int s = 0; s < kSteps; ++s) sum += g[s];
    store(dw + taps * channels + j, sum, left);
  });
}

// dx[p] += sum_i w[K-1-i] dpre[p+i], i < K, or dx[p] = …: ahead[s + i] is dpre of p + s + i.
template <int kTaps, int kSteps, class T>
void add_input_gradient(const CausalConv1d<T> a, const T* reversed, const Block at, T* dx, int64_t stride,
                        const T* dlast, const T* const* ahead, bool overwrite) {
  each_vector<T>(at.n, [&](int64_t j, int64_t left) __attribute__((always_inline)) {
    Vec<T> sum[kSteps];
    fetch_next<kSteps>(dx + j, stride);
    for (int s = 0; s < kSteps; ++s) sum[s] = dlast ? load(dlast + j, left) : zero<T>();
    correlate<kTaps, kSteps>(reversed + at.c, a.x.channels, a.w.columns, ahead, j, left, sum);
    for (int s = 0; s < kSteps; ++s)
      store(dx + s * stride + j, overwrite ? sum[s] : load(dx + s * stride + j, left) + sum[s], left);
  });
}

// The gradient of the input at p (in x0 where p < 0), and of a tile from there on where no edge is near and
// `limit` is not passed. Returns the number of positions.
template <int kTaps, class T>
int input_gradient(const CausalConv1d<T>& a, const T* reversed, const Block& at, int64_t p, int64_t limit,
                   const Ring<T>& ring) {
  constexpr int tile = kTile<kTaps>;
  const int64_t taps = a.w.columns, length = a.x.length;
  const T** ahead = scratch<const T*>(size_t(taps + tile), kAhead);
  const int64_t reach = p + tile + taps - 2;
  if (tile > 1 && p >= 0 && p + tile <= limit && reach < length && !document_starts(a, at.b, p, reach)) {
    for (int64_t t = p; t <= reach; ++t) ahead[t - p] = ring.row(t);
    if (a.dx)
      add_input_gradient<kTaps, tile, T>(a, reversed, at, a.dx.row(at.b, p) + at.c, a.dx.stride, nullptr,
                                         ahead, a.overwrite_dx);
    return tile;
  }
  const auto& gradient = p < 0 ? a.dx0 : a.dx;
  if (!gradient) return 1;
  bool cut = false;
  for (int64_t i = 0; i < taps; ++i) {
    cut = cut || (i > 0 && document_starts(a, at.b, p + i - 1, p + i));
    ahead[i] = cut || p + i < 0 || p + i >= length ? zero_row<T>() : ring.row(p + i);
  }
  const int64_t carried = p - (length - taps + 1);  // where `last` holds this input
  const T* dlast = a.dlast && !cut && carried >= 0 ? a.dlast.row(at.b, carried) + at.c : nullptr;
  T* dx = gradient.row(at.b, p < 0 ? p + taps - 1 : p) + at.c;
  add_input_gradient<kTaps, 1, T>(a, reversed, at, dx, 0, dlast, ahead, p >= 0 && a.overwrite_dx);
  return 1;
}

// Gradients of this block's inputs (the first block: of x0 too) need dpre of the next K-1 positions as well.
template <int kTaps, class T>
void backward_block(const CausalConv1d<T>& a, const T* weights, const Block& at, T* partials) {
  constexpr int tile = kTile<kTaps>;
  const int64_t taps = a.w.columns, channels = a.x.channels;
  T* dw = partials ? partials + at.index * (taps + 1) * channels + at.c : nullptr;
  for (int64_t k = 0; dw && k <= taps; ++k) std::fill_n(dw + k * channels, at.n, T(0));
  const T** rows = scratch<const T*>(size_t(taps + tile), kRows);
  const int64_t ring_rows = taps + tile - 1;
  const Ring<T> ring{scratch<T>(size_t(ring_rows * kChannelBlock), kRing), ring_rows};
  int64_t p = at.first == 0 ? 1 - taps : at.first;
  for (int64_t t = at.first, steps = 1; t < at.last + taps - 1;) {
    const bool own = t < at.last;
    if (t < a.x.length) {
      steps = find_inputs(a, at, t, at.last, tile, rows);
      T* sums = own ? dw : nullptr;
      if (steps == tile) preactivation_gradient<kTaps, tile>(a, weights, at, t, rows, ring, sums);
      else preactivation_gradient<kTaps, 1>(a, weights, at, t, rows, ring, sums);
    }
    t += own ? steps : 1;
    while (p + taps - 1 < t)
      p += input_gradient<kTaps>(a, weights + taps * channels, at, p, t - taps + 1, ring);
  }
}

// dw and dbias: the blocks' partial sums, added in order.
template <class T>
void add_partials(const CausalConv1d<T>& a, const T* partials) {
  const int64_t taps = a.w.columns, channels = a.x.channels, size = (taps + 1) * channels;
  const int64_t blocks = a.x.batch * time_blocks(a.x.length);
  parallel_blocks(size, kChannelBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += kLanes<T>) {
      auto total = zero<T>();
      for (int64_t block = 0; block < blocks; ++block) total += load(partials + block * size + i, end - i);
      alignas(64) T lane[kLanes<T>];
      store(lane, total);
      for (int64_t l = 0; l < std::min<int64_t>(kLanes<T>, end - i); ++l) {
        const int64_t k = (i + l) / channels, d = (i + l) % channels;
        if (k < taps && a.dw) a.dw.row(d)[k] += lane[l];
        if (k == taps && a.dbias) a.dbias[d] += lane[l];
      }
    }
  });
}

template <class T>
void backward(const CausalConv1d<T>& a) {
  const int64_t taps = a.w.columns, blocks = a.x.batch * time_blocks(a.x.length);
  const T* weights = transposed(a.w, true);
  T* partials = a.dw || a.dbias ? scratch<T>(size_t(blocks * (taps + 1) * a.x.channels), kPartials) : nullptr;
  parallel_stretches(a.x.batch, a.x.length, a.x.channels, [&](const Block& at) {
    taps == 4 ? backward_block<4>(a, weights, at, partials) : backward_block<0>(a, weights, at, partials);
  });
  if (partials) add_partials(a, partials);
}

}  // namespace
SIMD_KERNEL(causal_conv1d_fwd, CausalConv1d, forward)
SIMD_KERNEL(causal_conv1d_bwd, CausalConv1d, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(causal_conv1d_fwd, CausalConv1d)
SIMD_DISPATCH(causal_conv1d_bwd, CausalConv1d)
}  // namespace kernels
#endif
