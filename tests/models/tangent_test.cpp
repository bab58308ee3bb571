// The recorded Jacobians of rnn, lstm and gru, held to those that the lab takes from a step's backward pass.
#include <gtest/gtest.h>

#include "framework/core/error.h"
#include "framework/gradient_lab/block_jacobians.h"
#include "tests/gradient_lab/lab_support.h"
#include "tests/support/check.h"

namespace adder {
namespace {

struct TangentCase {
  const char *architecture, *more;
};
const std::vector<TangentCase>& cases() {
  static const std::vector<TangentCase> list = {
      {"rnn", R"("d_hidden": 6)"}, {"rnn", R"("recurrence": "deer")"},
      {"gru", R"("d_hidden": 5)"}, {"gru", R"("fused": false)"},         {"lstm", ""},
      {"lstm", R"("d_hidden": 5, "fused": false)"}};
  return list;
}

// J_t of the second block by the identity's columns, (n, n): after token t.
lab::Matrix recorded(Model& model, const Tensor& ids, int64_t t) {
  Tape tape;
  Tangents asked{.sequences = 1, .steps = ids.dim(1), .vectors = 100};
  Pass pass{.tape = &tape};
  pass.tangents = &asked;
  State state;
  model.forward(pass, {ids, {}}, state);
  EXPECT_EQ(asked.by_block.size(), 2u);
  const Tangent& tangent = asked.by_block.at("blocks.1");
  const int64_t n = tangent.size;
  const Tensor identity = Tensor::zeros({1, n, n}, DType::f64);
  for (int64_t i = 0; i < n; ++i) identity.data<double>()[i * n + i] = 1;
  const Tensor product = tangent.times(t, Var(identity)).value().clone();
  return Eigen::Map<const lab::Matrix>(product.data<double>(), n, n);  // row i is J e_i: column-major, J itself
}

TEST(Tangent, IsTheJacobianOfAStep) {
  const Tensor ids = lab_ids(1, 7);
  for (const TangentCase& c : cases()) {
    SCOPED_TRACE(std::string(c.architecture) + " " + c.more);
    const auto model = lab_model(c.architecture, DType::f64, c.more);
    const lab::BlockJacobians J(*model, ids, 1);
    for (const int64_t t : {1, 6}) {  // token 0 has no state before it
      const lab::Matrix got = recorded(*model, ids, t), want = J.dense(t - 1);
      ASSERT_EQ(got.rows(), want.rows());
      EXPECT_LT((got - want).cwiseAbs().maxCoeff(), 1e-11 * want.cwiseAbs().maxCoeff());
    }
  }
}

TEST(Tangent, GoesOnFromACarriedState) {
  const Tensor ids = lab_ids(1, 7);
  for (const char* architecture : {"rnn", "gru", "lstm"}) {
    const auto model = lab_model(architecture);
    State state;
    Pass before;
    model->forward(before, {row_of(ids, 0, 4), {}}, state);
    Tangents asked{.steps = 1, .vectors = 100};
    Pass pass;
    pass.tangents = &asked;
    state = state.detach();
    model->forward(pass, {row_of(ids, 4, 3), {}}, state);
    const Tangent& tangent = asked.by_block.at("blocks.0");
    const int64_t n = tangent.size;
    const Tensor v = normal_input({1, n, n}, 8), got = tangent.times(0, Var(v)).value().clone();
    const lab::Matrix want = lab::BlockJacobians(*model, ids, 0).dense(3) * Eigen::Map<const lab::Matrix>(v.data<double>(), n, n);
    EXPECT_LT((Eigen::Map<const lab::Matrix>(got.data<double>(), n, n) - want).cwiseAbs().maxCoeff(), 1e-11) << architecture;
  }
}

TEST(Tangent, RefusesDocumentsThatStartWithinThePass) {
  const auto model = lab_model("rnn");
  Tangents asked;
  Pass pass;
  pass.tangents = &asked;
  State state;
  const Tensor ids = lab_ids(1, 7);
  EXPECT_EQ(message_of([&] { model->forward(pass, {ids, resets_at(1, 7, {3})}, state); }),
            "[language_model] tangents are asked for, but documents start in this pass");
}

}  // namespace
}  // namespace adder
