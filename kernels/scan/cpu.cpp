// Lanes are channels where there are enough; run.h runs time. In reverse: the same scan, of turned sequences.
#include "kernels/scan/scan.h"

#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/scan/cpu.cpp"
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

// A line's part of a row: its first channel, and how many the row has from there on.
template <class V>
struct Part {
  int64_t channel, left;

  HWY_INLINE V from(const NumberOf<V>* row) const {
    if constexpr (kWidth<V> == 1) return row[channel];
    else return load(row + channel, left);
  }
  HWY_INLINE void to(NumberOf<V>* row, const V& x) const {
    if constexpr (kWidth<V> == 1) row[channel] = x;
    else store(row + channel, x, left);
  }
};

// What both directions share: the arguments in scan order, and where documents cut the chain of states.
template <class V, bool kResets>
struct Steps {
  using T = NumberOf<V>;
  using Affine = AffineDiagonal<V>;
  using Op = std::conditional_t<kResets, Segmented<Affine>, Affine>;
  Scan<T> s;

  explicit Steps(const Scan<T>& scan) : s(scan) {
    if (!s.reverse) return;
    s.a = s.a.backwards(), s.b = s.b.backwards(), s.h = s.h.backwards();
    s.dh = s.dh.backwards(), s.da = s.da.backwards(), s.db = s.db.backwards();
  }
  HWY_INLINE Part<V> part(int64_t line) const { return {line * kWidth<V>, s.a.channels - line * kWidth<V>}; }
  // Whether no state reaches step i from step i - 1.
  HWY_INLINE bool cut(int64_t b, int64_t i) const {
    if (!kResets) return false;
    const int64_t length = s.a.length;
    if (s.reverse) return i > 0 && s.resets[b * length + length - i] != 0;
    return s.resets[b * length + i] != 0;
  }
  HWY_INLINE typename Op::Element offer(const V& a, const V& b, [[maybe_unused]] bool starts) const {
    if constexpr (kResets) return {{a, b}, starts};
    else return {a, b};
  }
};

template <class V, bool kResets>
struct Forward : Steps<V, kResets> {
  using Base = Steps<V, kResets>;
  using Base::Base, Base::s, Base::part, Base::cut, Base::offer;

  HWY_INLINE V start(int64_t b, int64_t line) const {
    return s.h0 ? part(line).from(s.h0.row(b)) : Base::Op::initial();
  }
  HWY_INLINE auto element(int64_t b, int64_t line, int64_t i) const {
    const auto here = part(line);
    return offer(here.from(s.a.row(b, i)), here.from(s.b.row(b, i)), cut(b, i));
  }
  HWY_INLINE void visit(int64_t b, int64_t line, int64_t i, const V& h) const {
    part(line).to(s.h.row(b, i), h);
  }
  HWY_INLINE void finish(int64_t b, int64_t line, const V& h) const { part(line).to(s.last.row(b), h); }
};

// Step i of the adjoint's scan is step t = L-1-i of the scan:
//   g_t = a_{t+1} g_{t+1} + dh_t, from g_L = dlast with a_L = 1.
template <class V, bool kResets>
struct Backward : Steps<V, kResets> {
  using Base = Steps<V, kResets>;
  using Base::Base, Base::s, Base::part, Base::cut, Base::offer;

  HWY_INLINE V start(int64_t b, int64_t line) const {
    return s.dlast ? part(line).from(s.dlast.row(b)) : Base::Op::initial();
  }
  HWY_INLINE auto element(int64_t b, int64_t line, int64_t i) const {
    const auto here = part(line);
    const int64_t t = s.a.length - 1 - i;
    return offer(i > 0 ? here.from(s.a.row(b, t + 1)) : Value<V>::of(1),
                 s.dh ? here.from(s.dh.row(b, t)) : Value<V>::of(0), i > 0 && cut(b, t + 1));
  }
  HWY_INLINE void visit(int64_t b, int64_t line, int64_t i, const V& g) const {
    const auto here = part(line);
    const int64_t t = s.a.length - 1 - i;
    if (s.db) here.to(s.db.row(b, t), here.from(s.db.row(b, t)) + g);
    if (!s.da || cut(b, t) || (t == 0 && !s.h0)) return;
    const auto before = here.from(t > 0 ? s.h.row(b, t - 1) : s.h0.row(b));
    here.to(s.da.row(b, t), fma(g, before, here.from(s.da.row(b, t))));
  }
  HWY_INLINE void finish(int64_t b, int64_t line, const V& g) const {
    if (!s.dh0 || cut(b, 0)) return;
    const auto here = part(line);
    here.to(s.dh0.row(b), fma(here.from(s.a.row(b, 0)), g, here.from(s.dh0.row(b))));
  }
};

template <template <class, bool> class Problem, bool kResets, class T>
void run(const Scan<T>& a) {
  const int64_t channels = a.a.channels;
  if (channels < kChunkedBelow) return run_chunked(a.a.batch, a.a.length, channels, Problem<T, kResets>(a));
  run_sequential(a.a.batch, a.a.length, (channels + kLanes<T> - 1) / kLanes<T>, Problem<Vec<T>, kResets>(a));
}

template <class T>
void forward(const Scan<T>& a) {
  a.resets ? run<Forward, true>(a) : run<Forward, false>(a);
}

template <class T>
void backward(const Scan<T>& a) {
  a.resets ? run<Backward, true>(a) : run<Backward, false>(a);
}

}  // namespace
SIMD_KERNEL(scan_fwd, Scan, forward)
SIMD_KERNEL(scan_bwd, Scan, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(scan_fwd, Scan)
SIMD_DISPATCH(scan_bwd, Scan)
}  // namespace kernels
#endif
