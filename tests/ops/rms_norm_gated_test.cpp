#include "framework/ops/rms_norm_gated.h"

#include "framework/ops/add.h"
#include "framework/ops/mul.h"
#include "kernels/rms_norm_gated/ref.h"
#include "tests/support/check.h"
#include "tests/support/fixtures.h"
#include "tests/support/same.h"

namespace adder {
namespace {

OpCase gated_case(int64_t rows, int64_t n, int64_t groups, bool norm_first, double scale = 1) {
  return {.op =
              [=](const std::vector<Var>& in) {
                return std::vector<Var>{ops::rms_norm_gated(in[0], in[1], in[2], groups, 1e-5, norm_first)};
              },
          .ref = reference([=](const auto& in) { return kernels::ref::rms_norm_gated(in, groups, 1e-5, norm_first); }),
          .inputs = {normal_input({rows, n}, 1, scale), normal_input({rows, n}, 2), uniform_input({n}, 3, 0.5, 1.5)}};
}

TEST(RmsNormGated, MatchesItsDefinition) {
  for (const bool norm_first : {false, true}) {
    for (const auto& [rows, n, groups] :
         {std::array<int64_t, 3>{3, 5, 1}, {2, 32, 2}, {4, 33, 3}, {35, 34, 1}, {2, 102, 6}})
      expect_op("rms_norm_gated", gated_case(rows, n, groups, norm_first));
    expect_op("rms_norm_gated", gated_case(3, 7, 1, norm_first, 1e-3));
  }
}

// The gradient of x is written over the adjoint where nobody else has it, and onto what reached x before.
TEST(RmsNormGated, GradientsAreTheSameOverAnAdjoint) {
  const Tensor x = normal_input({5, 38}, 1).to(DType::f32), z = normal_input({5, 38}, 2).to(DType::f32), w = Tensor::full({38}, 1.5);
  const Tensor dy = normal_input({5, 38}, 3).to(DType::f32);
  for (const bool norm_first : {false, true})
    for (const bool reached : {false, true}) {
      const auto run = [&](bool hold) {
        Tape tape;
        const Var in[] = {tape.leaf(x), tape.leaf(z), tape.leaf(w)};
        const Var y = ops::rms_norm_gated(in[0], in[1], in[2], 2, 1e-5, norm_first);
        Tensor held;
        std::vector<Tensor> gradients;
        for (const Var& v : in) watch(v, [&](const Tensor& g) { gradients.push_back(g.clone()); });
        watch(y, [&](const Tensor& g) { if (hold) held = g; });
        const Var after = ops::mul(y, Tensor::full(y.shape(), 0.5));
        tape.backward({{reached ? ops::add(after, in[0]) : after, dy}});
        return gradients;
      };
      const auto over = run(false), beside = run(true);
      ASSERT_EQ(over.size(), 3u);
      for (size_t i = 0; i < 3; ++i) expect_same(over[i], beside[i], "input " + std::to_string(i));
    }
}

TEST(RmsNormGated, SameBitsOnThreadsAndTargets) {
  for (const bool norm_first : {false, true}) expect_bits("rms_norm_gated", gated_case(500, 78, 2, norm_first));
}

TEST(RmsNormGated, NamesTheArgumentThatDoesNotFit) {
  const auto message = [](Shape z, int64_t w, int64_t groups) {
    return message_of([&] {
      ops::rms_norm_gated(Var(Tensor::zeros({2, 7, 6})), Var(Tensor::zeros(z)), Var(Tensor::zeros({w})), groups);
    });
  };
  EXPECT_EQ(message({2, 6, 6}, 6, 1), "[rms_norm_gated] z has shape [2, 6, 6], expected that of x, [2, 7, 6]");
  EXPECT_EQ(message({2, 7, 6}, 5, 1), "[rms_norm_gated] w has shape [5], expected [6]");
  EXPECT_EQ(message({2, 7, 6}, 6, 4), "[rms_norm_gated] x has shape [2, 7, 6], expected a last axis of 4 equal groups");
}

TEST(OpParity, RmsNormGated) {
  SKIP_WITHOUT_SHARED();
  const Hdf5File file = fixtures::open("ops.h5");
  for (const std::string name : {"gate_then_norm_1group", "gate_then_norm_groups", "norm_then_gate_1group"})
    for (const DType dtype : {DType::f32, DType::f64}) {
      const double tolerance = dtype == DType::f32 ? 1e-5 : 1e-11;
      const std::string root = "/rms_norm_gated/" + name + "/", label = name + ", " + adder::name(dtype) + ", ";
      const auto read = [&](const std::string& path) { return fixtures::read(file, root + path); };
      Tape tape;
      const std::vector<std::string> keys = {"x", "z", "w"};
      std::vector<Parameter> p(3);
      for (size_t i = 0; i < 3; ++i) p[i].value = read("in/" + keys[i]).to(dtype);
      const Var y = ops::rms_norm_gated(tape.use(p[0]), tape.use(p[1]), tape.use(p[2]),
                                        int64_t(read("hyper/groups").item()), read("hyper/eps").item(),
                                        read("hyper/norm_before_gate").item() != 0);
      EXPECT_LE(fixtures::nmax(y.value(), read("out/y")), tolerance) << label << "y";
      tape.backward({{y, read("dout/y").to(dtype)}});
      for (size_t i = 0; i < 3; ++i)
        EXPECT_LE(fixtures::nmax(p[i].grad, read("din/" + keys[i])), tolerance) << label << keys[i];
    }
}

}  // namespace
}  // namespace adder
