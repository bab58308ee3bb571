// A task is a batch row's block of channels, one a lane; the states of a block lie in the first-level cache.
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
    std::fill_n(to, block_size, T(0));
    for (int64_t lane = 0; lane < count(block); ++lane)
      for (int64_t n = 0; n < s.state; ++n) {
        const int64_t at = (first(block) + lane) * s.state + n;
        if (re) to[n * kStride + lane] = re[at];
        if (kComplex && im) to[n * kStride + kLanes<T> + lane] = im[at];
      }
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

  // h becomes the state after step t.
  HWY_INLINE void advance(int64_t t, T* h) const {
    if (v.starts(row, t)) std::fill_n(h, v.block_size, T(0));
    const auto u = load(s.u.row(row, t) + first, count);
    for (int64_t n = 0; n < s.state; ++n) {
      const N ah = multiply_add<false>(get<T, kComplex>(a, n), get<T, kComplex>(h, n), N{});
      put<T, kComplex>(h, n, multiply_add(get<T, kComplex>(b, n), u, ah));
    }
  }

  void forward() const {
    T* h = scratch<T>(size_t(v.block_size), 0);
    v.gather(at(s.h0_re, v.row_offset(row)), at(s.h0_im, v.row_offset(row)), block, h);
    const auto skip = s.D ? load(s.D + first, count) : zero<T>();
    const auto weight = set(s.weight);
    for (int64_t t = 0; t < s.u.length; ++t) {
      if (s.borders && t % kSsmChunk == 0) std::copy_n(h, v.block_size, v.border(row, t / kSsmChunk, block));
      advance(t, h);
      auto even = zero<T>(), odd = zero<T>();
      for (int64_t n = 0; n < s.state; ++n) {
        auto& sum = n % 2 ? odd : even;
        sum = real_multiply_add<false>(get<T, kComplex>(c, n), get<T, kComplex>(h, n), sum);
      }
      const auto u = load(s.u.row(row, t) + first, count);
      store(s.y.row(row, t) + first, fma(weight, even + odd, skip * u), count);
    }
    v.scatter(h, block, at(s.last_re, v.row_offset(row)), at(s.last_im, v.row_offset(row)), false);
  }

  // Sums of this batch row: [da][db][dc] as blocks, then dD's lanes.
  void backward(T* sums) const {
    T* G = scratch<T>(size_t(v.block_size), 0);
    T* states = scratch<T>(size_t((kSsmChunk + 1) * v.block_size), 1);  // before each step, and after the last
    T *da = sums, *db = da + v.block_size, *dc = db + v.block_size, *dD = dc + v.block_size;
    v.gather(at(s.dlast_re, v.row_offset(row)), at(s.dlast_im, v.row_offset(row)), block, G);
    const auto skip = s.D ? load(s.D + first, count) : zero<T>();
    auto through_skip = zero<T>();
    for (int64_t chunk = v.chunks; chunk-- > 0;) {
      const int64_t start = chunk * kSsmChunk, steps = std::min(kSsmChunk, s.u.length - start);
      recompute(chunk, steps, states);
      for (int64_t i = steps; i-- > 0;) {
        const int64_t t = start + i;
        const auto dy = s.dy ? load(s.dy.row(row, t) + first, count) : zero<T>();
        const auto u = load(s.u.row(row, t) + first, count);
        const auto du = step_back(dy * set(s.weight), u, states + i * v.block_size, states + (i + 1) * v.block_size,
                                  v.starts(row, t), G, da, db, dc);
        through_skip = fma(dy, u, through_skip);
        if (!s.du) continue;
        T* to = s.du.row(row, t) + first;
        store(to, load(to, count) + fma(skip, dy, du), count);
      }
    }
    store(dD, through_skip);
    v.scatter(G, block, at(s.dh0_re, v.row_offset(row)), at(s.dh0_im, v.row_offset(row)), true);
  }

 private:
  void recompute(int64_t chunk, int64_t steps, T* states) const {
    std::copy_n(v.border(row, chunk, block), v.block_size, states);
    for (int64_t i = 0; i < steps; ++i) {
      T* next = states + (i + 1) * v.block_size;
      std::copy_n(states + i * v.block_size, v.block_size, next);
      advance(chunk * kSsmChunk + i, next);
    }
  }

  // G is the adjoint that reaches the state after the step from later ones; it becomes that of the state before it.
  HWY_INLINE Vec<T> step_back(const Vec<T>& weighted, const Vec<T>& u, const T* before, const T* after, bool starts,
                              T* G, T* da, T* db, T* dc) const {
    auto du = zero<T>();
    for (int64_t n = 0; n < s.state; ++n) {
      const N g = multiply_add(conjugate<T, kComplex>(get<T, kComplex>(c, n)), weighted, get<T, kComplex>(G, n));
      du = real_multiply_add<true>(get<T, kComplex>(b, n), g, du);
      if (!starts)
        put<T, kComplex>(da, n, multiply_add<true>(g, get<T, kComplex>(before, n), get<T, kComplex>(da, n)));
      put<T, kComplex>(db, n, multiply_add(g, u, get<T, kComplex>(db, n)));
      put<T, kComplex>(dc, n, multiply_add(conjugate<T, kComplex>(get<T, kComplex>(after, n)), weighted,
                                           get<T, kComplex>(dc, n)));
      put<T, kComplex>(G, n, starts ? N{} : multiply_add<true>(g, get<T, kComplex>(a, n), N{}));
    }
    return du;
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
