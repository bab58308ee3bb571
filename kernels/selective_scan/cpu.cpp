// Lanes are channels, so time stays a plain loop and the state stays in registers (state 16) or L1.
// Backward goes over chunks from the last to the first: it recomputes the chunk's states from its boundary, then runs the
// adjoint g = dL/dh back through it. Sums over channels (dB, dC) gather in lane partials over a group of channel blocks,
// sums over rows (dA, dD, the bias) by row; both are then added in fixed order.
#include "kernels/selective_scan/selective_scan.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "kernels/fetch.h"
#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/selective_scan/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/selective_scan/lanes.h"
#include "kernels/simd.h"
#include "kernels/transpose.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

// The state size whose loops are unrolled, so that the state lives in registers. float64 and the scalar target take the
// general way: unrolled they would cost a minute of compilation and gain nothing.
constexpr int64_t kUnrolled = 16;
template <class T>
constexpr int kFixed = sizeof(T) == 4 && HWY_TARGET != HWY_SCALAR ? int(kUnrolled) : 0;

// Mamba itself, or any of its variants (signed transitions, fixed B or C, no delta), which decide at run time.
enum class Kind { plain, variant };

constexpr int64_t kGroup = 8;  // channel blocks that share one task and one set of lane partials

// State variables of one channel block: registers where their number is known, memory where not.
template <class T, int N>
struct States {
  Vec<T> v[N];
  explicit States(T*) {}
  HWY_INLINE Vec<T> get(int64_t n) const { return v[n]; }
  HWY_INLINE void put(int64_t n, const Vec<T>& x) { v[n] = x; }
};
template <class T>
struct States<T, 0> {
  T* memory;
  explicit States(T* p) : memory(p) {}
  HWY_INLINE Vec<T> get(int64_t n) const { return load(memory + n * kLanes<T>); }
  HWY_INLINE void put(int64_t n, const Vec<T>& x) { store(memory + n * kLanes<T>, x); }
};

// f(n) for each state variable; unrolled where their number is known.
template <int N, class F>
HWY_INLINE void for_states(int64_t state, F f) {
  if constexpr (N > 0) {
#pragma GCC unroll 16
    for (int64_t n = 0; n < N; ++n) f(n);
  } else {
    for (int64_t n = 0; n < state; ++n) f(n);
  }
}

// What belongs to the channels of blocks [begin, end), lane-major: A log2(e) with the largest |A log2(e)| of each channel, and B and
// C where they are fixed (else null). Each task has its own: decoding would wait for one that all share.
template <class T>
class ByChannel {
 public:
  ByChannel(const SelectiveScan<T>& s, int64_t begin, int64_t end) : begin_(begin), row_(s.state * kLanes<T>) {
    const int64_t blocks = end - begin, fixed = int64_t(s.fixed_B) + int64_t(s.fixed_C);
    A2_ = scratch<T>(size_t(blocks * ((1 + fixed) * row_ + kLanes<T>)), 4);
    extreme_ = A2_ + blocks * row_;
    if (s.fixed_B) B_ = extreme_ + blocks * kLanes<T>;
    if (s.fixed_C) C_ = extreme_ + blocks * (kLanes<T> + (s.fixed_B ? row_ : 0));
    for (int64_t block = begin; block < end; ++block) {
      gather({s.A, s.channels, s.state, s.state}, block, A2_);
      if (s.fixed_B) gather(s.B, block, B_);
      if (s.fixed_C) gather(s.C, block, C_);
      scale_A(block);
    }
  }

  const T* A2(int64_t block) const { return A2_ + (block - begin_) * row_; }
  const T* extreme(int64_t block) const { return extreme_ + (block - begin_) * kLanes<T>; }
  const T* B(int64_t block) const { return B_ ? B_ + (block - begin_) * row_ : nullptr; }
  const T* C(int64_t block) const { return C_ ? C_ + (block - begin_) * row_ : nullptr; }

