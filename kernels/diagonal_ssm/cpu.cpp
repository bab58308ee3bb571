// A task is a batch row's block of channels, one a lane. Time goes in chunks: a state variable or two run through a chunk in
// registers, their coefficients and gradients with them, before the next ones do.
// Backward goes over chunks from the last to the first: it recomputes the chunk's states from its border and runs the
// adjoint back through them. Sums over time and batch gather by batch row, and rows are added in order.
#include "kernels/diagonal_ssm/diagonal_ssm.h"

#include <algorithm>
#include <vector>

#include "kernels/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/diagonal_ssm/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"
#include "kernels/transpose.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

// A number, or of a complex one both parts.
template <class T, bool kComplex>
struct Number {
  Vec<T> re, im;
};
template <class T>
struct Number<T, false> {
  Vec<T> re;
};

// Parts of numbers by block, n and lane: [block][n][part][lane].
template <bool kComplex>
constexpr int64_t kParts = kComplex ? 2 : 1;

template <class T, bool kComplex>
HWY_INLINE Number<T, kComplex> get(const T* p, int64_t n) {
  Number<T, kComplex> x;
  x.re = load(p + n * kParts<kComplex> * kLanes<T>);
  if constexpr (kComplex) x.im = load(p + (n * 2 + 1) * kLanes<T>);
  return x;
}
template <class T, bool kComplex>
HWY_INLINE void put(T* p, int64_t n, const Number<T, kComplex>& x) {
  store(p + n * kParts<kComplex> * kLanes<T>, x.re);
  if constexpr (kComplex) store(p + (n * 2 + 1) * kLanes<T>, x.im);
}

// x y + z, with the conjugate of y where `kConjugate`
template <bool kConjugate, class T, bool kComplex>
HWY_INLINE Number<T, kComplex> multiply_add(const Number<T, kComplex>& x, const Number<T, kComplex>& y,
                                            const Number<T, kComplex>& z) {
  Number<T, kComplex> r;
  if constexpr (!kComplex) r.re = fma(x.re, y.re, z.re);
  else if constexpr (kConjugate) {
    r.re = fma(x.re, y.re, fma(x.im, y.im, z.re));
    r.im = fma(x.im, y.re, fnma(x.re, y.im, z.im));
  } else {
    r.re = fma(x.re, y.re, fnma(x.im, y.im, z.re));
    r.im = fma(x.re, y.im, fma(x.im, y.re, z.im));
  }
  return r;
}
// x y + z for a real y
template <class T, bool kComplex>
HWY_INLINE Number<T, kComplex> multiply_add(const Number<T, kComplex>& x, const Vec<T>& y,
                                            const Number<T, kComplex>& z) {
  Number<T, kComplex> r;
  r.re = fma(x.re, y, z.re);
  if constexpr (kComplex) r.im = fma(x.im, y, z.im);
  return r;
}
// Re(x y) + z, with the conjugate of x where `kConjugate`
template <bool kConjugate, class T, bool kComplex>
HWY_INLINE Vec<T> real_multiply_add(const Number<T, kComplex>& x, const Number<T, kComplex>& y, const Vec<T>& z) {
  if constexpr (!kComplex) return fma(x.re, y.re, z);
  else if constexpr (kConjugate) return fma(x.re, y.re, fma(x.im, y.im, z));
  else return fma(x.re, y.re, fnma(x.im, y.im, z));
}
template <class T, bool kComplex>
HWY_INLINE Number<T, kComplex> conjugate(Number<T, kComplex> x) {
  if constexpr (kComplex) x.im = -x.im;
  return x;
}

// What tasks share: the sizes, and the coefficients by block.
template <class T, bool kComplex>
struct View {
  using N = Number<T, kComplex>;
  static constexpr int64_t kStride = kParts<kComplex> * kLanes<T>;
  const DiagonalSsm<T>& s;
  int64_t blocks, chunks, block_size;
  std::vector<T> a, b, c;

