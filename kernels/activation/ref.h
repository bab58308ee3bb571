// The definitions, read straight off activation.h.
#pragma once
#include "kernels/activation/activation.h"
#include "kernels/array.h"
#include "kernels/reference_math.h"

namespace kernels::ref {

template <class T>
T activation(ActivationKind kind, const T& x) {
  const T positive = real(x) > 0 ? x : T(0);
  switch (kind) {
    case ActivationKind::silu: return silu(x);
    case ActivationKind::gelu_tanh:
      return 0.5 * x * (1.0 + tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case ActivationKind::gelu_erf: return 0.5 * x * erfc(-x / std::numbers::sqrt2);
    case ActivationKind::relu: return positive;
    case ActivationKind::relu_squared: return positive * positive;
    case ActivationKind::sigmoid: return sigmoid(x);
    case ActivationKind::tanh: return tanh(x);
    case ActivationKind::softplus: return softplus(x);
    case ActivationKind::neg_exp: return -exp(x);
    case ActivationKind::exp: return exp(x);
    case ActivationKind::sin: return sin(x);
    case ActivationKind::cos: return cos(x);
  }
  return x;
}

// in: x; out: y
template <class T>
Arrays<T> activation(ActivationKind kind, const Arrays<T>& in) {
  Array<T> y = in[0];
  for (T& v : y.data) v = activation(kind, v);
  return {y};
}

}  // namespace kernels::ref