 private:
  // [channels, state] -> [block][n][lane]; lanes beyond the last channel are 0
  void gather(const Matrix<const T>& x, int64_t block, T* to) const {
    const int64_t first = block * kLanes<T>, count = std::min<int64_t>(kLanes<T>, x.rows - first);
    to += (block - begin_) * row_;
    if (count < kLanes<T>) std::fill_n(to, row_, T(0));
    transpose(x.row(first), x.stride, count, x.columns, to, kLanes<T>);
  }
  void scale_A(int64_t block) const {
    T* at = A2_ + (block - begin_) * row_;
    auto most = zero<T>();
    for (int64_t i = 0; i < row_; i += kLanes<T>) {
      const auto scaled = load(at + i) * set(T(1.442695040888963407));
      store(at + i, scaled), most = max(abs(scaled), most);
    }
    store(extreme_ + (block - begin_) * kLanes<T>, most);
  }

  int64_t begin_, row_;
  T *A2_, *extreme_, *B_ = nullptr, *C_ = nullptr;
};

// B or C at one time step: a number for all lanes, or, where fixed, one a lane.
template <Kind kKind, class T>
struct Coefficient {
  const T *numbers, *lanes;
  Coefficient(const Matrix<const T>& x, const T* fixed, int64_t r)
      : numbers(kKind == Kind::plain || !fixed ? x.row(r) : nullptr), lanes(kKind == Kind::plain ? nullptr : fixed) {}
  HWY_INLINE Vec<T> at(int64_t n) const {
    if constexpr (kKind == Kind::plain) return set(numbers[n]);
    else return lanes ? load(lanes + n * kLanes<T>) : set(numbers[n]);
  }
};

// exp(dt A), or 2 exp(dt A) - 1; its slope in dt A
template <Kind kKind, class T>
HWY_INLINE Vec<T> transition(const SelectiveScan<T>& s, const Vec<T>& decay) {
  if constexpr (kKind == Kind::plain) return decay;
  else return s.signed_transitions ? fma(set(T(2)), decay, set(T(-1))) : decay;
}
template <Kind kKind, class T>
HWY_INLINE Vec<T> transition_slope(const SelectiveScan<T>& s, const Vec<T>& decay) {
  if constexpr (kKind == Kind::plain) return decay;
  else return s.signed_transitions ? decay + decay : decay;
}

template <Kind kKind, class T>
HWY_INLINE Vec<T> raw_step(const SelectiveScan<T>& s, int64_t r, int64_t first, int64_t count, const Vec<T>& bias) {
  if (kKind == Kind::variant && !s.delta) return bias;
  return load(s.delta.row(r) + first, count) + bias;
}

// What one task sees of the problem: a batch row and some channel blocks.
template <class T>
struct View {
  const SelectiveScan<T>& s;
  ByChannel<T> of;
  int64_t b, blocks, chunks;

  int64_t row(int64_t t) const { return b * s.length + t; }
  bool reset(int64_t t) const { return s.resets && s.resets[row(t)]; }
  int64_t first(int64_t block) const { return block * kLanes<T>; }
  int64_t count(int64_t block) const { return std::min<int64_t>(kLanes<T>, s.channels - first(block)); }
  T* boundary(int64_t chunk, int64_t block) const {
    return s.boundaries + ((b * chunks + chunk) * blocks + block) * s.state * kLanes<T>;
  }
  // [channels, state] of row b -> [n][lane]
  void gather(const T* from, int64_t block, T* to) const {
    if (!from || count(block) < kLanes<T>) std::fill_n(to, s.state * kLanes<T>, T(0));
    if (from) transpose(from + (b * s.channels + first(block)) * s.state, s.state, count(block), s.state, to, kLanes<T>);
  }
};

constexpr int64_t kStretch = 32;  // steps that a block of channels takes before the next block does

// The rows that the next block, or the first block of the next stretch, will read and write: their stride defeats the
// hardware's own fetching.
template <class T>
struct Ahead {
  int64_t rows, channels;
  template <class M>
  HWY_INLINE void fetch(const M& x, int64_t r, int64_t first) const {
    if (x) __builtin_prefetch(x.row(r + rows) + first + channels, 0, 2);
  }
};

