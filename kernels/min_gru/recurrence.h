// What min_gru and min_lstm share: h_t = keep_t h_{t-1} + take_t c(v_t), where keep + take = 1, as problems
// for scan/run.h. Nothing is stored but h: gates are computed where they are needed. A Gate says what they are
// made of:
//   Gate(args, part, b, t)              its keep and take, each to full relative accuracy
//   static bool wanted(args)            whether its inputs want gradients
//   void add(args, part, b, t, dlogit)  adds them, dlogit being dL/d(log take - log keep)
// Include it where simd.h may be included.

// Toggled by foreach_target.h: this part is seen once for each target.
#if defined(KERNELS_MIN_GRU_RECURRENCE_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_MIN_GRU_RECURRENCE_H_
#undef KERNELS_MIN_GRU_RECURRENCE_H_
#else
#define KERNELS_MIN_GRU_RECURRENCE_H_
#endif

#include "kernels/min_gru/min_gru.h"
#include "kernels/scan/run.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {

// V is a number where few channels run chunk by chunk, else a Vec. For numbers:
HWY_INLINE float abs(float x) { return std::abs(x); }
HWY_INLINE double abs(double x) { return std::abs(x); }
HWY_INLINE float if_greater(float x, float bound, float yes, float no) { return x > bound ? yes : no; }
HWY_INLINE double if_greater(double x, double bound, double yes, double no) { return x > bound ? yes : no; }

template <class V>
using NumberOf = typename Value<V>::Number;

// A line's part of a row: its first channel, and how many the row has from there on.
template <class V>
struct Part {
  using T = NumberOf<V>;
  static constexpr int64_t kWidth = int64_t(sizeof(V) / sizeof(T));
  int64_t channel, left;

  HWY_INLINE V from(const T* row) const {
    if constexpr (kWidth == 1) return row[channel];
    else return load(row + channel, left);
  }
  HWY_INLINE void to(T* row, const V& x) const {
    if constexpr (kWidth == 1) row[channel] = x;
    else store(row + channel, x, left);
  }
  HWY_INLINE void add_to(T* row, const V& x, bool overwrite = false) const { to(row, overwrite ? x : from(row) + x); }
};

// e^-x for x >= 0
template <class V>
HWY_INLINE V exp_below(const V& x) {
  if constexpr (sizeof(V) > sizeof(NumberOf<V>)) return exp_of_minus(x);
  else return exp(-x);
}

// s(x) and s(-x), s the logistic sigmoid, from e = e^-|x|: nothing overflows, nothing cancels.
template <class V>
struct LogisticOf {
  V e, s, rest;
  HWY_INLINE explicit LogisticOf(const V& x) : e(exp_below<V>(abs(x))) {
    const V zero = Value<V>::of(0), larger = reciprocal(Value<V>::of(1) + e), smaller = e * larger;
    s = if_greater(x, zero, larger, smaller);
    rest = if_greater(x, zero, smaller, larger);
  }

 private:
  static HWY_INLINE V reciprocal(const V& x) {  // of one to two
    if constexpr (sizeof(V) > sizeof(NumberOf<V>)) return reciprocal_of_one_to_two(x);
    else return Value<V>::of(1) / x;
  }
};

// c(v) and c'(v)
template <class V>
struct CandidateAt {
  V value, slope;
  HWY_INLINE CandidateAt(Candidate kind, const V& v) : value(v), slope(Value<V>::of(1)) {
    if (kind == Candidate::linear) return;
    const LogisticOf<V> below(v);
    const V zero = Value<V>::of(0);
    value = if_greater(zero, v, below.s, v + Value<V>::of(0.5));
    slope = if_greater(zero, v, below.s * below.rest, slope);
  }
};

template <class Gate>
struct MinimalSteps {
  using V = typename Gate::V;
  using Args = typename Gate::Args;
  using Op = Segmented<AffineDiagonal<V>>;
  Args a;

  HWY_INLINE Part<V> part(int64_t line) const {
    return {line * Part<V>::kWidth, a.v.channels - line * Part<V>::kWidth};
  }
  HWY_INLINE bool starts(int64_t b, int64_t t) const { return a.resets && a.resets[b * a.v.length + t] != 0; }
  HWY_INLINE CandidateAt<V> candidate(const Part<V>& here, int64_t b, int64_t t) const {
    return {a.candidate, here.from(a.v.row(b, t))};
  }
};

template <class Gate>
struct MinimalForward : MinimalSteps<Gate> {
  using Base = MinimalSteps<Gate>;
  using V = typename Base::V;
  using Op = typename Base::Op;
  using Base::a, Base::part;

