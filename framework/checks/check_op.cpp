#include "framework/checks/check_op.h"

#include <cmath>
#include <cstdio>
#include <cstring>

#include "framework/core/error.h"
#include "framework/core/random.h"
#include "framework/ops/view.h"
#include "kernels/parallel.h"
#include "kernels/simd_target.h"

namespace adder {
namespace {

constexpr double kStep = 1e-50;  // complex step: no subtraction, hence no cancellation

struct Outcome {
  std::vector<Tensor> outputs, gradients;  // gradients: undefined where the input wants none or got none
  std::vector<Tensor> whole;               // strided: gradients of the wider buffers that inputs are cut from
};

// A strided tensor is columns [1, 1 + n) of a wider buffer whose other elements are NaN.
constexpr int64_t kColumnsBefore = 1, kColumnsAround = 3;

Tensor widened(const Tensor& x) {
  Shape shape = x.shape();
  shape.back() += kColumnsAround;
  const Tensor wide = Tensor::full(shape, NAN, x.dtype());
  wide.narrow(-1, kColumnsBefore, x.dim(-1)).copy_from(x);
  return wide;
}

Tensor strided(const Tensor& x) {
  return x.rank() == 0 ? x : widened(x).narrow(-1, kColumnsBefore, x.dim(-1));
}

struct Run {
  DType dtype = DType::f64;
  bool strided = false;
  double gradient_start = 0;      // gradients hold this before backward
  int only_output = -1;           // the only output with an adjoint
  int only_input = -1;            // the only input that wants a gradient
};

bool differentiable(const Tensor& x) { return x.defined() && x.dtype() != DType::i32; }

Outcome run(const OpCase& c, const std::vector<Tensor>& adjoints, const Run& how) {
  Tape tape;
  std::vector<Parameter> parameters(c.inputs.size());
  std::vector<Var> inputs;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    const Tensor& x = c.inputs[i];
    if (!differentiable(x)) {
      inputs.emplace_back(x);
      continue;
    }
    const Tensor value = x.to(how.dtype);
    if (how.only_input >= 0 && how.only_input != int(i)) {
      inputs.emplace_back(value);
      continue;
    }
    const bool cut = how.strided && x.rank() > 0;
    parameters[i].value = cut ? widened(value) : value;
    if (how.gradient_start != 0) parameters[i].grad = Tensor::full(x.shape(), how.gradient_start, how.dtype);
    const Var used = tape.use(parameters[i]);
    inputs.push_back(cut ? ops::narrow(used, -1, kColumnsBefore, x.dim(-1)) : used);
  }
  Outcome result;
  const std::vector<Var> outputs = c.op(inputs);
  for (const Var& y : outputs) result.outputs.push_back(y.value().clone());
  std::vector<std::pair<Var, Tensor>> seeds;
  for (size_t j = 0; j < outputs.size() && j < adjoints.size(); ++j) {
    if (!outputs[j].tape() || (how.only_output >= 0 && how.only_output != int(j))) continue;
    const Tensor adjoint = adjoints[j].to(how.dtype);
    seeds.emplace_back(outputs[j], how.strided ? strided(adjoint) : adjoint);
  }
  tape.backward(seeds);
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Tensor grad = parameters[i].grad;
    const bool cut = how.strided && grad.defined() && grad.rank() > 0;
    result.gradients.push_back(cut ? grad.narrow(-1, kColumnsBefore, c.inputs[i].dim(-1)) : grad);
    result.whole.push_back(cut ? grad : Tensor());
  }
  return result;
}

// The outputs where no tape records: an op may go another way then.
std::vector<Tensor> outputs_without_tape(const OpCase& c, DType dtype) {
  std::vector<Var> inputs;
  for (const Tensor& x : c.inputs) inputs.emplace_back(differentiable(x) ? x.to(dtype) : x);
  std::vector<Tensor> outputs;
  for (const Var& y : c.op(inputs)) outputs.push_back(y.value());
  return outputs;
}

