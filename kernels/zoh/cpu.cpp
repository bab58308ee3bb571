// A few parameters, so plain loops in double, channels in parallel: the same bits on every SIMD target.
#include "kernels/zoh/zoh.h"

#include <algorithm>
#include <complex>

#include "kernels/parallel.h"

namespace kernels::cpu {
namespace {

using Complex = std::complex<double>;

constexpr int64_t kBlock = 256;  // elements of a task

template <class T>
Complex pair(const T* re, const T* im, int64_t i) {
  return {re ? double(re[i]) : 0, im ? double(im[i]) : 0};
}

// e^z - 1
Complex expm1(const Complex& z) {
  const double half = std::sin(z.imag() / 2);
  return {std::expm1(z.real()) * std::cos(z.imag()) - 2 * half * half, std::exp(z.real()) * std::sin(z.imag())};
}

// (z e^z - e^z + 1) / z^2 = sum over k of z^k / (k! (k + 2))
Complex slope_over_square(const Complex& z) {
  if (std::abs(z) >= 0.5) return (z * std::exp(z) - expm1(z)) / (z * z);
  Complex power = 1, total = 0;
  for (int k = 0; k < 18; ++k) {
    total += power / double(k + 2);
    power *= z / double(k + 1);
  }
  return total;
}

template <class T>
void forward(const Zoh<T>& s) {
  parallel_blocks(s.channels * s.state, kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double dt = double(s.dt[i / s.state]);
      const Complex A = pair(s.A_re, s.A_im, i), z = dt * A, a = std::exp(z), b = expm1(z) / A;
      s.a_re[i] = T(a.real()), s.b_re[i] = T(b.real());
      if (s.A_im) s.a_im[i] = T(a.imag()), s.b_im[i] = T(b.imag());
    }
  });
}

template <class T>
void backward_channel(const Zoh<T>& s, int64_t d) {
  const double dt = double(s.dt[d]);
  double step = 0;
  for (int64_t i = d * s.state; i < (d + 1) * s.state; ++i) {
    const Complex A = pair(s.A_re, s.A_im, i), z = dt * A, a = std::exp(z);
    const Complex ga = pair(s.ga_re, s.ga_im, i), gb = pair(s.gb_re, s.gb_im, i);
    const Complex dA = std::conj(dt * a) * ga + std::conj(dt * dt * slope_over_square(z)) * gb;
    if (s.dA_re) s.dA_re[i] += T(dA.real());
    if (s.dA_im) s.dA_im[i] += T(dA.imag());
    step += (std::conj(A * a) * ga + std::conj(a) * gb).real();
  }
  if (s.ddt) s.ddt[d] += T(step);
}

template <class T>
void backward(const Zoh<T>& s) {
  parallel_blocks(s.channels, std::max<int64_t>(1, kBlock / std::max<int64_t>(1, s.state)), [&](int64_t begin, int64_t end) {
    for (int64_t d = begin; d < end; ++d) backward_channel(s, d);
  });
}

}  // namespace

template <class T> void zoh_fwd(const Zoh<T>& s) { forward(s); }
template <class T> void zoh_bwd(const Zoh<T>& s) { backward(s); }
template void zoh_fwd(const Zoh<float>&);
template void zoh_fwd(const Zoh<double>&);
template void zoh_bwd(const Zoh<float>&);
template void zoh_bwd(const Zoh<double>&);

}  // namespace kernels::cpu