template <class T>
Ahead<T> ahead(const View<T>& v, int64_t block, int64_t begin, int64_t end, int64_t t, int64_t stride) {
  if (block + 1 < end) return {0, kLanes<T>};
  const int64_t rows = t + stride >= 0 && t + 2 * stride <= v.s.length ? stride : 0;
  return {rows, (begin - block) * kLanes<T>};
}

// What a block of channels needs at each step of a stretch and no state decides: computed beforehand, so that steps
// can overlap. All [kStretch][lane].
template <class T>
struct Inputs {
  T *slope, *dt, *x, *u;  // softplus' slope (backward), the step dt, dt u, u
  T *gate, *y;          // forward: silu(z) or 1, and D u
  static constexpr int kCount = 6;
  static Inputs at(T* memory, int64_t steps) {
    const auto part = [&](int i) { return memory + i * steps * kLanes<T>; };
    return {part(0), part(1), part(2), part(3), part(4), part(5)};
  }
};

// Fills in the steps from `start` on. True where no decay of theirs is near the ends of the number range.
template <Kind kKind, bool kSlope, class T>
bool prepare(const View<T>& v, int64_t block, int64_t start, int64_t steps, const Inputs<T>& in) {
  const SelectiveScan<T>& s = v.s;
  const int64_t first = v.first(block), count = v.count(block);
  const auto bias = load_or_zero(s.delta_bias, first, count);
  auto largest = zero<T>();
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t r = v.row(start + i), at = i * kLanes<T>;
    const auto raw = raw_step<kKind>(s, r, first, count, bias);
    auto dt = raw;
    if (s.softplus && kSlope) {
      const SoftplusSlope<T> both(raw);
      dt = both.value;
      store(in.slope + at, both.slope);
    } else if (s.softplus) {
      dt = softplus(raw);
    }
    const auto u = load(s.u.row(r) + first, count);
    store(in.dt + at, dt), store(in.u + at, u), store(in.x + at, dt * u);
    largest = max(largest, abs(dt));
  }
  return all_below(largest * load(v.of.extreme(block)), T(125));
}

template <Kind kKind, class T>
void prepare_outputs(const View<T>& v, int64_t block, int64_t start, int64_t steps, const Inputs<T>& in) {
  const SelectiveScan<T>& s = v.s;
  const int64_t first = v.first(block), count = v.count(block);
  const auto skip = load_or_zero(s.D, first, count);
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t r = v.row(start + i), at = i * kLanes<T>;
    store(in.y + at, skip * load(in.u + at));
    if (!s.z) continue;
    const auto z = load(s.z.row(r) + first, count);
    store(in.gate + at, z * sigmoid(z));
  }
}

// A stretch of steps of a block of channels; h in `memory`.
template <Kind kKind, bool kNear, class T, int N>
void forward_steps(const View<T>& v, int64_t block, int64_t start, int64_t steps, const Ahead<T>& next, const Inputs<T>& in,
                   T* memory) {
  const SelectiveScan<T>& s = v.s;
  const int64_t state = N ? N : s.state, first = v.first(block), count = v.count(block);
  const T* A2 = v.of.A2(block);
  States<T, N> h(memory);
  if constexpr (N > 0)
    for (int64_t n = 0; n < state; ++n) h.put(n, load(memory + n * kLanes<T>));
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t t = start + i, r = v.row(t), at = i * kLanes<T>;
    next.fetch(s.u, r, first), next.fetch(s.delta, r, first), next.fetch(s.z, r, first), next.fetch(s.y, r, first);
    if (s.boundaries && t % kScanChunk == 0)
      for (int64_t n = 0; n < state; ++n) store(v.boundary(t / kScanChunk, block) + n * kLanes<T>, h.get(n));
    if (v.reset(t))
      for (int64_t n = 0; n < state; ++n) h.put(n, zero<T>());
    const auto dt = load(in.dt + at), x = load(in.x + at);
    const Coefficient<kKind, T> B(s.B, v.of.B(block), r), C(s.C, v.of.C(block), r);
    FourSums<T> y(load(in.y + at));
    for_states<N>(state, [&](int64_t n) HWY_ATTR {
      const auto decay = exp2_product<kNear>(dt, load(A2 + n * kLanes<T>));
      const auto next = fma(transition<kKind>(s, decay), h.get(n), B.at(n) * x);
      h.put(n, next);
      y[n] = fma(C.at(n), next, y[n]);
    });
    store(s.y.row(r) + first, s.z ? y.total() * load(in.gate + at) : y.total(), count);
  }
  if constexpr (N > 0)
    for (int64_t n = 0; n < state; ++n) store(memory + n * kLanes<T>, h.get(n));
}

