// Every op beside the field's own (shared/parity/ops.h5): outputs and all gradients, in float32 and in
// float64, within the tolerances of that folder's README.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "framework/ops/activation.h"
#include "framework/ops/causal_conv1d.h"
#include "framework/ops/cross_entropy.h"
#include "framework/ops/embedding.h"
#include "framework/ops/gated.h"
#include "framework/ops/layer_norm.h"
#include "framework/ops/linear.h"
#include "framework/ops/rms_norm.h"
#include "framework/ops/scan.h"
#include "framework/ops/selective_scan.h"
#include "framework/ops/softmax.h"
#include "tests/support/fixtures.h"

namespace adder {
namespace {

using Named = std::map<std::string, Tensor>;

// One group of the file: "activation/silu".
struct Case {
  std::string name;
  Named in, out, dout, din, hyper;
};

Case read_case(const Hdf5File& file, const std::string& name, const std::set<std::string>& time_last) {
  Case c{.name = name, .in = {}, .out = {}, .dout = {}, .din = {}, .hyper = {}};
  const std::map<std::string, Named*> folders = {
      {"in", &c.in}, {"out", &c.out}, {"dout", &c.dout}, {"din", &c.din}, {"hyper", &c.hyper}};
  for (const auto& [folder, values] : folders) {
    const std::string group = "/" + name + "/" + folder;
    if (!file.exists(group)) continue;
    for (const Hdf5Dataset& d : file.datasets(group)) {
      const std::string key = d.path.substr(d.path.rfind('/') + 1);
      const Tensor x = fixtures::read(file, d.path);
      (*values)[key] = time_last.count(key) ? fixtures::swap_last_two(x) : x;
    }
  }
  return c;
}

// "causal_conv1d" gives all its cases, so that a new one in the file is not passed over.
std::set<std::string> cases_of(const Hdf5File& file, const std::string& group) {
  std::set<std::string> names;
  for (const Hdf5Dataset& d : file.datasets("/" + group)) {
    const size_t start = group.size() + 2;
    names.insert(group + "/" + d.path.substr(start, d.path.find('/', start) - start));
  }
  return names;
}

// The inputs by name, on a tape; one that the case lacks is undefined.
struct Inputs {
  std::map<std::string, Var> vars;
  const Case& source;

