// Gram-Schmidt, twice: once leaves rounding errors where vectors are nearly parallel. Small matrices, so plain loops; the
// matrices of a batch in parallel.
#include "kernels/qr/qr.h"

#include <cmath>
#include <vector>

#include "kernels/parallel.h"

namespace kernels::cpu {
namespace {

double dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t c = 0; c < n; ++c) sum += a[c] * b[c];
  return sum;
}
void subtract(double* a, double factor, const double* b, int64_t n) {
  for (int64_t c = 0; c < n; ++c) a[c] -= factor * b[c];
}

template <class T>
void factorise(const Qr<T>& s, int64_t b) {
  const int64_t k = s.k, n = s.n;
  std::vector<double> q(s.x + b * k * n, s.x + (b + 1) * k * n);
  double* r = s.r + b * k * k;
  for (int64_t i = 0; i < k; ++i) {
    double* v = &q[size_t(i * n)];
    for (int64_t j = 0; j < i; ++j) r[j * k + i] = 0;
    for (int pass = 0; pass < 2; ++pass)
      for (int64_t j = 0; j < i; ++j) {
        const double share = dot(&q[size_t(j * n)], v, n);
        subtract(v, share, &q[size_t(j * n)], n);
        r[j * k + i] += share;
      }
    const double length = std::sqrt(dot(v, v, n));
    r[i * k + i] = length;
    s.log_r[b * k + i] = T(std::log(length));
    for (int64_t c = 0; c < n; ++c) v[c] /= length;
  }
  for (int64_t e = 0; e < k * n; ++e) s.q[b * k * n + e] = T(q[size_t(e)]);
}

// Row i of dx from row i of B and the rows below it, in the place of B.
template <class T>
void differentiate(const Qr<T>& s, int64_t b) {
  const int64_t k = s.k, n = s.n;
  const std::vector<double> q(s.q + b * k * n, s.q + (b + 1) * k * n);
  std::vector<double> dq(size_t(k * n), 0), C(size_t(k * k));
  if (s.dq) dq.assign(s.dq + b * k * n, s.dq + (b + 1) * k * n);
  const double* r = s.r + b * k * k;
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j <= i; ++j) {
      const double g = i == j && s.dlog_r ? double(s.dlog_r[b * k + i]) : 0;
      C[size_t(i * k + j)] = C[size_t(j * k + i)] = g - dot(&dq[size_t(i * n)], &q[size_t(j * n)], n);
    }
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < k; ++j) subtract(&dq[size_t(i * n)], -C[size_t(i * k + j)], &q[size_t(j * n)], n);
  for (int64_t i = k - 1; i >= 0; --i) {
    double* row = &dq[size_t(i * n)];
    for (int64_t j = i + 1; j < k; ++j) subtract(row, r[i * k + j], &dq[size_t(j * n)], n);
    for (int64_t c = 0; c < n; ++c) {
      row[c] /= r[i * k + i];
      s.dx[(b * k + i) * n + c] += T(row[c]);
    }
  }
}

}  // namespace

template <class T>
void qr_fwd(const Qr<T>& s) {
  parallel_for(s.batch, [&](int64_t b) { factorise(s, b); });
}
template <class T>
void qr_bwd(const Qr<T>& s) {
  if (s.dx) parallel_for(s.batch, [&](int64_t b) { differentiate(s, b); });
}
template void qr_fwd(const Qr<float>&);
template void qr_fwd(const Qr<double>&);
template void qr_bwd(const Qr<float>&);
template void qr_bwd(const Qr<double>&);

}  // namespace kernels::cpu