template <Kind kKind, class T, int N>
void forward_block(const View<T>& v, int64_t block, int64_t begin, int64_t end, int64_t start, T* memory) {
  const int64_t steps = std::min(kStretch, v.s.length - start);
  const auto in = Inputs<T>::at(scratch<T>(size_t(Inputs<T>::kCount * kStretch * kLanes<T>), 3), kStretch);
  const Ahead<T> next = ahead(v, block, begin, end, start, kStretch);
  const bool near = prepare<kKind, false>(v, block, start, steps, in);
  prepare_outputs<kKind>(v, block, start, steps, in);
  if (near) forward_steps<kKind, true, T, N>(v, block, start, steps, next, in, memory);
  else forward_steps<kKind, false, T, N>(v, block, start, steps, next, in, memory);
}

template <class T>
bool is_plain(const SelectiveScan<T>& s) {
  return s.delta && !s.fixed_B && !s.fixed_C && !s.signed_transitions;
}

// f(the kind, the number of unrolled states) as constants
template <class T, class F>
void with_kind(const SelectiveScan<T>& s, F f) {
  using Plain = std::integral_constant<Kind, Kind::plain>;
  using Variant = std::integral_constant<Kind, Kind::variant>;
  if (!is_plain(s)) f(Variant(), std::integral_constant<int, 0>());
  else if (s.state == kUnrolled) f(Plain(), std::integral_constant<int, kFixed<T>>());
  else f(Plain(), std::integral_constant<int, 0>());
}

template <class T>
void forward_task(const View<T>& v, int64_t begin, int64_t end) {
  const SelectiveScan<T>& s = v.s;
  const int64_t row = s.state * kLanes<T>;
  T* memory = scratch<T>(size_t((end - begin) * row), 2);
  for (int64_t block = begin; block < end; ++block) v.gather(s.h0, block, memory + (block - begin) * row);
  with_kind(s, [&](auto kind, auto states) {
    for (int64_t start = 0; start < s.length; start += kStretch)
      for (int64_t block = begin; block < end; ++block)
        forward_block<kind(), T, states()>(v, block, begin, end, start, memory + (block - begin) * row);
  });
  for (int64_t block = begin; block < end; ++block)
    transpose(memory + (block - begin) * row, kLanes<T>, s.state, v.count(block),
              s.last + (v.b * s.channels + v.first(block)) * s.state, s.state);
}

template <class T>
void forward(const SelectiveScan<T>& s) {
  if (s.length == 1 && !s.boundaries && is_plain(s) && s.state % kLanes<T> == 0) return cpu::selective_scan_step(s);
  const int64_t blocks = (s.channels + kLanes<T> - 1) / kLanes<T>, chunks = (s.length + kScanChunk - 1) / kScanChunk;
  // No two channels meet here, so the cut may heed the threads: few channels of one long sequence keep them all at work.
  const int64_t group = std::clamp<int64_t>(s.batch * blocks / threads(), 1, kGroup), groups = (blocks + group - 1) / group;
  parallel_for(s.batch * groups, [&](int64_t task) {
    const int64_t begin = task % groups * group, end = std::min(blocks, begin + group);
    forward_task(View<T>{s, {s, begin, end}, task / groups, blocks, chunks}, begin, end);
  });
}

