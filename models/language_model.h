// The skeleton that every language model shares:
//   x = embedding(ids);  for each block: x = x + dropout(mixer(norm(x)));  logits = head(norm(x))
// B batch, L length, V vocabulary, D d_model. Parameters: embedding.weight (V, D), blocks.<i>.norm.weight
// (D), blocks.<i>.mixer.*, norm.weight (D), head.weight (V, D) unless it is the embedding's; .bias beside a
// layer norm's weight.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "framework/config/model_config.h"
#include "models/mixer.h"

namespace adder {

// Declares the parameters of one block's mixer below `scope` (blocks.<i>.mixer).
using MakeMixer =
    std::function<std::unique_ptr<Mixer>(const ModelConfig& config, const ParameterScope& scope)>;

class LanguageModel : public Model {
 public:
  LanguageModel(const ModelConfig& config, int64_t vocabulary, uint64_t seed, DType dtype,
                const MakeMixer& make_mixer);

  ParameterList& parameters() override { return parameters_; }
  int64_t vocabulary() const override { return vocabulary_; }
  // tokens.ids (B, L) to logits (B, L, V). `hidden` sees the residual stream, (B, L, D): "embed" before block
  // 0, "layers.<i>" after block i, "final" after the last norm.
  Var forward(Pass& pass, const Tokens& tokens, State& state, const HiddenSink& hidden = nullptr) override;
  std::vector<std::vector<std::string>> state_names() const override;

 private:
  struct Norm {
    Parameter *weight, *bias;  // bias: null for rms_norm
  };
  struct Block {
    std::string name;  // blocks.<i>
    Norm norm;
    std::unique_ptr<Mixer> mixer;
  };
  Norm declare_norm(const ParameterScope& scope) const;
  void ready(State& state) const;
  Var embedded(Pass& pass, const Tensor& ids) const;
  Var normalised(Pass& pass, const Norm& norm, const Var& x) const;
  Var through(Pass& pass, const Block& block, const Var& x, MixerState& state, const Tensor& resets) const;

  ParameterList parameters_;
  int64_t vocabulary_, d_model_;
  double dropout_, norm_eps_;
  bool layer_norm_;
  Parameter* embedding_;
  std::vector<Block> blocks_;
  Norm final_norm_;
  Parameter* head_;  // the embedding, where tied
};

}  // namespace adder
