// Asking memory early for what is read or written soon.
#pragma once
#include <hwy/base.h>

#include <cstdint>

namespace kernels {

// n elements on their way to the second-level cache. Inlined by force, as whatever only calls it must be: GCC takes a function
// that does nothing but this for one without effect, and drops its calls.
template <class T>
HWY_INLINE void fetch(const T* p, int64_t n) {
  for (int64_t i = 0; i < n; i += 64 / int64_t(sizeof(T))) __builtin_prefetch(p + i, 0, 2);
}

}  // namespace kernels