template <class T>
kernels::Array<T> array_of(const Tensor& x) {
  if (!x.defined()) return {};
  kernels::Array<T> a(x.shape().to_vector());
  for (int64_t i = 0; i < x.size(); ++i) a.data[size_t(i)] = x.item(i);
  return a;
}

std::vector<Tensor> adjoints_for(const std::vector<Shape>& shapes) {
  std::vector<Tensor> adjoints;
  for (size_t j = 0; j < shapes.size(); ++j) adjoints.push_back(normal_input(shapes[j], 1000 + j));
  return adjoints;
}

// Gradients of sum_j <output_j, adjoint_j> by complex step, one evaluation an input element.
// Returned by (output, input), so that each output alone can be checked as well.
std::vector<std::vector<std::vector<double>>> exact_gradients(const OpCase& c, const std::vector<Tensor>& adjoints) {
  Arrays<Complex> in;
  for (const Tensor& x : c.inputs) in.push_back(array_of<Complex>(x));
  std::vector<std::vector<std::vector<double>>> g(adjoints.size());
  for (auto& by_input : g) by_input.resize(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    if (!differentiable(c.inputs[i])) continue;
    for (size_t k = 0; k < in[i].data.size(); ++k) {
      const Complex keep = in[i].data[k];
      in[i].data[k] = {keep.real(), kStep};
      const Arrays<Complex> out = c.ref.complex_step(in);
      in[i].data[k] = keep;
      for (size_t j = 0; j < adjoints.size(); ++j) {
        double slope = 0;
        for (size_t e = 0; e < out[j].data.size(); ++e)
          slope += adjoints[j].item(int64_t(e)) * out[j].data[e].imag() / kStep;
        g[j][i].push_back(slope);
      }
    }
  }
  return g;
}

std::string number(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", x);
  return text;
}

class Checker {
 public:
  explicit Checker(std::string name) : name_(std::move(name)) {}

  void fail(const std::string& what) { failures_ += "[" + name_ + "] " + what + "\n"; }

  void near(const std::string& what, const Tensor& got, const std::vector<double>& want, double tolerance, double extra = 0) {
    if (!got.defined()) {
      for (double w : want)
        if (w != 0) return fail(what + " is missing");
      return;
    }
    if (got.size() != int64_t(want.size()))
      return fail(what + " has shape " + to_string(got.shape()) + ", expected " + std::to_string(want.size()) + " elements");
    double peak = extra;
    for (double w : want) peak = std::max(peak, std::abs(w));
    for (int64_t i = 0; i < got.size(); ++i) {
      const double error = std::abs(got.item(i) - want[size_t(i)]);
      if (!(error <= tolerance * (peak + 1e-30)))
        return fail(what + "[" + std::to_string(i) + "] is " + number(got.item(i)) + ", expected " +
                    number(want[size_t(i)]) + "; error " + number(error / (peak + 1e-30)) + " of the peak");
    }
  }

  void same_bits(const std::string& what, const Tensor& a, const Tensor& b) {
    if (a.defined() != b.defined()) return fail(what + ": one of the two is missing");
    if (!a.defined()) return;
    const Tensor x = a.clone(), y = b.clone();
    if (x.shape() != y.shape() || std::memcmp(x.raw(), y.raw(), size_t(x.size()) * bytes_of(x.dtype())) != 0) {
      int64_t first = 0;
      while (first < x.size() && x.shape() == y.shape() && x.item(first) == y.item(first)) ++first;
      fail(what + ": bits differ, first at element " + std::to_string(first));
    }
  }

  void same_bits(const std::string& what, const Outcome& a, const Outcome& b) {
    for (size_t j = 0; j < a.outputs.size(); ++j)
      same_bits(what + ", output " + std::to_string(j), a.outputs[j], b.outputs[j]);
    for (size_t i = 0; i < a.gradients.size(); ++i)
      same_bits(what + ", gradient " + std::to_string(i), a.gradients[i], b.gradients[i]);
  }

