// The gate of the recurrence in recurrence.h; scan/run.h runs time.
#include "kernels/min_gru/min_gru.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/min_gru/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/min_gru/recurrence.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

template <class Lanes>
struct UpdateGate {
  using V = Lanes;
  using Args = MinGru<NumberOf<V>>;
  V keep, take;

  HWY_INLINE UpdateGate(const Args& a, const Part<V>& here, int64_t b, int64_t t) {
    const LogisticOf<V> z(here.from(a.k.row(b, t)));
    keep = z.rest, take = z.s;
  }
  static HWY_INLINE bool wanted(const Args& a) { return bool(a.dk); }
  HWY_INLINE void add(const Args& a, const Part<V>& here, int64_t b, int64_t t, const V& dlogit) const {
    here.add_to(a.dk.row(b, t), dlogit, a.overwrite);
  }
};

template <class T>
void forward(const MinGru<T>& a) {
  run_minimal_forward<T, UpdateGate>(a);
}

template <class T>
void backward(const MinGru<T>& a) {
  run_minimal_backward<T, UpdateGate>(a);
}

}  // namespace
SIMD_KERNEL(min_gru_fwd, MinGru, forward)
SIMD_KERNEL(min_gru_bwd, MinGru, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(min_gru_fwd, MinGru)
SIMD_DISPATCH(min_gru_bwd, MinGru)
}  // namespace kernels
#endif