  Var operator[](const std::string& name) const {
    const auto found = vars.find(name);
    return found == vars.end() ? Var() : found->second;
  }
  double hyper(const std::string& name) const { return source.hyper.at(name).item(); }
};

using Op = std::function<std::map<std::string, Var>(const Inputs&)>;

struct Tolerance {
  double float32 = 1e-5, float64 = 1e-11;
};

void expect_case(const Case& c, const Op& op, Tolerance allowed) {
  ASSERT_FALSE(c.in.empty());
  ASSERT_FALSE(c.out.empty());
  ASSERT_FALSE(c.din.empty());
  for (const DType dtype : {DType::f32, DType::f64}) {
    const double tolerance = dtype == DType::f32 ? allowed.float32 : allowed.float64;
    const std::string label = c.name + ", " + name(dtype) + ", ";
    Tape tape;
    std::map<std::string, Parameter> parameters;
    Inputs inputs{.vars = {}, .source = c};
    for (const auto& [key, value] : c.in) {
      if (value.dtype() == DType::i32) {
        inputs.vars[key] = value;
        continue;
      }
      parameters[key].value = value.to(dtype);
      inputs.vars[key] = tape.use(parameters[key]);
    }
    const auto outputs = op(inputs);
    std::vector<std::pair<Var, Tensor>> seeds;
    for (const auto& [key, want] : c.out) {
      ASSERT_TRUE(outputs.count(key)) << label << key;
      const Var& y = outputs.at(key);
      EXPECT_LE(fixtures::nmax(y.value(), want), tolerance) << label << key;
      if (c.dout.count(key)) seeds.emplace_back(y, c.dout.at(key).to(dtype).reshape(y.shape()));
    }
    tape.backward(seeds);
    for (const auto& [key, want] : c.din)
      EXPECT_LE(fixtures::nmax(parameters.at(key).grad, want), tolerance) << label << "gradient of " << key;
  }
}

void expect_group(const std::string& group, const Op& op, const std::set<std::string>& time_last = {}) {
  const Hdf5File file = fixtures::open("ops.h5");
  const auto names = cases_of(file, group);
  ASSERT_FALSE(names.empty());
  for (const std::string& name : names) expect_case(read_case(file, name, time_last), op, {});
}

void expect_one(const std::string& name, const Op& op, Tolerance allowed = {}) {
  expect_case(read_case(fixtures::open("ops.h5"), name, {}), op, allowed);
}

TEST(OpParity, Activations) {
  SKIP_WITHOUT_SHARED();
  const std::map<std::string, Var (*)(const Var&)> all = {
      {"silu", ops::silu},         {"gelu_tanh", ops::gelu_tanh},
      {"gelu_erf", ops::gelu_erf}, {"relu_squared", ops::relu_squared},
      {"sigmoid", ops::sigmoid},   {"tanh", ops::tanh}};
  for (const auto& [name, f] : all)
    expect_one("activation/" + name, [f = f](const Inputs& in) {
      return std::map<std::string, Var>{{"y", f(in["x"])}};
    });
}

TEST(OpParity, Softplus) {
  SKIP_WITHOUT_SHARED();
  // The fixture takes x itself beyond 20, off by up to 2.1e-9 there.
  expect_one("activation/softplus",
             [](const Inputs& in) {
               return std::map<std::string, Var>{{"y", ops::softplus(in["x"])}};
             },
             {.float32 = 1e-5, .float64 = 2.1e-9});
}

TEST(OpParity, GatedUnits) {
  SKIP_WITHOUT_SHARED();
  expect_one("activation/swiglu", [](const Inputs& in) {
    return std::map<std::string, Var>{{"y", ops::swiglu(in["gate"], in["up"])}};
  });
  expect_one("activation/glu_value_first",
             [](const Inputs& in) { return std::map<std::string, Var>{{"y", ops::glu(in["x"])}}; });
}

TEST(OpParity, Embedding) {
  SKIP_WITHOUT_SHARED();
  expect_group("embedding", [](const Inputs& in) {
    return std::map<std::string, Var>{{"y", ops::embedding(in["ids"].value(), in["weight"])}};
  });
}

TEST(OpParity, Linear) {
  SKIP_WITHOUT_SHARED();
  expect_group("linear", [](const Inputs& in) {
    return std::map<std::string, Var>{{"y", ops::linear(in["x"], in["w"], in["b"])}};
  });
}

TEST(OpParity, RmsNorm) {
  SKIP_WITHOUT_SHARED();
  expect_group("rms_norm", [](const Inputs& in) {
    return std::map<std::string, Var>{{"y", ops::rms_norm(in["x"], in["w"], in.hyper("eps"))}};
  });
}

TEST(OpParity, LayerNorm) {
  SKIP_WITHOUT_SHARED();
  expect_group("layer_norm", [](const Inputs& in) {
    return std::map<std::string, Var>{{"y", ops::layer_norm(in["x"], in["w"], in["b"], in.hyper("eps"))}};
  });
}

TEST(OpParity, CrossEntropy) {
  SKIP_WITHOUT_SHARED();
  expect_group("cross_entropy", [](const Inputs& in) {
    const int32_t ignored = int32_t(in.hyper("ignore_index"));
    return std::map<std::string, Var>{
        {"loss", ops::cross_entropy(in["logits"], in["labels"].value(), ignored)}};
  });
}

TEST(OpParity, Softmax) {
  SKIP_WITHOUT_SHARED();
  expect_one("softmax/rows", [](const Inputs& in) {
    return std::map<std::string, Var>{{"y", ops::softmax(in["x"])}};
  });
  expect_one("softmax/log_rows",
             [](const Inputs& in) { return std::map<std::string, Var>{{"y", ops::log_softmax(in["x"])}}; });
}

TEST(OpParity, CausalConv1d) {
  SKIP_WITHOUT_SHARED();
  const auto conv = [](const Inputs& in) {
    const auto r = ops::causal_conv1d(in["x"], in["w"], in["b"], in["x0"], Tensor(), in.hyper("silu") != 0);
    return std::map<std::string, Var>{{"y", r.y}, {"last_state", r.last}};
  };
  expect_group("causal_conv1d", conv, {"x", "x0", "y", "last_state"});
}

TEST(OpParity, Scan) {
  SKIP_WITHOUT_SHARED();
  for (const char* name : {"decay", "signed_h0", "with_zero_a"})
    expect_one(std::string("assoc_scan/") + name, [](const Inputs& in) {
      return std::map<std::string, Var>{{"h", ops::scan(in["a"], in["b"], in["h0"], Tensor()).h}};
    });
}

std::map<std::string, Var> selective_scan_of(const Inputs& in, const Var& delta, const Var& bias,
                                             bool softplus) {
  const ops::SelectiveScanInputs inputs{.u = in["u"], .delta = delta, .A = in["A"], .B = in["B"], .C = in["C"],
                                        .D = in["D"], .z = in["z"], .delta_bias = bias, .h0 = in["h0"],
                                        .resets = Tensor()};
  const auto r = ops::selective_scan(inputs, softplus);
  return {{"y", r.y}, {"last_state", r.last}};
}

const std::set<std::string> kScanTimeLast = {"u", "delta", "z", "B", "C", "y"};

TEST(OpParity, SelectiveScan) {
  SKIP_WITHOUT_SHARED();
  const Hdf5File file = fixtures::open("ops.h5");
  for (const std::string& name : cases_of(file, "selective_scan")) {
    // extreme_delta has time steps beyond 20, where the fixture's softplus is x itself, off by up to 2.1e-9.
    const Tolerance allowed{.float32 = 1e-5,
                            .float64 = name == "selective_scan/extreme_delta" ? 2.1e-9 : 1e-11};
    expect_case(read_case(file, name, kScanTimeLast), [](const Inputs& in) {
      return selective_scan_of(in, in["delta"], in["delta_bias"], in.hyper("softplus") != 0);
    }, allowed);
  }
}

// softplus(delta + bias) as the fixture has it, recorded by hand: x itself beyond 20.
Var fixture_softplus(const Var& delta, const Var& bias) {
  const Tensor sum = delta.value().to(DType::f64).clone(), y = Tensor::like(sum);
  const int64_t n = sum.size(), channels = bias.dim(0);
  double* x = sum.data<double>();
  for (int64_t i = 0; i < n; ++i) {
    x[i] += bias.value().item(i % channels);
    y.data<double>()[i] = x[i] > 20 ? x[i] : std::log1p(std::exp(x[i]));
  }
  return record("fixture_softplus", y.to(delta.dtype()), {delta, bias}, [sum, n, channels](const Adjoints& g) {
    const Tensor slope = Tensor::like(sum), by_channel = Tensor::zeros({channels}, DType::f64), dy = g.out(0);
    for (int64_t i = 0; i < n; ++i) {
      const double d = dy.item(i) * (sum.item(i) > 20 ? 1 : 1 / (1 + std::exp(-sum.item(i))));
      slope.data<double>()[i] = d, by_channel.data<double>()[i % channels] += d;
    }
    g.give(0, slope.to(dy.dtype()));
    g.give(1, by_channel.to(dy.dtype()));
  });
}

TEST(OpParity, SelectiveScanWithExtremeTimeSteps) {
  SKIP_WITHOUT_SHARED();
  const Case c = read_case(fixtures::open("ops.h5"), "selective_scan/extreme_delta", kScanTimeLast);
  expect_case(c, [](const Inputs& in) {
    return selective_scan_of(in, fixture_softplus(in["delta"], in["delta_bias"]), Var(), false);
  }, {});
}

}  // namespace
}  // namespace adder