  // Columns of a gradient that the op's input is not cut from: nothing may reach them.
  void zero_around(const std::string& what, const Outcome& outcome) {
    for (size_t i = 0; i < outcome.whole.size(); ++i) {
      const Tensor& whole = outcome.whole[i];
      if (!whole.defined()) continue;
      const int64_t columns = whole.dim(-1), end = columns - (kColumnsAround - kColumnsBefore);
      for (int64_t k = 0; k < whole.size(); ++k) {
        const int64_t column = k % columns;
        if ((column >= kColumnsBefore && column < end) || whole.item(k) == 0) continue;
        fail(what + ", gradient " + std::to_string(i) + ": element " + std::to_string(k) +
             " outside the input is " + number(whole.item(k)) + ", expected 0");
        break;
      }
    }
  }

  CheckReport report(const std::string& what_ran) const {
    return {failures_.empty() ? "[" + name_ + "] ok: " + what_ran : failures_, failures_.empty()};
  }

 private:
  std::string name_, failures_;
};

// Restores threads, SIMD target and poison on the way out.
struct Settings {
  int threads = kernels::threads();
  std::string target = kernels::simd_target();
  bool poison = arena::poison();
  ~Settings() {
    kernels::set_threads(threads);
    kernels::set_simd_target(target);
    arena::set_poison(poison);
  }
};

std::string check_variants(Checker& checker, const OpCase& c, const std::vector<Tensor>& adjoints, DType dtype,
                           const Outcome& base) {
  const std::string target = kernels::simd_target();
  const auto without_tape = [&](const std::string& where) {
    const auto outputs = outputs_without_tape(c, dtype);
    for (size_t j = 0; j < base.outputs.size(); ++j)
      checker.same_bits(where + " without a tape, output " + std::to_string(j), base.outputs[j], outputs[j]);
  };
  const auto variant = [&](const std::string& usual, const std::string& other) {
    checker.same_bits(std::string(name(dtype)) + ", " + usual + " and " + other, base, run(c, adjoints, {.dtype = dtype}));
    without_tape(std::string(name(dtype)) + ", " + other);
  };
  without_tape(name(dtype));
  for (int n : {2, 5}) {
    kernels::set_threads(n);
    variant("1", std::to_string(n) + " threads");
  }
  kernels::set_threads(1);
  std::string ran = "threads 1, 2, 5; " + target;
  for (const auto& other : kernels::simd_targets()) {
    if (other == target || other == "scalar") continue;  // the scalar target has no fused multiply-add: other bits
    kernels::set_simd_target(other);
    variant(target, other);
    ran += ", " + other;
  }
  kernels::set_simd_target(target);
  return ran;
}

std::vector<Shape> output_shapes(const OpCase& c) {
  std::vector<Var> inputs(c.inputs.begin(), c.inputs.end());
  std::vector<Shape> shapes;
  for (const Var& y : c.op(inputs)) shapes.push_back(y.shape());
  return shapes;
}

}  // namespace