// ---- backward ------------------------------------------------------------------------------------------------
// With dyr = dy silu(z) and g the adjoint of h after step t:
//   g[n] += C[n] dyr;  dC[n] = sum_d dyr h[n];  dB[n] = sum_d g[n] dt u;  dx = sum_n B[n] g[n]
//   q[n] = g[n] exp(dt A[n]) h_prev[n];  ddt = sum_n q[n] A[n] + dx u;  dA[n] += q[n] dt;  du = dx dt + D dyr
//   g[n] <- g[n] exp(dt A[n]);  dz = dy (sum_n C[n] h[n] + D u) silu'(z)
template <class T>
struct Partials {
  T *B, *C;              // [kScanChunk][state][lane], sums over the group's channel blocks
  T *g;                  // [kGroup][state][lane], the adjoint carried from chunk to chunk
  T *dA;                 // [kGroup][state][lane]
  T *dD, *bias;          // [kGroup][lane]
  T *h, *decay;          // [kScanChunk + 1][state][lane] and [kScanChunk][state][lane] of the block in work
  T *inputs;             // [Inputs::kCount][kScanChunk][lane] of the block in work
  T *zero;               // [state][lane]
  T *fixed_B, *fixed_C;  // [kGroup][state][lane], the gradients of fixed B and C
  static constexpr int kCount = 12;
};

// States and decays of one chunk of one channel block: h[0] is the boundary, h[i + 1] the state after step i.
template <Kind kKind, bool kNear, class T, int N>
void recompute(const View<T>& v, int64_t block, int64_t begin, int64_t steps, const Inputs<T>& in, const Partials<T>& p) {
  const SelectiveScan<T>& s = v.s;
  const int64_t state = N ? N : s.state, row = state * kLanes<T>;
  const T* A2 = v.of.A2(block);
  for (int64_t i = 0; i < steps; ++i) {
    const auto dt = load(in.dt + i * kLanes<T>), x = load(in.x + i * kLanes<T>);
    const Coefficient<kKind, T> B(s.B, v.of.B(block), v.row(begin + i));
    const T* before = v.reset(begin + i) ? p.zero : p.h + i * row;
    T *after = p.h + (i + 1) * row, *decays = p.decay + i * row;
    for_states<N>(state, [&](int64_t n) HWY_ATTR {
      const int64_t at = n * kLanes<T>;
      const auto decay = exp2_product<kNear>(dt, load(A2 + at));
      store(decays + at, decay);
      store(after + at, fma(transition<kKind>(s, decay), load(before + at), B.at(n) * x));
    });
  }
}

// What the adjoint needs at each step beside the states: dyr in place of in.gate, dy silu'(z) in place of in.y.
template <Kind kKind, class T>
void prepare_adjoints(const View<T>& v, int64_t block, int64_t begin, int64_t steps, const Inputs<T>& in) {
  const SelectiveScan<T>& s = v.s;
  const int64_t first = v.first(block), count = v.count(block);
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t r = v.row(begin + i), at = i * kLanes<T>;
    const auto dy = s.dy ? load(s.dy.row(r) + first, count) : zero<T>();
    auto dyr = dy, slope = zero<T>();
    if (s.z) {
      const auto z = load(s.z.row(r) + first, count), gate = sigmoid(z);
      dyr = dy * (z * gate);
      slope = dy * fma(gate * z, set(T(1)) - gate, gate);
    }
    store(in.gate + at, dyr), store(in.y + at, slope);
  }
}

