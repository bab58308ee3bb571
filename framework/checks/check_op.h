// The one-line test of an op: held to its reference in value and in gradient.
//   const auto report = check_op("rms_norm", {.op = …, .ref = reference(…), .inputs = {…}});
// What it does, in float32 and in float64, on poisoned buffers:
//   value and every gradient against the reference, differentiated by complex step (exact, nothing to tune);
//   gradients added, not assigned; each output used alone; each input alone wanting a gradient;
//   strided inputs, gradients and adjoints, 1 thread against several, every SIMD target, values without a tape: the same bits.
#pragma once
#include <complex>
#include <functional>
#include <string>
#include <vector>

#include "framework/core/tape.h"
#include "kernels/array.h"

namespace adder {

using kernels::Arrays;
using Complex = std::complex<double>;

struct Reference {
  std::function<Arrays<double>(const Arrays<double>&)> value;
  std::function<Arrays<Complex>(const Arrays<Complex>&)> complex_step;
};
// From a generic callable: reference([](const auto& in) { return kernels::ref::rms_norm(in, 1e-5); })
template <class F>
Reference reference(F f) {
  return {[f](const Arrays<double>& in) { return f(in); }, [f](const Arrays<Complex>& in) { return f(in); }};
}

struct OpCase {
  std::function<std::vector<Var>(const std::vector<Var>&)> op;
  Reference ref;
  std::vector<Tensor> inputs;        // float64, exactly representable in float32; int32: constants; undefined: left out
  double float32_tolerance = 1e-5;   // max |error| / max |reference|, by tensor
  double float64_tolerance = 1e-11;
};

struct CheckReport {
  std::string text;                  // one line a failure; what ran, if all is well
  bool ok = false;
};

CheckReport check_op(const std::string& name, const OpCase& c);

// For shapes too large for a reference: the op's values and gradients have the same bits on 1, 2 and 5 threads and on every SIMD
// target, its values also without a tape. Float inputs only; any float dtype.
CheckReport check_bits(const std::string& name, const OpCase& c);

// Inputs for cases, float64, representable in float32, a pure function of shape and seed.
Tensor normal_input(const Shape& shape, uint64_t seed, double stddev = 1);
Tensor uniform_input(const Shape& shape, uint64_t seed, double low, double high);
Tensor index_input(const Shape& shape, uint64_t seed, int32_t bound);

}  // namespace adder