  explicit View(const DiagonalSsm<T>& problem)
      : s(problem),
        blocks((s.u.channels + kLanes<T> - 1) / kLanes<T>),
        chunks((s.u.length + kSsmChunk - 1) / kSsmChunk),
        block_size(s.state * kStride),
        a(by_block(s.a_re, s.a_im)),
        b(by_block(s.b_re, s.b_im)),
        c(by_block(s.c_re, s.c_im)) {}

  int64_t first(int64_t block) const { return block * kLanes<T>; }
  int64_t count(int64_t block) const { return std::min<int64_t>(kLanes<T>, s.u.channels - first(block)); }
  bool starts(int64_t row, int64_t t) const { return s.resets && s.resets[row * s.u.length + t] != 0; }
  T* border(int64_t row, int64_t chunk, int64_t block) const {
    return s.borders + ((row * chunks + chunk) * blocks + block) * block_size;
  }

  // [channels, state] from `from` on -> [n][part][lane] of one block; null: zeros, as are the lanes that are too many
  void gather(const T* re, const T* im, int64_t block, T* to) const {
    const int64_t rows = count(block), from = first(block) * s.state;
    if (!re || (kComplex && !im) || rows < kLanes<T>) std::fill_n(to, block_size, T(0));
    if (re) transpose(re + from, s.state, rows, s.state, to, kStride);
    if (kComplex && im) transpose(im + from, s.state, rows, s.state, to + kLanes<T>, kStride);
  }
  // The way back, added to or written.
  void scatter(const T* from, int64_t block, T* re, T* im, bool add) const {
    for (int64_t lane = 0; lane < count(block); ++lane)
      for (int64_t n = 0; n < s.state; ++n) {
        const int64_t at = (first(block) + lane) * s.state + n;
        const T* x = from + n * kStride + lane;
        if (re) re[at] = x[0] + (add ? re[at] : T(0));
        if (kComplex && im) im[at] = x[kLanes<T>] + (add ? im[at] : T(0));
      }
  }
  int64_t row_offset(int64_t row) const { return row * s.u.channels * s.state; }

 private:
  std::vector<T> by_block(const T* re, const T* im) const {
    std::vector<T> all(size_t(blocks * block_size));
    for (int64_t block = 0; block < blocks; ++block) gather(re, im, block, all.data() + block * block_size);
    return all;
  }
};

template <class T>
const T* at(const T* p, int64_t offset) { return p ? p + offset : p; }
template <class T>
T* at(T* p, int64_t offset) { return p ? p + offset : p; }

template <class T, bool kComplex>
struct Block {
  using N = Number<T, kComplex>;
  const View<T, kComplex>& v;
  const DiagonalSsm<T>& s;
  int64_t row, block, first, count;
  const T *a, *b, *c;

  Block(const View<T, kComplex>& view, int64_t r, int64_t i)
      : v(view), s(view.s), row(r), block(i), first(view.first(i)), count(view.count(i)),
        a(view.a.data() + i * view.block_size), b(view.b.data() + i * view.block_size),
        c(view.c.data() + i * view.block_size) {}

  void forward() const {
    T* h = scratch<T>(size_t(v.block_size), 0);
    v.gather(at(s.h0_re, v.row_offset(row)), at(s.h0_im, v.row_offset(row)), block, h);
    const auto skip = s.D ? load(s.D + first, count) : zero<T>();
    Chunk chunk;
    for (int64_t i = 0; i < v.chunks; ++i) {
      begin(i, chunk);
      if (s.borders) std::copy_n(h, v.block_size, v.border(row, i, block));
      for (int64_t n = 0; n < s.state; n += 2) n + 1 < s.state ? run<2>(chunk, n, h) : run<1>(chunk, n, h);
      for (int64_t t = 0; t < chunk.steps; ++t) {
        const auto sum = load(chunk.even + t * kLanes<T>) + (s.state > 1 ? load(chunk.odd + t * kLanes<T>) : zero<T>());
        store(s.y.row(row, chunk.start + t) + first, fma(set(s.weight), sum, skip * load(chunk.u + t * kLanes<T>)), count);
      }
    }
    v.scatter(h, block, at(s.last_re, v.row_offset(row)), at(s.last_im, v.row_offset(row)), false);
  }

