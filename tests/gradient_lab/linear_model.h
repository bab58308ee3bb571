// The smallest recurrent model, for what the lab should find to be known in closed form: h_t = W h_{t-1} + e_t, where e_t is
// token t's row of an embedding, and the logits are U h_t. One block, one state "h" (batch, n).
#pragma once
#include "framework/core/error.h"
#include "framework/nn/model.h"
#include "framework/ops/embedding.h"
#include "framework/ops/linear.h"
#include "framework/ops/rnn.h"

namespace adder {

class LinearModel : public Model {
 public:
  LinearModel(const Tensor& recurrent, int64_t vocabulary)
      : parameters_(1, recurrent.dtype()), vocabulary_(vocabulary), recurrent_(recurrent) {
    const int64_t n = recurrent.dim(0);
    embedding_ = &parameters_.add("embedding.weight", {vocabulary, n}, init::normal(1), true);
    head_ = &parameters_.add("head.weight", {vocabulary, n}, init::normal(1), true);
  }

  ParameterList& parameters() override { return parameters_; }
  int64_t vocabulary() const override { return vocabulary_; }
  Var forward(Pass& pass, const Tokens& tokens, State& state, const HiddenSink& hidden) override {
    Var x = ops::embedding(tokens.ids, use(pass, *embedding_));
    if (hidden) hidden("embed", x);
    state.blocks.resize(1);
    const Var before = state.blocks[0].empty() ? Var() : state.blocks[0][0];
    const auto r = ops::rnn(x, recurrent_, {}, before, {}, ops::RnnActivation::identity);
    state.blocks[0] = {r.last};
    Var y = r.y;
    if (hidden) hidden("final", y);
    return ops::linear(y, use(pass, *head_));
  }
  std::vector<std::vector<std::string>> state_names() const override { return {{"blocks.0.mixer.h"}}; }

 private:
  ParameterList parameters_;
  int64_t vocabulary_;
  Var recurrent_;
  Parameter *embedding_, *head_;
};

// rho times an orthogonal matrix (Gram-Schmidt of a Gaussian one), or any other function of (i, j).
inline Tensor orthogonal_matrix(int64_t n, double rho, DType dtype, uint64_t seed = 1) {
  const Random random(seed, "orthogonal");
  std::vector<double> m(size_t(n * n));
  for (size_t i = 0; i < m.size(); ++i) m[i] = random.normal(i);
  for (int64_t i = 0; i < n; ++i)
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t j = 0; j < i; ++j) {
        double dot = 0;
        for (int64_t k = 0; k < n; ++k) dot += m[size_t(i * n + k)] * m[size_t(j * n + k)];
        for (int64_t k = 0; k < n; ++k) m[size_t(i * n + k)] -= dot * m[size_t(j * n + k)];
      }
      double squares = 0;
      for (int64_t k = 0; k < n; ++k) squares += m[size_t(i * n + k)] * m[size_t(i * n + k)];
      for (int64_t k = 0; k < n; ++k) m[size_t(i * n + k)] /= std::sqrt(squares);
    }
  for (double& v : m) v *= rho;
  return Tensor::from<double>({n, n}, m).to(dtype);
}

inline Tensor scaled_identity(int64_t n, double factor, DType dtype) {
  const Tensor m = Tensor::zeros({n, n}, dtype);
  for (int64_t i = 0; i < n; ++i) m.narrow(0, i, 1).narrow(1, i, 1).fill(factor);
  return m;
}

}  // namespace adder
