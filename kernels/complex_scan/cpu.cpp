// Lanes are channels where there are enough; scan/run.h runs time.
#include "kernels/complex_scan/complex_scan.h"

#include <type_traits>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/complex_scan/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/scan/run.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

// V is a number where few channels run chunk by chunk, else a Vec.
template <class V>
using NumberOf = typename Value<V>::Number;
template <class V>
constexpr int64_t kWidth = int64_t(sizeof(V) / sizeof(NumberOf<V>));

template <class V>
using Pair = typename AffineComplexDiagonal<V>::State;

// A line's part of a row: its first channel, and how many the row has from there on.
template <class V>
struct Part {
  using T = NumberOf<V>;
  int64_t channel, left;

  HWY_INLINE V from(const T* row) const {
    if constexpr (kWidth<V> == 1) return row[channel];
    else return load(row + channel, left);
  }
  HWY_INLINE void to(T* row, const V& x) const {
    if constexpr (kWidth<V> == 1) row[channel] = x;
    else store(row + channel, x, left);
  }
  HWY_INLINE void add_to(T* row, const V& x) const { to(row, from(row) + x); }
  HWY_INLINE Pair<V> from(const T* re, const T* im) const { return {from(re), from(im)}; }
};

template <class V, bool kResets>
struct Steps {
  using T = NumberOf<V>;
  using Affine = AffineComplexDiagonal<V>;
  using Op = std::conditional_t<kResets, Segmented<Affine>, Affine>;
  ComplexScan<T> s;

  explicit Steps(const ComplexScan<T>& scan) : s(scan) {}
  HWY_INLINE Part<V> part(int64_t line) const { return {line * kWidth<V>, s.b_re.channels - line * kWidth<V>}; }
  HWY_INLINE bool starts(int64_t b, int64_t t) const { return kResets && s.resets[b * s.b_re.length + t] != 0; }
  HWY_INLINE typename Op::Element offer(const Pair<V>& a, const Pair<V>& b, [[maybe_unused]] bool start) const {
    if constexpr (kResets) return {{a.re, a.im, b.re, b.im}, start};
    else return {a.re, a.im, b.re, b.im};
  }
};

template <class V, bool kResets>
struct Forward : Steps<V, kResets> {
  using Base = Steps<V, kResets>;
  using Base::Base, Base::s, Base::part, Base::starts, Base::offer;

  HWY_INLINE Pair<V> start(int64_t b, int64_t line) const {
    return s.h0_re ? part(line).from(s.h0_re.row(b), s.h0_im.row(b)) : Base::Op::initial();
  }
  HWY_INLINE auto element(int64_t b, int64_t line, int64_t t) const {
    const auto here = part(line);
    return offer(here.from(s.a_re.row(b, t), s.a_im.row(b, t)), here.from(s.b_re.row(b, t), s.b_im.row(b, t)),
                 starts(b, t));
  }
  HWY_INLINE void visit(int64_t b, int64_t line, int64_t t, const Pair<V>& h) const {
    part(line).to(s.h_re.row(b, t), h.re);
    part(line).to(s.h_im.row(b, t), h.im);
  }
  HWY_INLINE void finish(int64_t b, int64_t line, const Pair<V>& h) const {
    part(line).to(s.last_re.row(b), h.re);
    part(line).to(s.last_im.row(b), h.im);
  }
};

// Step i of the adjoint's scan is step t = L-1-i of the scan:
//   g_t = a*_{t+1} g_{t+1} + dh_t, from g_L = dlast with a_L = 1.
template <class V, bool kResets>
struct Backward : Steps<V, kResets> {
  using Base = Steps<V, kResets>;
  using Base::Base, Base::s, Base::part, Base::starts, Base::offer;

