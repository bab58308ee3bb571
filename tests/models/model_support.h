// Small models and the questions that the tests put to them.
#pragma once
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "framework/checks/check_op.h"
#include "framework/ops/cross_entropy.h"
#include "models/mamba.h"
#include "models/registry.h"

namespace adder {

struct MambaSizes {
  int64_t d_model = 5, n_layers = 2, d_state = 3, d_conv = 4, expand = 2, dt_rank = 0;
  bool bias = false, conv_bias = true;
};

inline ModelConfig mamba_config(const MambaSizes& s = {}) {
  const auto options = std::make_shared<MambaOptions>();
  options->d_state = s.d_state, options->d_conv = s.d_conv, options->expand = s.expand,
  options->dt_rank = s.dt_rank;
  options->bias = s.bias, options->conv_bias = s.conv_bias;
  ModelConfig config;
  config.architecture = "mamba";
  config.d_model = s.d_model, config.n_layers = s.n_layers;
  config.mixer = options;
  return config;
}

inline std::unique_ptr<Model> make_model(const ModelConfig& config, int64_t vocabulary, DType dtype,
                                         uint64_t seed = 1) {
  return model_registry().make(config, vocabulary, seed, dtype);
}

// Away from where they start, so that no parameter can be ignored unnoticed.
inline void shake(Model& model, double stddev = 0.3) {
  ParameterList& list = model.parameters();
  for (size_t i = 0; i < list.size(); ++i) {
    const Tensor noise = normal_input(list[i].value.shape(), 100 + i, stddev);
    list[i].value.add(noise.to(list.dtype()));
  }
}

inline Tensor row_of(const Tensor& t, int64_t first, int64_t length) {
  return t.narrow(1, first, length).clone();
}

inline std::string bits(const Tensor& t) {
  const Tensor c = t.clone();
  return std::string(static_cast<const char*>(c.raw()), size_t(c.size()) * bytes_of(c.dtype()));
}

// max |a - b| / max |b|
inline double nmax(const Tensor& a, const Tensor& b) {
  double error = 0, peak = 1e-300;
  for (int64_t i = 0; i < b.size(); ++i) {
    const double d = std::abs(a.item(i) - b.item(i));
    error = d <= error ? error : d;  // a NaN stays
    peak = std::max(peak, std::abs(b.item(i)));
  }
  return error / peak;
}

// Logits of a stretch, nothing recorded. The state goes on.
inline Tensor logits_of(Model& model, const Tensor& ids, State& state, const Tensor& resets = {}) {
  Pass pass;
  return model.forward(pass, {ids, resets}, state).value();
}
inline Tensor logits_of(Model& model, const Tensor& ids, const Tensor& resets = {}) {
  State state;
  return logits_of(model, ids, state, resets);
}

// Loss of a stretch from a zero state; gradients are left in the parameters.
inline double loss_and_gradients(Model& model, const Tokens& tokens, const Tensor& labels,
                                 bool training = false) {
  model.parameters().clear_gradients();
  Tape tape;
  Pass pass{.tape = &tape, .training = training, .seed = 7, .step = 3};
  State state;
  const Var loss = ops::cross_entropy(model.forward(pass, tokens, state), labels);
  tape.backward(loss);
  return loss.value().item();
}

}  // namespace adder
