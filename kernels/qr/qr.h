// Thin QR of k vectors of n numbers, k <= n, as the rows of x: A = x^T = Q R, q = Q^T, R upper triangular with a positive
// diagonal. What a basis is stretched by is the logarithm of that diagonal.
//   x[b,i] = sum_{j<=i} r[b,j,i] q[b,j],  q[b,i] . q[b,j] = 1 for i = j, else 0,  log_r[b,i] = log r[b,i,i]
// Gradients (Walter & Lehmann, 2010), a column a vector, with g = dlog_r and C symmetric, C[i,j] = C[j,i] for i >= j:
//   C[i,j] = g[i] (i = j) - dq[i] . q[j],  B = dQ + Q C,  dA R^T = B, solved from the last column to the first
// Sums are in double, in the order of their index. Vectors must not depend on one another: what is then
// left of one is rounding, or 0, whose log_r is -infinity.
#pragma once
#include <cstdint>

namespace kernels {

template <class T>
struct Qr {
  int64_t batch = 0, k = 0, n = 0;
  const T* x = nullptr;      // [batch, k, n]  read by forward only
  T* q = nullptr;            // [batch, k, n]  written by forward, read by backward
  double* r = nullptr;       // [batch, k, k]  written by forward (its upper triangle), read by backward
  T* log_r = nullptr;        // [batch, k]     written by forward
  const T* dq = nullptr;     // [batch, k, n]  read by backward; null: that output was not used
  const T* dlog_r = nullptr; // [batch, k]
  T* dx = nullptr;           // [batch, k, n]  backward adds into it
};

namespace cpu {
template <class T> void qr_fwd(const Qr<T>&);
template <class T> void qr_bwd(const Qr<T>&);
}  // namespace cpu
}  // namespace kernels