  HWY_INLINE Pair<V> start(int64_t b, int64_t line) const {
    const auto here = part(line);
    return {from_or_zero(here, s.dlast_re, b), from_or_zero(here, s.dlast_im, b)};
  }
  HWY_INLINE auto element(int64_t b, int64_t line, int64_t i) const {
    const auto here = part(line);
    const int64_t t = s.b_re.length - 1 - i;
    Pair<V> a{Value<V>::of(1), Value<V>::of(0)};
    if (i > 0) a = {here.from(s.a_re.row(b, t + 1)), -here.from(s.a_im.row(b, t + 1))};
    const Pair<V> dh{from_or_zero(here, s.dh_re, b, t), from_or_zero(here, s.dh_im, b, t)};
    return offer(a, dh, i > 0 && starts(b, t + 1));
  }
  HWY_INLINE void visit(int64_t b, int64_t line, int64_t i, const Pair<V>& g) const {
    const auto here = part(line);
    const int64_t t = s.b_re.length - 1 - i;
    if (s.db_re) here.add_to(s.db_re.row(b, t), g.re);
    if (s.db_im) here.add_to(s.db_im.row(b, t), g.im);
    if ((!s.da_re && !s.da_im) || starts(b, t) || (t == 0 && !s.h0_re)) return;
    const auto h = t > 0 ? here.from(s.h_re.row(b, t - 1), s.h_im.row(b, t - 1))
                         : here.from(s.h0_re.row(b), s.h0_im.row(b));
    const int64_t row = s.constant_a ? i / kChunk : t;
    if (s.da_re) {
      T* to = s.da_re.row(b, row);
      here.to(to, fma(g.re, h.re, fma(g.im, h.im, here.from(to))));
    }
    if (s.da_im) {
      T* to = s.da_im.row(b, row);
      here.to(to, fma(g.im, h.re, fma(-g.re, h.im, here.from(to))));
    }
  }
  HWY_INLINE void finish(int64_t b, int64_t line, const Pair<V>& g) const {
    if (starts(b, 0)) return;
    const auto here = part(line);
    const V a_re = here.from(s.a_re.row(b, 0)), a_im = here.from(s.a_im.row(b, 0));
    if (s.dh0_re) here.add_to(s.dh0_re.row(b), fma(a_re, g.re, a_im * g.im));
    if (s.dh0_im) here.add_to(s.dh0_im.row(b), fma(a_re, g.im, -(a_im * g.re)));
  }

 private:
  using T = typename Base::T;
  template <class Rows, class... At>
  HWY_INLINE V from_or_zero(const Part<V>& here, const Rows& rows, At... at) const {
    return rows ? here.from(rows.row(at...)) : Value<V>::of(0);
  }
};

template <template <class, bool> class Problem, bool kResets, class T>
void run(const ComplexScan<T>& a) {
  const int64_t batch = a.b_re.batch, length = a.b_re.length, channels = a.b_re.channels;
  if (channels < kChunkedBelow) return run_chunked(batch, length, channels, Problem<T, kResets>(a));
  run_sequential(batch, length, (channels + kLanes<T> - 1) / kLanes<T>, Problem<Vec<T>, kResets>(a));
}

template <template <class, bool> class Problem, class T>
void run(const ComplexScan<T>& a) {
  a.resets ? run<Problem, true>(a) : run<Problem, false>(a);
}

template <class T>
void forward(const ComplexScan<T>& a) {
  run<Forward>(a);
}

// One sum for each sequence and kChunk steps, which never two tasks share.
template <class T>
struct Sums {
  Sequence<T> to, pieces{};
  std::vector<T> memory;

  Sums(const Sequence<T>& wanted, const Sequence<const T>& shape) : to(wanted) {
    if (!to) return;
    const int64_t chunks = (shape.length + kChunk - 1) / kChunk, n = shape.channels;
    memory.assign(size_t(shape.batch * chunks * n), T(0));
    pieces = {memory.data(), shape.batch, chunks, n, chunks * n, n};
  }
  void finish() const {
    if (!to) return;
    for (int64_t b = 0; b < pieces.batch; ++b)
      for (int64_t c = 0; c < pieces.length; ++c)
        for (int64_t n = 0; n < pieces.channels; ++n) to.data[n] += pieces.row(b, c)[n];
  }
};

template <class T>
void backward(const ComplexScan<T>& a) {
  if (!a.constant_a) return run<Backward>(a);
  ComplexScan<T> s = a;
  const Sums<T> re(a.da_re, a.b_re), im(a.da_im, a.b_re);
  s.da_re = re.pieces, s.da_im = im.pieces;
  run<Backward>(s);
  re.finish();
  im.finish();
}

}  // namespace
SIMD_KERNEL(complex_scan_fwd, ComplexScan, forward)
SIMD_KERNEL(complex_scan_bwd, ComplexScan, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(complex_scan_fwd, ComplexScan)
SIMD_DISPATCH(complex_scan_bwd, ComplexScan)
}  // namespace kernels
#endif
