// A diagonal state space h' = A h + B u in continuous time, sampled with u held from step to step (zero-order hold).
//   a[d,n] = exp(z),  b[d,n] = (exp(z) - 1) / A[d,n],  z = dt[d] A[d,n]         B = 1: its numbers are folded into C
// A is complex, as a real pair, or real: A_im, a_im, b_im are null. exp(z) - 1 is taken as
//   expm1(x) cos(y) - 2 sin^2(y / 2) + i e^x sin(y),  z = x + i y,
// which keeps its digits where z is small. Gradients, with g = dL/dre + i dL/dim of each and * the conjugate:
//   dA += (dt a)* ga + ((dt a - b) / A)* gb,  ddt += Re((A a)* ga + a* gb)
// (dt a - b) / A = dt^2 (z e^z - e^z + 1) / z^2, by its series where |z| < 1/2.
#pragma once
#include <cstdint>

namespace kernels {

template <class T>
struct Zoh {
  int64_t channels = 0, state = 0;
  const T* dt = nullptr;                                // [channels]
  const T *A_re = nullptr, *A_im = nullptr;             // [channels, state]; not 0
  T *a_re = nullptr, *a_im = nullptr, *b_re = nullptr, *b_im = nullptr;  // [channels, state]   written by forward
  const T *ga_re = nullptr, *ga_im = nullptr, *gb_re = nullptr, *gb_im = nullptr;  // read by backward; null: unused
  T *ddt = nullptr, *dA_re = nullptr, *dA_im = nullptr;  // backward adds into these; null: not wanted
};

namespace cpu {
template <class T> void zoh_fwd(const Zoh<T>&);
template <class T> void zoh_bwd(const Zoh<T>&);
}  // namespace cpu
}  // namespace kernels
