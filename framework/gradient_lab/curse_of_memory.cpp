#include "framework/gradient_lab/curse_of_memory.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/core/random.h"
#include "framework/ops/complex_scan.h"

namespace adder::lab {
namespace {

constexpr int64_t kTogether = 256;  // sequences at once: memory

void check(double lambda, double rho) {
  if (!(lambda > 0 && lambda < 1)) throw Error("[curse_of_memory] lambda is " + std::to_string(lambda) + ", expected between 0 and 1");
  if (!(std::abs(rho) < 1)) throw Error("[curse_of_memory] rho is " + std::to_string(rho) + ", expected between -1 and 1");
}

// d lambda / d parameter
double slope(Parametrisation p, double lambda) {
  switch (p) {
    case Parametrisation::raw: return 1;
    case Parametrisation::sigmoid: return lambda * (1 - lambda);
    case Parametrisation::exponential:
    case Parametrisation::normalised: break;
  }
  return lambda * std::log(lambda);
}

// x_t = rho x_{t-1} + sqrt(1 - rho^2) e_t, e_t = +-1: white, of variance 1. (1, length, sequences)
Tensor inputs(double rho, int64_t length, int64_t sequences, const Random& random) {
  const Tensor x = Tensor::empty({1, length, sequences}, DType::f64);
  const double fresh = std::sqrt(1 - rho * rho);
  double* at = x.data<double>();
  for (int64_t i = 0; i < length * sequences; i += 32) {
    const uint32_t bits = random.bits(uint64_t(i / 32));
    for (int64_t k = i; k < std::min(i + 32, length * sequences); ++k) {
      const double sign = bits >> (k - i) & 1 ? 1 : -1;
      at[k] = k < sequences ? sign : rho * at[k - sequences] + fresh * sign;
    }
  }
  return x;
}

struct LastState {
  Tensor h, slope;  // (sequences): h and dh / dlambda at the end
};
LastState run(double lambda, const Tensor& x) {
  const int64_t n = x.dim(2);
  Tape tape;
  ops::ComplexScanInputs in;
  const Var a = tape.leaf(Tensor::full({n}, lambda, DType::f64));
  in.a_re = a, in.a_im = Tensor::zeros({n}, DType::f64);
  in.b_re = x, in.b_im = Tensor::zeros(x.shape(), DType::f64);
  const Var last = ops::complex_scan(in).last_re;
  tape.backward(last);
  return {last.value(), a.node()->gathered()};
}

}  // namespace

std::string name(Parametrisation p) {
  switch (p) {
    case Parametrisation::raw: return "lambda";
    case Parametrisation::sigmoid: return "sigmoid(s)";
    case Parametrisation::exponential: return "exp(-exp(nu))";
    case Parametrisation::normalised: break;
  }
  return "exp(-exp(nu)), normalised";
}

double sensitivity_formula(Parametrisation p, double lambda, double rho) {
  check(lambda, rho);
  const double u = 1 - lambda * lambda, w = 1 - lambda * rho, s = lambda * rho / w;
  const double square = (1 + 2 * s) / u;                                                     // E h^2
  const double product = lambda * (1 + 2 * s) / (u * u) + rho / (w * w) / u;                 // E h h': half its slope
  const double slopes = (1 + lambda * lambda) / (u * u * u) * (1 + 2 * s) + 2 / (u * u) * lambda * rho / (w * w);
  const double factor = slope(p, lambda) * slope(p, lambda);
  if (p != Parametrisation::normalised) return factor * slopes;
  return factor * (u * slopes + lambda * lambda / u * square - 2 * lambda * product);  // g h' + g' h, g = sqrt(u)
}

std::vector<Sensitivity> measure_sensitivity(double lambda, double rho, int64_t samples, uint64_t seed) {
  check(lambda, rho);
  const int64_t length = int64_t(std::ceil(12 / (1 - lambda)));  // what came before weighs less than 1e-4
  const double gamma = std::sqrt(1 - lambda * lambda);
  double sums[4] = {}, squares[4] = {};
  for (int64_t first = 0; first < samples; first += kTogether) {
    const int64_t count = std::min(kTogether, samples - first);
    const LastState last = run(lambda, inputs(rho, length, count, Random(seed, "curse", uint64_t(first))));
    for (int64_t i = 0; i < count; ++i) {
      const double h = last.h.item(i), dh = last.slope.item(i);
      for (size_t p = 0; p < 4; ++p) {
        const bool normalised = kParametrisations[p] == Parametrisation::normalised;
        const double d = slope(kParametrisations[p], lambda) * (normalised ? gamma * dh - lambda / gamma * h : dh);
        sums[p] += d * d, squares[p] += d * d * d * d;
      }
    }
  }
  std::vector<Sensitivity> result;
  const double n = double(samples);
  for (size_t p = 0; p < 4; ++p)
    result.push_back({sums[p] / n, std::sqrt(std::max(0.0, squares[p] / n - std::pow(sums[p] / n, 2)) / n)});
  return result;
}

}  // namespace adder::lab
