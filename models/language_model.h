// The skeleton that every language model shares:
//   x = embedding(ids) (+ positions), or W features + b;  for each block:  x = x + f(mixer(norm(x))),  x = x + mlp(norm(x))
//   logits = head(norm(x));  f = output(activation(…)), where the block has such
// and with norm_position "post":  x = norm(x + f(mixer(x))),  x = norm(x + mlp(x));  logits = head(x)
// with dropout at the end of each branch in training; without residuals a branch replaces x.
// B batch, L length, V vocabulary, P max_positions, D d_model. Parameters: embedding.weight (V, D),
// positions.weight (P, D); blocks.<i>.norm.weight (D), .mixer.*, .output.weight (D, D), with glu (2D, D),
// .mlp_norm.weight, .mlp.*; norm.weight (D), head.weight (V, D) unless it is the embedding's, head.bias (V);
// .bias beside a layer norm's weight and an output's. With F real inputs a position: features.weight (D, F) and .bias
// in place of the embedding, and V is 1.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "framework/config/model_config.h"
#include "models/mixer.h"
#include "models/mlp.h"

namespace adder {

// Declares the parameters of one block's mixer below `scope` (blocks.<i>.mixer).
using MakeMixer = std::function<std::unique_ptr<Mixer>(const ModelConfig& config, const BlockConfig& block,
                                                       const ParameterScope& scope)>;

class LanguageModel : public Model {
 public:
  LanguageModel(const ModelConfig& config, int64_t vocabulary, uint64_t seed, DType dtype,
                const MakeMixer& make_mixer);

  ParameterList& parameters() override { return parameters_; }
  int64_t vocabulary() const override { return vocabulary_; }
  int64_t features() const override { return features_; }
  // tokens.ids (B, L), or tokens.features (B, L, F), to logits (B, L, V). `hidden` sees the residual stream,
  // (B, L, D): "embed" before block 0, "layers.<i>" after block i, "final" after the last norm, if there is one.
  Var forward(Pass& pass, const Tokens& tokens, State& state, const HiddenSink& hidden = nullptr) override;
  std::vector<std::vector<std::string>> state_names() const override;
  std::vector<std::vector<std::string>> recurrent_names() const override;
  bool has_tangents() const override;
  bool bounded_state() const override;
  bool has_cache() const override;

 private:
  struct Norm {
    Parameter *weight = nullptr, *bias = nullptr;  // weight: null for no norm; bias: null unless it has one
  };
  struct Block {
    std::string name;  // blocks.<i>
    size_t first_parameter = 0, end_parameter = 0;  // in parameters_
    Norm norm;
    std::unique_ptr<Mixer> mixer;
    std::string activation;
    bool glu = false;
    Parameter *output = nullptr, *output_bias = nullptr;  // null: none
    Norm mlp_norm;
    std::optional<Mlp> mlp;
  };
  void record_parameters(Pass& pass, const Block& block) const;
  Norm declare_norm(const ParameterScope& scope) const;
  Block declare_block(const ModelConfig& config, int64_t i, const MakeMixer& make_mixer);
  std::vector<std::vector<std::string>> full_names(bool recurrent) const;
  void ready(State& state) const;
  Shape batch_and_length(const Tokens& tokens) const;
  Tensor next_positions(const Tokens& tokens, State& state) const;
  bool looks_up(int64_t tokens) const;
  Var inputs(Pass& pass, const Tokens& tokens) const;
  Var embedded(Pass& pass, const Tokens& tokens, const Tensor& positions) const;
  Var normalised(Pass& pass, const Norm& norm, const char* scope, const Var& x) const;
  Var before(Pass& pass, const Norm& norm, const char* scope, const Var& x) const;
  Var after(Pass& pass, const Norm& norm, const char* scope, const Var& x) const;
  Var mixed(Pass& pass, const Block& block, const Var& x, MixerState& state, const Stretch& at) const;
  Var output(Pass& pass, const Block& block, const Var& y) const;
  Var joined(Pass& pass, const Var& x, Var branch) const;
  Var recomputed(Pass& pass, const Block& block, const Var& x, MixerState& state, const Stretch& at) const;
  void tell_decay(Decays& decays, const Block& block, const Var& x, const MixerState& state, const Stretch& at) const;
  void tell_tangent(const Pass& pass, const Block& block, const Var& x, const MixerState& state, const Stretch& at) const;
  Var through_mixer(Pass& pass, const Block& block, const Var& x, MixerState& state, const Stretch& at) const;
  Var through_mlp(Pass& pass, const Block& block, Var x) const;
  Var through(Pass& pass, const Block& block, const Var& x, MixerState& state, const Stretch& at) const;

  ParameterList parameters_;
  int64_t vocabulary_, features_, d_model_;
  double dropout_, norm_eps_, width_ratio_;
  std::string norm_;
  bool norm_bias_, post_norm_, residual_;
  Parameter *embedding_ = nullptr, *positions_ = nullptr;           // embedding: null with real inputs, which have
  Parameter *feature_weight_ = nullptr, *feature_bias_ = nullptr;  // these
  std::vector<Block> blocks_;
  Norm final_norm_;
  Parameter *head_, *head_bias_ = nullptr;  // head: the embedding, where tied
};

}  // namespace adder