template <Kind kKind, class T, int N>
void adjoint_steps(const View<T>& v, int64_t block, int64_t slot, int64_t begin, int64_t steps, const Ahead<T>& next,
                   const Inputs<T>& in, const Partials<T>& p) {
  const SelectiveScan<T>& s = v.s;
  const int64_t state = N ? N : s.state, first = v.first(block), count = v.count(block), row = state * kLanes<T>;
  const T* A2 = v.of.A2(block);
  T *g_memory = p.g + slot * row, *dA = p.dA + slot * row;
  const auto skip = load_or_zero(s.D, first, count);
  const auto ln2 = set(T(0.693147180559945309));
  States<T, N> g(g_memory);
  if constexpr (N > 0)
    for (int64_t n = 0; n < state; ++n) g.put(n, load(g_memory + n * kLanes<T>));
  auto dD = load(p.dD + slot * kLanes<T>), dbias = load(p.bias + slot * kLanes<T>);

  for (int64_t i = steps; i-- > 0;) {
    const int64_t r = v.row(begin + i), lane = i * kLanes<T>;
    next.fetch(s.u, r, first), next.fetch(s.delta, r, first), next.fetch(s.z, r, first), next.fetch(s.dy, r, first);
    next.fetch(s.du, r, first), next.fetch(s.ddelta, r, first), next.fetch(s.dz, r, first);
    const auto dt = load(in.dt + lane), x = load(in.x + lane), dyr = load(in.gate + lane);
    const Coefficient<kKind, T> B(s.B, v.of.B(block), r), C(s.C, v.of.C(block), r);
    T* into_B = kKind == Kind::variant && s.fixed_B ? p.fixed_B + slot * row : p.B + i * row;
    T* into_C = kKind == Kind::variant && s.fixed_C ? p.fixed_C + slot * row : p.C + i * row;
    const bool reset = v.reset(begin + i);
    const T *before = reset ? p.zero : p.h + i * row, *after = p.h + (i + 1) * row, *decays = p.decay + i * row;
    FourSums<T> dx(zero<T>()), q_A(zero<T>()), y(zero<T>());
    for_states<N>(state, [&](int64_t n) HWY_ATTR {
      const int64_t at = n * kLanes<T>;
      const auto h = load(after + at), decay = load(decays + at), total = fma(C.at(n), dyr, g.get(n));
      y[n] = fma(C.at(n), h, y[n]);
      store(into_C + at, fma(dyr, h, load(into_C + at)));
      store(into_B + at, fma(total, x, load(into_B + at)));
      dx[n] = fma(B.at(n), total, dx[n]);
      const auto passed = total * transition<kKind>(s, decay);
      const auto q = (kKind == Kind::plain ? passed : total * transition_slope<kKind>(s, decay)) * load(before + at);
      q_A[n] = fma(q, load(A2 + at), q_A[n]);
      store(dA + at, fma(q, dt, load(dA + at)));
      g.put(n, passed);
    });
    if (reset)
      for (int64_t n = 0; n < state; ++n) g.put(n, zero<T>());
    const auto u = load(in.u + lane), through = dx.total();
    auto ddelta = fma(q_A.total(), ln2, through * u);
    if (s.softplus) ddelta = ddelta * load(in.slope + lane);
    dbias += ddelta;
    dD = fma(dyr, u, dD);
    if (s.ddelta)
      store(s.ddelta.row(r) + first, (s.overwrite_ddelta ? zero<T>() : load(s.ddelta.row(r) + first, count)) + ddelta, count);
    if (s.du)
      store(s.du.row(r) + first, (s.overwrite_du ? zero<T>() : load(s.du.row(r) + first, count)) + fma(through, dt, skip * dyr), count);
    if (s.dz)
      store(s.dz.row(r) + first, fma(load(in.y + lane), fma(skip, u, y.total()), load(s.dz.row(r) + first, count)), count);
  }

  if constexpr (N > 0)
    for (int64_t n = 0; n < state; ++n) store(g_memory + n * kLanes<T>, g.get(n));
  store(p.dD + slot * kLanes<T>, dD);
  store(p.bias + slot * kLanes<T>, dbias);
}

// The boundary that is needed next, on its way to the second-level cache.
template <class T>
HWY_INLINE void fetch_boundary(const View<T>& v, int64_t chunk, int64_t block, int64_t begin, int64_t end) {
  const bool more = block + 1 < end;
  if (!more && chunk == 0) return;
  const T* next = more ? v.boundary(chunk, block + 1) : v.boundary(chunk - 1, begin);
  kernels::fetch(next, v.s.state * kLanes<T>);
}