  // Sums of this batch row: [da][db][dc] as blocks, then dD's lanes.
  void backward(T* sums) const {
    T* G = scratch<T>(size_t(v.block_size), 0);
    v.gather(at(s.dlast_re, v.row_offset(row)), at(s.dlast_im, v.row_offset(row)), block, G);
    const auto skip = s.D ? load(s.D + first, count) : zero<T>();
    auto through_skip = zero<T>();
    Chunk chunk;
    for (int64_t i = v.chunks; i-- > 0;) {
      begin(i, chunk);
      for (int64_t t = 0; t < chunk.steps; ++t)
        store(chunk.dy + t * kLanes<T>, s.dy ? load(s.dy.row(row, chunk.start + t) + first, count) : zero<T>());
      for (int64_t n = 0; n < s.state; ++n) run_back(chunk, n, v.border(row, i, block), G, sums);
      for (int64_t t = chunk.steps; t-- > 0;) {
        const auto dy = load(chunk.dy + t * kLanes<T>);
        through_skip = fma(dy, load(chunk.u + t * kLanes<T>), through_skip);
        if (!s.du) continue;
        T* to = s.du.row(row, chunk.start + t) + first;
        store(to, load(to, count) + fma(skip, dy, load(chunk.du + t * kLanes<T>)), count);
      }
    }
    store(sums + 3 * v.block_size, through_skip);
    v.scatter(G, block, at(s.dh0_re, v.row_offset(row)), at(s.dh0_im, v.row_offset(row)), true);
  }

 private:
  // The block's rows of a chunk side by side, and sums over the states that have run through it.
  struct Chunk {
    int64_t start, steps;
    bool starts[kSsmChunk];
    alignas(64) T u[kSsmChunk * kLanes<T>];
    union {
      T even[kSsmChunk * kLanes<T>];  // of y's terms, by n modulo 2
      T dy[kSsmChunk * kLanes<T>];
    };
    union {
      T odd[kSsmChunk * kLanes<T>];
      T du[kSsmChunk * kLanes<T>];
    };
  };

  void begin(int64_t i, Chunk& chunk) const {
    chunk.start = i * kSsmChunk, chunk.steps = std::min(kSsmChunk, s.u.length - chunk.start);
    for (int64_t t = 0; t < chunk.steps; ++t) {
      store(chunk.u + t * kLanes<T>, load(s.u.row(row, chunk.start + t) + first, count));
      chunk.starts[t] = v.starts(row, chunk.start + t);
    }
  }

  // The state after a step, from that before it.
  static HWY_INLINE N after(const N& h, const N& a, const N& b, const Vec<T>& u, bool starts) {
    return multiply_add(b, u, multiply_add<false>(a, starts ? N{} : h, N{}));
  }

  // States n … n + kStates - 1 of h, from before the chunk to after it; n is even.
  template <int kStates>
  void run(Chunk& chunk, int64_t n, T* h) const {
    N x[kStates], an[kStates], bn[kStates], cn[kStates];
    for (int k = 0; k < kStates; ++k) {
      x[k] = get<T, kComplex>(h, n + k);
      an[k] = get<T, kComplex>(a, n + k), bn[k] = get<T, kComplex>(b, n + k), cn[k] = get<T, kComplex>(c, n + k);
    }
    for (int64_t t = 0; t < chunk.steps; ++t) {
      const auto u = load(chunk.u + t * kLanes<T>);
      for (int k = 0; k < kStates; ++k) {
        T* sum = (k == 0 ? chunk.even : chunk.odd) + t * kLanes<T>;
        x[k] = after(x[k], an[k], bn[k], u, chunk.starts[t]);
        store(sum, real_multiply_add<false>(cn[k], x[k], n == 0 ? zero<T>() : load(sum)));
      }
    }
    for (int k = 0; k < kStates; ++k) put<T, kComplex>(h, n + k, x[k]);
  }

