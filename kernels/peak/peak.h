// What this processor can do at most: the limits beside which a kernel's speed is shown. Each call does a fixed amount
// of work, in `tasks` parts on all threads, and says how much it was; the caller takes the time.
//   peak_fma    chains of fused multiply-adds that never leave the registers, as many as hide their latency
//   peak_exp    e^x over a buffer in L1, by the fastest of simd.h's ways
//   peak_read, peak_copy, peak_triad   x;  y = x;  y = x + s z;  over memory, past the caches on the way out
#pragma once
#include <cstdint>

namespace kernels {

template <class T>
struct Peak {
  int64_t tasks = 1;      // parts, for as many threads
  int64_t rounds = 1000;  // peak_fma, peak_exp: how long a part takes
  int64_t n = 0;          // memory: elements of each of x, y, z; a multiple of 16
  const T* x = nullptr;
  const T* z = nullptr;
  T* y = nullptr;
  double* work = nullptr;  // one number, set: FLOPs (a multiply-add is two), exponentials or bytes
};

namespace cpu {
template <class T>
void peak_fma(const Peak<T>&);
template <class T>
void peak_exp(const Peak<T>&);
template <class T>
void peak_read(const Peak<T>&);
template <class T>
void peak_copy(const Peak<T>&);
template <class T>
void peak_triad(const Peak<T>&);
}  // namespace cpu
}  // namespace kernels
