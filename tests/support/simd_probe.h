// The vector functions of kernels/simd.h, callable from a test, on the SIMD target in use.
#pragma once
#include <cstdint>

namespace kernels {

enum class ProbeKind { exp, exp2, log1p_unit, sigmoid, softplus, tanh, keep };

template <class T>
struct Probe {
  ProbeKind kind;
  const T* x;   // [n]
  T* y;         // [n]   f(x)
  int64_t n;    // keep: the 16 (8) lanes of x, all but the first n of them 0; y has room for all
};

// Sum and maximum of one Vec.
template <class T>
struct ProbeReduce {
  const T* x;   // one Vec
  T* sum;
  T* maximum;
};

namespace cpu {
template <class T> void probe(const Probe<T>&);
template <class T> void probe_reduce(const ProbeReduce<T>&);
}  // namespace cpu
}  // namespace kernels