template <Kind kKind, class T, int N>
void backward_block(const View<T>& v, int64_t chunk, int64_t block, int64_t begin_block, int64_t end_block,
                    const Partials<T>& p) {
  const int64_t begin = chunk * kScanChunk, steps = std::min(kScanChunk, v.s.length - begin);
  const auto in = Inputs<T>::at(p.inputs, kScanChunk);
  const Ahead<T> next = ahead(v, block, begin_block, end_block, begin, -kScanChunk);
  const bool near = prepare<kKind, true>(v, block, begin, steps, in);
  std::copy_n(v.boundary(chunk, block), v.s.state * kLanes<T>, p.h);
  if (near) recompute<kKind, true, T, N>(v, block, begin, steps, in, p);
  else recompute<kKind, false, T, N>(v, block, begin, steps, in, p);
  prepare_adjoints<kKind>(v, block, begin, steps, in);
  fetch_boundary(v, chunk, block, begin_block, end_block);
  adjoint_steps<kKind, T, N>(v, block, block - begin_block, begin, steps, next, in, p);
}

// What one row adds to the gradients that sum over rows; padded to whole channel blocks.
template <class T>
struct RowSums {
  std::vector<T> dA, dD, bias;         // [batch][block][state][lane], [batch][block][lane]
  std::vector<T> fixed_B, fixed_C;     // as dA; empty where not fixed
};

// out[n] = the sum over lanes of rows[n][lane]
template <class T>
void sum_lanes(const T* rows, int64_t state, T* out) {
  int64_t n = 0;
  for (; n + kLanes<T> <= state; n += kLanes<T>) sum_each(rows + n * kLanes<T>, out + n);
  for (; n < state; ++n) out[n] = sum(load(rows + n * kLanes<T>));
}

// sum += the groups' planes, in their order
template <class T>
void add_planes(const Matrix<T>& sum, const std::vector<T>& planes, int64_t groups) {
  const int64_t size = sum.rows * sum.columns;
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t r = 0; r < sum.rows; ++r) {
      const T* from = planes.data() + g * size + r * sum.columns;
      T* to = sum.row(r);
      for (int64_t n = 0; n < sum.columns; ++n) to[n] += from[n];
    }
}

template <class T>
void backward_task(const View<T>& v, int64_t group, T* dB, T* dC, RowSums<T>& sums) {
  const SelectiveScan<T>& s = v.s;
  const int64_t row = s.state * kLanes<T>, begin = group * kGroup, end = std::min(v.blocks, begin + kGroup);
  const int64_t sizes[] = {kScanChunk * row, kScanChunk * row, kGroup * row, kGroup * row, kGroup * kLanes<T>,
                           kGroup * kLanes<T>, (kScanChunk + 1) * row, kScanChunk * row,
                           Inputs<T>::kCount * kScanChunk * kLanes<T>, row, s.fixed_B ? kGroup * row : 0,
                           s.fixed_C ? kGroup * row : 0};
  int64_t total = 0;
  for (int64_t size : sizes) total += size;
  T* memory = scratch<T>(size_t(total), 3);
  T* part[Partials<T>::kCount];
  for (int i = 0; i < Partials<T>::kCount; ++i) part[i] = memory, memory += sizes[i];
  for (const int i : {2, 3, 4, 5, 9, 10, 11}) std::fill_n(part[i], sizes[i], T(0));  // sums, and `zero`; all else is written first
  const Partials<T> p{part[0], part[1], part[2], part[3], part[4],  part[5],
                      part[6], part[7], part[8], part[9], part[10], part[11]};

  for (int64_t block = begin; block < end; ++block) v.gather(s.dlast, block, p.g + (block - begin) * row);
  for (int64_t chunk = v.chunks; chunk-- > 0;) {
    const int64_t start = chunk * kScanChunk, steps = std::min(kScanChunk, s.length - start);
    std::fill_n(p.B, kScanChunk * row, T(0));
    std::fill_n(p.C, kScanChunk * row, T(0));
    with_kind(s, [&](auto kind, auto states) {
      for (int64_t block = begin; block < end; ++block)
        backward_block<kind(), T, states()>(v, chunk, block, begin, end, p);
    });
    for (int64_t i = 0; i < steps; ++i) {
      if (dB) sum_lanes(p.B + i * row, s.state, dB + v.row(start + i) * s.state);
      if (dC) sum_lanes(p.C + i * row, s.state, dC + v.row(start + i) * s.state);
    }
  }
  const int64_t at = v.b * v.blocks + begin, blocks = end - begin;
  std::copy_n(p.dA, blocks * row, sums.dA.data() + at * row);
  if (s.fixed_B) std::copy_n(p.fixed_B, blocks * row, sums.fixed_B.data() + at * row);
  if (s.fixed_C) std::copy_n(p.fixed_C, blocks * row, sums.fixed_C.data() + at * row);
  std::copy_n(p.dD, blocks * kLanes<T>, sums.dD.data() + at * kLanes<T>);
  std::copy_n(p.bias, blocks * kLanes<T>, sums.bias.data() + at * kLanes<T>);
  if (s.dh0)
    for (int64_t block = begin; block < end; ++block)
      for (int64_t lane = 0; lane < v.count(block); ++lane)
        for (int64_t n = 0; n < s.state; ++n)
          s.dh0[(v.b * s.channels + v.first(block) + lane) * s.state + n] +=
              p.g[(block - begin) * row + n * kLanes<T> + lane];
}

