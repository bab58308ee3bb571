// The gates of the recurrence in min_gru/recurrence.h; scan/run.h runs time.
#include "kernels/min_lstm/min_lstm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/min_lstm/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/min_gru/recurrence.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

template <class V>
HWY_INLINE V least_with_zero(const V& x) {
  return if_greater(x, Value<V>::of(0), Value<V>::of(0), x);
}

template <class Lanes>
struct NormalisedGates {
  using V = Lanes;
  using Args = MinLstm<NumberOf<V>>;
  V keep, take;
  LogisticOf<V> at_f, at_i;

  HWY_INLINE NormalisedGates(const Args& a, const Part<V>& here, int64_t b, int64_t t)
      : at_f(here.from(a.f.row(b, t))), at_i(here.from(a.i.row(b, t))) {
    const V f = here.from(a.f.row(b, t)), i = here.from(a.i.row(b, t));
    const V one = Value<V>::of(1), zero = Value<V>::of(0);
    const V difference = least_with_zero(f) - least_with_zero(i), power = exp_below<V>(abs(difference));
    const V forget = if_greater(zero, difference, power, one) * (one + at_i.e);
    const V input = if_greater(difference, zero, power, one) * (one + at_f.e);
    const V scale = one / (forget + input);
    keep = forget * scale, take = input * scale;
  }
  static HWY_INLINE bool wanted(const Args& a) { return a.df || a.di; }
  HWY_INLINE void add(const Args& a, const Part<V>& here, int64_t b, int64_t t, const V& dlogit) const {
    if (a.df) here.add_to(a.df.row(b, t), -dlogit * at_f.rest, a.overwrite);
    if (a.di) here.add_to(a.di.row(b, t), dlogit * at_i.rest, a.overwrite);
  }
};

template <class T>
void forward(const MinLstm<T>& a) {
  run_minimal_forward<T, NormalisedGates>(a);
}

template <class T>
void backward(const MinLstm<T>& a) {
  run_minimal_backward<T, NormalisedGates>(a);
}

}  // namespace
SIMD_KERNEL(min_lstm_fwd, MinLstm, forward)
SIMD_KERNEL(min_lstm_bwd, MinLstm, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(min_lstm_fwd, MinLstm)
SIMD_DISPATCH(min_lstm_bwd, MinLstm)
}  // namespace kernels
#endif