CheckReport check_op(const std::string& op_name, const OpCase& c) {
  Checker checker(op_name);
  const Settings restore;
  kernels::set_threads(1);
  arena::set_poison(true);

  Arrays<double> in;
  for (const Tensor& x : c.inputs) in.push_back(array_of<double>(x));
  const Arrays<double> want = c.ref.value(in);
  std::vector<Shape> shapes;
  for (const auto& w : want) shapes.push_back(w.shape);
  const auto adjoints = adjoints_for(shapes);
  const auto by_output = exact_gradients(c, adjoints);

  const auto gradient_of = [&](size_t input, int only_output) {
    std::vector<double> g(size_t(c.inputs[input].size()), 0.0);
    for (size_t j = 0; j < want.size(); ++j)
      if (only_output < 0 || only_output == int(j))
        for (size_t k = 0; k < g.size(); ++k) g[k] += by_output[j][input][k];
    return g;
  };

  std::string ran;
  for (const DType dtype : {DType::f32, DType::f64}) {
    const double tolerance = dtype == DType::f32 ? c.float32_tolerance : c.float64_tolerance;
    const std::string label = name(dtype);
    const Outcome base = run(c, adjoints, {.dtype = dtype});
    if (base.outputs.size() != want.size()) {
      checker.fail("has " + std::to_string(base.outputs.size()) + " outputs, the reference " + std::to_string(want.size()));
      break;
    }
    for (size_t j = 0; j < want.size(); ++j) {
      if (base.outputs[j].shape() != want[j].shape)
        checker.fail("output " + std::to_string(j) + " has shape " + to_string(base.outputs[j].shape()) +
                     ", expected " + to_string(want[j].shape));
      checker.near(label + " output " + std::to_string(j), base.outputs[j], want[j].data, tolerance);
    }
    const Outcome added = run(c, adjoints, {.dtype = dtype, .gradient_start = 1});
    for (size_t i = 0; i < c.inputs.size(); ++i) {
      if (!differentiable(c.inputs[i])) continue;
      const std::string which = label + " gradient of input " + std::to_string(i);
      const auto g = gradient_of(i, -1);
      checker.near(which, base.gradients[i], g, tolerance);
      auto plus_one = g;
      double peak = 0;
      for (double& x : plus_one) peak = std::max(peak, std::abs(x)), x += 1;
      checker.near(which + ", added to 1", added.gradients[i], plus_one, tolerance, 1 + peak);
      const Outcome alone = run(c, adjoints, {.dtype = dtype, .only_input = int(i)});
      checker.same_bits(which + ", wanted alone", base.gradients[i], alone.gradients[i]);
    }
    for (size_t j = 0; want.size() > 1 && j < want.size(); ++j) {
      const Outcome alone = run(c, adjoints, {.dtype = dtype, .only_output = int(j)});
      for (size_t i = 0; i < c.inputs.size(); ++i)
        if (differentiable(c.inputs[i]))
          checker.near(label + " gradient of input " + std::to_string(i) + " from output " + std::to_string(j) + " alone",
                       alone.gradients[i], gradient_of(i, int(j)), tolerance);
    }
    const Outcome strided = run(c, adjoints, {.dtype = dtype, .strided = true});
    checker.same_bits(label + ", strided", base, strided);
    checker.zero_around(label + ", strided", strided);
    ran = check_variants(checker, c, adjoints, dtype, base);
  }
  return checker.report("float32, float64, complex-step gradients, adding, strided, poisoned; " + ran);
}

CheckReport check_bits(const std::string& op_name, const OpCase& c) {
  Checker checker(op_name);
  const Settings restore;
  kernels::set_threads(1);
  const auto adjoints = adjoints_for(output_shapes(c));
  std::string ran;
  for (const DType dtype : {DType::f32, DType::f64})
    ran = check_variants(checker, c, adjoints, dtype, run(c, adjoints, {.dtype = dtype}));
  return checker.report(ran);
}

namespace {
template <class F>
Tensor generated(const Shape& shape, F f) {
  const Tensor t = Tensor::empty(shape, DType::f64);
  for (int64_t i = 0, n = t.size(); i < n; ++i) t.data<double>()[i] = float(f(uint64_t(i)));
  return t;
}
}  // namespace

Tensor normal_input(const Shape& shape, uint64_t seed, double stddev) {
  const Random random(seed, "check input");
  return generated(shape, [&](uint64_t i) { return stddev * random.normal(i); });
}

Tensor uniform_input(const Shape& shape, uint64_t seed, double low, double high) {
  const Random random(seed, "check input");
  return generated(shape, [&](uint64_t i) { return low + (high - low) * random.uniform(i); });
}

Tensor index_input(const Shape& shape, uint64_t seed, int32_t bound) {
  const Random random(seed, "check input");
  const Tensor t = Tensor::empty(shape, DType::i32);
  for (int64_t i = 0; i < t.size(); ++i) t.data<int32_t>()[i] = int32_t(random.below(uint64_t(i), uint64_t(bound)));
  return t;
}

}  // namespace adder
