#include "framework/gradient_lab/long_jacobian.h"

#include <gtest/gtest.h>

#include <Eigen/SVD>
#include <algorithm>

#include "framework/gradient_lab/block_jacobians.h"
#include "tests/gradient_lab/lab_support.h"
#include "tests/gradient_lab/linear_model.h"
#include "tests/gradient_lab/matrices.h"
#include "tests/support/check.h"

namespace adder::lab {
namespace {

Matrix product(const Jacobians& J, int64_t lag) {
  Matrix m = Matrix::Identity(J.size(), J.size());
  for (int64_t t = J.steps() - lag; t < J.steps(); ++t) m = J.dense(t) * m;
  return m;
}

// Oracle 2: |T_k| = rho^k of rho times an orthogonal matrix.
TEST(LongJacobian, OfAScaledOrthogonalMatrix) {
  LinearModel model(orthogonal_matrix(10, 0.9, DType::f64), kLabVocabulary);
  const BlockJacobians J(model, lab_ids(1, 102), 0);
  ASSERT_EQ(J.size(), 10);
  ASSERT_EQ(J.steps(), 101);
  const auto norms = exact_norms(J, {1, 10, 100}, 3);
  for (const JacobianNorms& n : norms) {
    EXPECT_NEAR(n.sigma[0], double(n.lag) * std::log10(0.9), 1e-6 * double(n.lag));
    EXPECT_NEAR(n.sigma[2], n.sigma[0], 1e-12);
    EXPECT_NEAR(n.stable_rank(), 10, 1e-9);
  }
  EXPECT_NEAR(std::pow(10, norms[2].sigma[0]), 2.656e-5, 1e-8);
}

TEST(LongJacobian, BeyondTheRangeOfADouble) {
  const GivenJacobians J(3, 4000, [](int64_t) { return Matrix(0.5 * Matrix::Identity(3, 3)); });
  EXPECT_NEAR(exact_norms(J, {1000, 4000}, 1)[1].sigma[0], 4000 * std::log10(0.5), 1e-9);
  const JacobianNorms estimate = estimated_norms(J, {4000}, 1, 8, 1)[0];
  EXPECT_NEAR(estimate.sigma[0], 4000 * std::log10(0.5), 1e-9);
  EXPECT_NEAR(estimate.frobenius, 4000 * std::log10(0.5) + std::log10(3) / 2, 0.3);
}

// Oracle 3: all eigenvalues are 0.8, and yet the product grows before it shrinks.
TEST(LongJacobian, NonNormalMatricesGrowBeforeTheyShrink) {
  Matrix jordan = 0.8 * Matrix::Identity(6, 6);
  jordan.diagonal(1).setConstant(0.8);
  const GivenJacobians J(6, 200, [&](int64_t) { return jordan; });
  const auto norms = exact_norms(J, {1, 10, 200}, 1);
  for (const JacobianNorms& n : norms) {  // 0.8^k (I + N)^k = 0.8^k sum_j C(k, j) N^j
    double squares = 0;
    for (int64_t j = 0; j < 6; ++j) {
      double binomial = 1;
      for (int64_t i = 0; i < j; ++i) binomial *= double(n.lag - i) / double(i + 1);
      squares += double(6 - j) * binomial * binomial;
    }
    EXPECT_NEAR(n.frobenius, double(n.lag) * std::log10(0.8) + std::log10(squares) / 2, 1e-10);
  }
  EXPECT_GT(norms[0].sigma[0], 0);
  EXPECT_GT(norms[1].sigma[0], norms[0].sigma[0] + 1) << "ten times as long after ten steps";
  EXPECT_LT(norms[2].sigma[0], -9) << "and gone after two hundred";
  const GivenJacobians normal(6, 200, [&](int64_t) { return Matrix(0.8 * Matrix::Identity(6, 6)); });
  EXPECT_LT(exact_norms(normal, {10}, 1)[0].sigma[0], 0);
}

// Oracle 4: a tanh network's product is bounded by the recurrent weight's largest singular value.
TEST(LongJacobian, OfATanhNetworkIsBoundedByItsWeight) {
  const auto model = lab_model("rnn", DType::f64, "", 0);
  const Tensor w = model->parameters().find("blocks.1.mixer.weight_hh")->value;
  const double largest = std::log10(Eigen::JacobiSVD<Matrix>(as_matrix(w)).singularValues()[0]);
  for (const JacobianNorms& n : exact_norms(BlockJacobians(*model, lab_ids(1, 31), 1), {1, 5, 30}, 1))
    EXPECT_LE(n.sigma[0], double(n.lag) * largest + 1e-12);
}

// A cell's Jacobian written by hand, diag(1 - h^2) W: the second implementation.
TEST(BlockJacobians, OfARecurrentNetworkByHand) {
  const auto model = lab_model("rnn", DType::f64);
  const Tensor ids = lab_ids(1, 8);
  for (const size_t block : {size_t{0}, size_t{1}}) {
    const BlockJacobians J(*model, ids, block);
    const Matrix w = as_matrix(model->parameters().find("blocks." + std::to_string(block) + ".mixer.weight_hh")->value);
    for (const int64_t t : {0, 6}) {
      State state;
      logits_of(*model, row_of(ids, 0, t + 2), state);
      const Tensor h = state.blocks[block][0].value();
      const Eigen::Map<const Eigen::VectorXd> y(h.data<double>(), h.size());
      const Matrix by_hand = (1 - y.array().square()).matrix().asDiagonal() * w;
      EXPECT_LT((J.dense(t) - by_hand).norm(), 1e-13 * by_hand.norm());
      // The adjoint identity: <u, J v> by hand, <J^T u, v> by backward.
      const Matrix u = gaussian(8, 1, 1, 5), v = gaussian(8, 1, 1, 6);
      const double forward = (u.transpose() * by_hand * v)(0, 0), back = (J.transposed_times(t, u).transpose() * v)(0, 0);
      EXPECT_NEAR(forward, back, 1e-12 * std::abs(forward));
    }
  }
}

TEST(BlockJacobians, ProductsAgreeWithAdjointsInEveryArchitecture) {
  for (const LabCase& c : lab_cases()) {
    const auto model = lab_model(c.architecture, DType::f64, c.more);
    const std::vector<int64_t> sizes = recurrent_sizes(*model);
    for (size_t block = 0; block < sizes.size(); ++block) {
      if (sizes[block] == 0) continue;
      const BlockJacobians J(*model, lab_ids(1, 7), block);
      ASSERT_EQ(J.size(), sizes[block]) << c.architecture;
      const Matrix v = gaussian(J.size(), 3, 1, 2), exact = J.dense(5) * v;
      EXPECT_LT((J.times(5, v) - exact).norm(), 1e-10 * exact.norm()) << c.architecture << " " << c.more;
      EXPECT_EQ(J.times(5, Matrix::Zero(J.size(), 1)).norm(), 0);
    }
  }
}

TEST(BlockJacobians, RefusesWhatHasNone) {
  const auto attention = lab_model("attention"), single = lab_model("rnn", DType::f32);
  EXPECT_EQ(recurrent_sizes(*attention), (std::vector<int64_t>{0, 0}));
  EXPECT_EQ(message_of([&] { BlockJacobians(*attention, lab_ids(1, 4), 1); }),
            "[block_jacobians] block 1 carries no recurrent state");
  EXPECT_EQ(message_of([&] { BlockJacobians(*single, lab_ids(1, 4), 0); }),
            "[block_jacobians] the model is float32, expected float64");
}

// The two ways: prefix sums of what the mixer tells, and the product of Jacobians by steps.
TEST(Decay, ClosedFormsAgreeWithTheSteps) {
  int found = 0;
  for (const LabCase& c : lab_cases()) {
    const auto model = lab_model(c.architecture, DType::f64, c.more);
    const Tensor ids = lab_ids(1, 10);
    for (const auto& [name, decay] : decays_along(*model, ids)) {
      if (!decay.whole) continue;
      ++found;
      const size_t block = size_t(name.back() - '0');
      const BlockJacobians J(*model, ids, block);
      ASSERT_EQ(decay.log_abs.dim(2) * decay.each, J.size()) << c.architecture;
      const std::vector<int64_t> lags = {1, 4, 9};
      const auto closed = diagonal_norms(decay, lags, J.size()), exact = exact_norms(J, lags, J.size());
      for (size_t i = 0; i < lags.size(); ++i) {
        EXPECT_NEAR(closed[i].frobenius, exact[i].frobenius, 1e-10) << c.architecture << " " << c.more;
        for (size_t k = 0; k < closed[i].sigma.size(); ++k)
          EXPECT_NEAR(std::pow(10, closed[i].sigma[k] - closed[i].sigma[0]),
                      std::pow(10, exact[i].sigma[k] - exact[i].sigma[0]), 1e-11)
              << c.architecture << " " << c.more << " lag " << lags[i] << " sigma " << k;
        EXPECT_NEAR(closed[i].sigma[0], exact[i].sigma[0], 1e-10);
      }
    }
  }
  EXPECT_EQ(found, 2 * 8) << "two blocks each of lru, mamba (2), mamba2, min_gru, min_lstm, s4d (2)";
}

// The cell path of an LSTM is part of its Jacobian: of c by c. A GRU's direct path stands on the diagonal beside others.
TEST(Decay, TheCarouselIsAPartOfTheJacobian) {
  const auto model = lab_model("lstm");
  const Tensor ids = lab_ids(1, 6);
  const Decay decay = decays_along(*model, ids).at("blocks.1");
  EXPECT_FALSE(decay.whole);
  const BlockJacobians J(*model, ids, 1);
  for (const int64_t t : {0, 4}) {
    const Matrix cell = J.dense(t).bottomRightCorner(8, 8);
    for (int64_t i = 0; i < 8; ++i)
      for (int64_t j = 0; j < 8; ++j)
        EXPECT_NEAR(cell(i, j), i == j ? std::exp(decay.log_abs.item((t + 1) * 8 + i)) : 0, 1e-14);
  }
  EXPECT_GT(J.dense(0).topRightCorner(8, 8).norm(), 1e-3);
  const auto gru = lab_model("gru");
  for (const char* part : {"weight_hh", "bias_hh"}) gru->parameters().find(std::string("blocks.0.mixer.") + part)->value.zero();
  const Decay direct = decays_along(*gru, ids).at("blocks.0");
  const Matrix whole = BlockJacobians(*gru, ids, 0).dense(3);
  for (int64_t i = 0; i < 8; ++i) EXPECT_NEAR(whole(i, i), std::exp(direct.log_abs.item(4 * 8 + i)), 1e-14);
}

TEST(LongJacobian, EstimatesAgreeWithTheExactValues) {
  const GivenJacobians J(40, 12, [](int64_t t) { return gaussian(40, 40, 1 / std::sqrt(40.0), 9, uint64_t(t)); });
  const auto exact = exact_norms(J, {1, 12}, 4), estimate = estimated_norms(J, {1, 12}, 4, 64, 3);
  const Eigen::JacobiSVD<Matrix> svd(product(J, 12));
  for (size_t i = 0; i < 2; ++i) {
    for (size_t k = 0; k < 4; ++k) EXPECT_NEAR(std::pow(10, estimate[i].sigma[k] - exact[i].sigma[k]), 1, 1e-5);
    const double ratio = std::pow(10, estimate[i].frobenius - exact[i].frobenius);
    EXPECT_LT(std::abs(ratio - 1), 4 * estimate[i].frobenius_error);
    EXPECT_LT(estimate[i].frobenius_error, std::sqrt(2.0 / 64));
  }
  EXPECT_NEAR(std::pow(10, exact[1].sigma[3]), svd.singularValues()[3], 1e-12);
  EXPECT_GT(exact[0].stable_rank(), exact[1].stable_rank());
}

TEST(LongJacobian, EstimatesOfAModel) {
  const auto model = lab_model("lstm");
  const BlockJacobians J(*model, lab_ids(1, 20), 0);
  const auto exact = exact_norms(J, {6, 19}, 3), estimate = estimated_norms(J, {6, 19}, 3, 40, 3);
  for (size_t i = 0; i < 2; ++i)
    for (size_t k = 0; k < 3; ++k) EXPECT_NEAR(estimate[i].sigma[k], exact[i].sigma[k], 1e-5) << i << " " << k;
}

TEST(LongJacobian, NothingIsLeftOfANilpotentProduct) {
  Matrix shift = Matrix::Zero(4, 4);
  shift.diagonal(1).setOnes();
  const GivenJacobians J(4, 9, [&](int64_t) { return shift; });
  EXPECT_EQ(exact_norms(J, {9}, 1)[0].sigma[0], -INFINITY);
  EXPECT_EQ(estimated_norms(J, {9}, 1, 3, 1)[0].sigma[0], -INFINITY);
  EXPECT_EQ(message_of([&] { exact_norms(J, {10}, 1); }), "[long_jacobian] a lag is 10, expected 1 to the steps, 9");
}

}  // namespace
}  // namespace adder::lab