template <class T>
void backward(const SelectiveScan<T>& s) {
  const int64_t blocks = (s.channels + kLanes<T> - 1) / kLanes<T>, groups = (blocks + kGroup - 1) / kGroup;
  const int64_t chunks = (s.length + kScanChunk - 1) / kScanChunk, rows = s.batch * s.length;
  const size_t plane = size_t(rows * s.state), lanes = size_t(s.batch * blocks * kLanes<T>);
  // by group, where B and C are no constants
  std::vector<T> dB(s.fixed_B ? 0 : plane * size_t(groups)), dC(s.fixed_C ? 0 : plane * size_t(groups));
  const auto states = [&](bool wanted) { return std::vector<T>(wanted ? lanes * size_t(s.state) : 0); };
  RowSums<T> sums{states(true), std::vector<T>(lanes), std::vector<T>(lanes), states(s.fixed_B), states(s.fixed_C)};

  parallel_for(s.batch * groups, [&](int64_t task) {
    const int64_t group = task % groups;
    const View<T> v{s, {s, group * kGroup, std::min(blocks, (group + 1) * kGroup)}, task / groups, blocks, chunks};
    backward_task(v, group, s.fixed_B ? nullptr : dB.data() + size_t(group) * plane,
                  s.fixed_C ? nullptr : dC.data() + size_t(group) * plane, sums);
  });

  if (s.dB && !s.fixed_B) add_planes(s.dB, dB, groups);
  if (s.dC && !s.fixed_C) add_planes(s.dC, dC, groups);
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t d = 0; d < s.channels; ++d) {
      const int64_t block = b * blocks + d / kLanes<T>, lane = d % kLanes<T>;
      if (s.dD) s.dD[d] += sums.dD[size_t(block * kLanes<T> + lane)];
      if (s.ddelta_bias) s.ddelta_bias[d] += sums.bias[size_t(block * kLanes<T> + lane)];
      for (int64_t n = 0; n < s.state; ++n) {
        const size_t at = size_t((block * s.state + n) * kLanes<T> + lane);
        if (s.dA) s.dA[d * s.state + n] += sums.dA[at];
        if (s.dB && s.fixed_B) s.dB.row(d)[n] += sums.fixed_B[at];
        if (s.dC && s.fixed_C) s.dC.row(d)[n] += sums.fixed_C[at];
      }
    }
}

}  // namespace
SIMD_KERNEL(selective_scan_fwd, SelectiveScan, forward)
SIMD_KERNEL(selective_scan_bwd, SelectiveScan, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(selective_scan_fwd, SelectiveScan)
SIMD_DISPATCH(selective_scan_bwd, SelectiveScan)
}  // namespace kernels
#endif