  HWY_INLINE V start(int64_t b, int64_t line) const {
    return a.h0 ? part(line).from(a.h0.row(b)) : Op::initial();
  }
  HWY_INLINE typename Op::Element element(int64_t b, int64_t line, int64_t t) const {
    const auto here = part(line);
    const Gate gate(a, here, b, t);
    return {{gate.keep, gate.take * this->candidate(here, b, t).value}, this->starts(b, t)};
  }
  HWY_INLINE void visit(int64_t b, int64_t line, int64_t t, const V& h) const {
    part(line).to(a.h.row(b, t), h);
  }
  HWY_INLINE void finish(int64_t b, int64_t line, const V& h) const { part(line).to(a.last.row(b), h); }
};

// Step i of the adjoint's scan is step t = L-1-i:
//   G_t = keep_{t+1} G_{t+1} + dh_t, from G_L = dlast with keep_L = 1
template <class Gate>
struct MinimalBackward : MinimalSteps<Gate> {
  using Base = MinimalSteps<Gate>;
  using V = typename Base::V;
  using Op = typename Base::Op;
  using Base::a, Base::part, Base::starts;

  HWY_INLINE V start(int64_t b, int64_t line) const {
    return a.dlast ? part(line).from(a.dlast.row(b)) : Op::initial();
  }
  HWY_INLINE typename Op::Element element(int64_t b, int64_t line, int64_t i) const {
    const int64_t t = a.v.length - 1 - i;
    return element(b, line, i, i == 0 || starts(b, t + 1) ? Value<V>::of(1) : Gate(a, part(line), b, t + 1).keep);
  }
  // The same where keep_{t+1} is at hand.
  HWY_INLINE typename Op::Element element(int64_t b, int64_t line, int64_t i, const V& keep) const {
    const int64_t t = a.v.length - 1 - i;
    const bool cut = i > 0 && starts(b, t + 1);
    return {{i == 0 || cut ? Value<V>::of(1) : keep, a.dh ? part(line).from(a.dh.row(b, t)) : Value<V>::of(0)}, cut};
  }
  HWY_INLINE V before(const Part<V>& here, int64_t b, int64_t t) const {
    if (starts(b, t) || (t == 0 && !a.h0)) return Op::initial();
    return here.from(t > 0 ? a.h.row(b, t - 1) : a.h0.row(b));
  }
  // Returns keep_t.
  HWY_INLINE V visit(int64_t b, int64_t line, int64_t i, const V& G) const {
    const auto here = part(line);
    const int64_t t = a.v.length - 1 - i;
    const Gate gate(a, here, b, t);
    const auto c = this->candidate(here, b, t);
    const V input = G * gate.take;
    if (a.dv) here.add_to(a.dv.row(b, t), input * c.slope, a.overwrite);
    if (Gate::wanted(a)) gate.add(a, here, b, t, input * gate.keep * (c.value - before(here, b, t)));
    return gate.keep;
  }
  HWY_INLINE void finish(int64_t b, int64_t line, const V& G) const {
    if (!a.dh0 || starts(b, 0)) return;
    const auto here = part(line);
    here.add_to(a.dh0.row(b), Gate(a, here, b, 0).keep * G);
  }
};

// run_sequential, but that a step's gate is computed once for both steps that want it.
template <class Gate>
void run_back(int64_t batch, int64_t length, int64_t lines, const MinimalBackward<Gate>& problem) {
  using V = typename Gate::V;
  const int64_t groups = (lines + kVectors - 1) / kVectors;
  parallel_for(batch * groups, [&](int64_t task) {
    const MinimalBackward<Gate> p = problem;
    const int64_t b = task / groups, first = task % groups * kVectors, count = std::min(kVectors, lines - first);
    V G[kVectors], keep[kVectors];
    for (int64_t c = 0; c < count; ++c) G[c] = p.start(b, first + c), keep[c] = Value<V>::of(1);
    for (int64_t i = 0; i < length; ++i)
      for (int64_t c = 0; c < count; ++c) {
        G[c] = MinimalBackward<Gate>::Op::apply(p.element(b, first + c, i, keep[c]), G[c]);
        keep[c] = p.visit(b, first + c, i, G[c]);
      }
    for (int64_t c = 0; c < count; ++c) p.finish(b, first + c, G[c]);
  });
}

template <class T, template <class> class Gate, class Args>
void run_minimal_forward(const Args& a) {
  const int64_t batch = a.v.batch, length = a.v.length, channels = a.v.channels;
  if (channels < kChunkedBelow) return run_chunked(batch, length, channels, MinimalForward<Gate<T>>{{a}});
  run_sequential(batch, length, (channels + kLanes<T> - 1) / kLanes<T>, MinimalForward<Gate<Vec<T>>>{{a}});
}

template <class T, template <class> class Gate, class Args>
void run_minimal_backward(const Args& a) {
  const int64_t batch = a.v.batch, length = a.v.length, channels = a.v.channels;
  if (channels < kChunkedBelow) return run_chunked(batch, length, channels, MinimalBackward<Gate<T>>{{a}});
  run_back(batch, length, (channels + kLanes<T> - 1) / kLanes<T>, MinimalBackward<Gate<Vec<T>>>{{a}});
}

}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
