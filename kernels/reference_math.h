// Functions for references, on double and on std::complex<double>. The complex ones carry a derivative in the
// imaginary part (complex step): f(a + ib) = f(a) + i b f'(a), with b so small (1e-50) that b^2 vanishes.
// std::complex has no erf or log1p, and its abs and comparisons would silently kill the derivative.
#pragma once
#include <cmath>
#include <complex>
#include <numbers>

namespace kernels::ref {

using Complex = std::complex<double>;

inline double real(double x) { return x; }
inline double real(const Complex& x) { return x.real(); }

// f(a) and f'(a) as a complex step
inline Complex lift(const Complex& x, double value, double slope) { return {value, x.imag() * slope}; }

inline double exp(double x) { return std::exp(x); }
inline Complex exp(const Complex& x) { const double e = std::exp(x.real()); return lift(x, e, e); }
inline double log(double x) { return std::log(x); }
inline Complex log(const Complex& x) { return lift(x, std::log(x.real()), 1 / x.real()); }
inline double log1p(double x) { return std::log1p(x); }
inline Complex log1p(const Complex& x) { return lift(x, std::log1p(x.real()), 1 / (1 + x.real())); }
inline double expm1(double x) { return std::expm1(x); }
inline Complex expm1(const Complex& x) { return lift(x, std::expm1(x.real()), std::exp(x.real())); }
inline double sqrt(double x) { return std::sqrt(x); }
inline Complex sqrt(const Complex& x) { const double r = std::sqrt(x.real()); return lift(x, r, 0.5 / r); }
inline double sin(double x) { return std::sin(x); }
inline Complex sin(const Complex& x) { return lift(x, std::sin(x.real()), std::cos(x.real())); }
inline double cos(double x) { return std::cos(x); }
inline Complex cos(const Complex& x) { return lift(x, std::cos(x.real()), -std::sin(x.real())); }
inline double tanh(double x) { return std::tanh(x); }
inline Complex tanh(const Complex& x) { const double t = std::tanh(x.real()); return lift(x, t, 1 - t * t); }
inline double erf(double x) { return std::erf(x); }
inline Complex erf(const Complex& x) {
  const double a = x.real();
  return lift(x, std::erf(a), 2 / std::sqrt(std::numbers::pi) * std::exp(-a * a));
}
inline double erfc(double x) { return std::erfc(x); }
inline Complex erfc(const Complex& x) {
  const double a = x.real();
  return lift(x, std::erfc(a), -2 / std::sqrt(std::numbers::pi) * std::exp(-a * a));
}
inline double abs(double x) { return std::abs(x); }
inline Complex abs(const Complex& x) { return x.real() < 0 ? -x : x; }

// Branches look at real parts only; at a kink the derivative is that from the right.
// (No template: std::max, found through std::complex, would be as good a match.)
inline double max(double a, double b) { return a >= b ? a : b; }
inline Complex max(const Complex& a, const Complex& b) { return a.real() >= b.real() ? a : b; }
template <class T>
T sigmoid(const T& x) {
  const double e = std::exp(-std::abs(real(x)));
  const double s = real(x) >= 0 ? 1 / (1 + e) : e / (1 + e);
  if constexpr (std::is_same_v<T, double>) return s;
  else return lift(x, s, s * (1 - s));
}
template <class T>
T softplus(const T& x) {
  const double a = real(x), value = (a > 0 ? a : 0) + std::log1p(std::exp(-std::abs(a)));
  if constexpr (std::is_same_v<T, double>) return value;
  else return lift(x, value, sigmoid(a));
}
template <class T>
T silu(const T& x) { return x * sigmoid(x); }

}  // namespace kernels::ref
