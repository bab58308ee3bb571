// Functions of one number, applied to every element.
//   y = f(x)        dx = before + dy f'(x)
//   silu          x s(x), s the logistic sigmoid 1 / (1 + e^-x)
//   gelu_tanh     x/2 (1 + tanh(c (x + 0.044715 x^3))), c = sqrt(2/pi)     (Hendrycks & Gimpel, 2016)
//   gelu_erf      x/2 (1 + erf(x / sqrt 2)) = x/2 erfc(-x / sqrt 2)
//   relu          max(0, x); slope 0 at 0
//   relu_squared  max(0, x)^2
//   sigmoid       s(x)
//   tanh          tanh(x)
//   softplus      log(1 + e^x)
//   neg_exp       -e^x: the decay rate A of a state-space model from its stored logarithm
//   exp, sin, cos
#pragma once
#include "kernels/matrix.h"

namespace kernels {

enum class ActivationKind {
  silu, gelu_tanh, gelu_erf, relu, relu_squared, sigmoid, tanh, softplus, neg_exp, exp, sin, cos
};

inline bool takes_exp(ActivationKind kind) { return kind != ActivationKind::relu && kind != ActivationKind::relu_squared; }

template <class T>
struct Activation {
  ActivationKind kind;
  Matrix<const T> x;      // [rows, columns]
  Matrix<T> y{};          // [rows, columns]   written by forward, by backward again where not null; may be x then
  Matrix<const T> dy{};   // [rows, columns]   read by backward
  Matrix<const T> before{};  // what dx begins from; may be dx; null: zeros
  Matrix<T> dx{};         // written by backward; may be dy or x
};

namespace cpu {
template <class T> void activation_fwd(const Activation<T>&);
template <class T> void activation_bwd(const Activation<T>&);
}  // namespace cpu
}  // namespace kernels