  // State n. G is the adjoint that reaches the state after the chunk from later ones; it becomes that of the state before it.
  void run_back(Chunk& chunk, int64_t n, const T* border, T* G, T* sums) const {
    alignas(64) T states[kSsmChunk * kParts<kComplex> * kLanes<T>];  // before each step
    const N an = get<T, kComplex>(a, n), bn = get<T, kComplex>(b, n), cn = conjugate<T, kComplex>(get<T, kComplex>(c, n));
    T *da = sums, *db = da + v.block_size, *dc = db + v.block_size;
    N x = get<T, kComplex>(border, n);
    for (int64_t t = 0; t < chunk.steps; ++t) {
      put<T, kComplex>(states, t, x);
      x = after(x, an, bn, load(chunk.u + t * kLanes<T>), chunk.starts[t]);
    }
    N adjoint = get<T, kComplex>(G, n), dan = get<T, kComplex>(da, n), dbn = get<T, kComplex>(db, n), dcn = get<T, kComplex>(dc, n);
    for (int64_t t = chunk.steps; t-- > 0;) {
      const auto weighted = load(chunk.dy + t * kLanes<T>) * set(s.weight), u = load(chunk.u + t * kLanes<T>);
      const N before = get<T, kComplex>(states, t), g = multiply_add(cn, weighted, adjoint);
      T* du = chunk.du + t * kLanes<T>;
      store(du, real_multiply_add<true>(bn, g, n == 0 ? zero<T>() : load(du)));
      dbn = multiply_add(g, u, dbn);
      dcn = multiply_add(conjugate<T, kComplex>(x), weighted, dcn);
      if (chunk.starts[t]) {
        adjoint = N{};
      } else {
        dan = multiply_add<true>(g, before, dan);
        adjoint = multiply_add<true>(g, an, N{});
      }
      x = before;
    }
    put<T, kComplex>(G, n, adjoint);
    put<T, kComplex>(da, n, dan), put<T, kComplex>(db, n, dbn), put<T, kComplex>(dc, n, dcn);
  }
};

template <class T, bool kComplex>
void run_forward(const DiagonalSsm<T>& s) {
  const View<T, kComplex> v(s);
  parallel_for(s.u.batch * v.blocks,
               [&](int64_t i) { Block<T, kComplex>(v, i / v.blocks, i % v.blocks).forward(); });
}

template <class T, bool kComplex>
void run_backward(const DiagonalSsm<T>& s) {
  const View<T, kComplex> v(s);
  const int64_t size = 3 * v.block_size + kLanes<T>;
  std::vector<T> sums(size_t(s.u.batch * v.blocks * size), T(0));
  parallel_for(s.u.batch * v.blocks, [&](int64_t i) {
    Block<T, kComplex>(v, i / v.blocks, i % v.blocks).backward(sums.data() + i * size);
  });
  for (int64_t i = 0; i < s.u.batch * v.blocks; ++i) {
    const int64_t block = i % v.blocks;
    const T* sum = sums.data() + i * size;
    v.scatter(sum, block, s.da_re, s.da_im, true);
    v.scatter(sum + v.block_size, block, s.db_re, s.db_im, true);
    v.scatter(sum + 2 * v.block_size, block, s.dc_re, s.dc_im, true);
    for (int64_t lane = 0; s.dD && lane < v.count(block); ++lane)
      s.dD[v.first(block) + lane] += sum[3 * v.block_size + lane];
  }
}

template <class T>
void forward(const DiagonalSsm<T>& s) {
  s.a_im ? run_forward<T, true>(s) : run_forward<T, false>(s);
}
template <class T>
void backward(const DiagonalSsm<T>& s) {
  s.a_im ? run_backward<T, true>(s) : run_backward<T, false>(s);
}

}  // namespace
SIMD_KERNEL(diagonal_ssm_fwd, DiagonalSsm, forward)
SIMD_KERNEL(diagonal_ssm_bwd, DiagonalSsm, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(diagonal_ssm_fwd, DiagonalSsm)
SIMD_DISPATCH(diagonal_ssm_bwd, DiagonalSsm)
}  // namespace kernels
#endif
