#include "models/language_model.h"

#include "framework/core/shapes.h"
#include "framework/ops/add.h"
#include "framework/ops/dropout.h"
#include "framework/ops/embedding.h"
#include "framework/ops/layer_norm.h"
#include "framework/ops/linear.h"
#include "framework/ops/rms_norm.h"

namespace adder {

LanguageModel::LanguageModel(const ModelConfig& config, int64_t vocabulary, uint64_t seed, DType dtype,
                             const MakeMixer& make_mixer)
    : parameters_(seed, dtype),
      vocabulary_(vocabulary),
      d_model_(config.d_model),
      dropout_(config.dropout),
      norm_eps_(config.norm_eps),
      layer_norm_(config.norm == "layer_norm") {
  const ParameterScope root(parameters_);
  const Shape table = {vocabulary, config.d_model};
  embedding_ = &root.add("embedding.weight", table, init::normal(0.02));
  for (int64_t i = 0; i < config.n_layers; ++i) {
    const std::string name = "blocks." + std::to_string(i);
    const ParameterScope scope = root.in(name);
    const Norm norm = declare_norm(scope.in("norm"));
    blocks_.push_back({name, norm, make_mixer(config, scope.in("mixer"))});
  }
  final_norm_ = declare_norm(root.in("norm"));
  head_ = config.tie_embeddings ? embedding_
                                : &root.add("head.weight", table, init::linear_default(config.d_model));
}

LanguageModel::Norm LanguageModel::declare_norm(const ParameterScope& scope) const {
  const Shape shape = {d_model_};
  Parameter* weight = &scope.add("weight", shape, init::constant(1));
  return {weight, layer_norm_ ? &scope.add("bias", shape, init::constant(0)) : nullptr};
}

Var LanguageModel::normalised(Pass& pass, const Norm& norm, const Var& x) const {
  const Tape::Scope in_norm(pass.tape, "norm");
  const Var weight = use(pass, *norm.weight);
  if (!layer_norm_) return ops::rms_norm(x, weight, norm_eps_);
  return ops::layer_norm(x, weight, use(pass, *norm.bias), norm_eps_);
}

Var LanguageModel::through(Pass& pass, const Block& block, const Var& x, MixerState& state,
                           const Tensor& resets) const {
  const Tape::Scope in_block(pass.tape, block.name);
  const Var normed = normalised(pass, block.norm, x);
  Var y;
  {
    const Tape::Scope in_mixer(pass.tape, "mixer");
    const bool one_token = x.dim(1) == 1 && !resets.defined();
    y = one_token ? block.mixer->step(pass, normed, state)
                  : block.mixer->forward(pass, normed, state, resets);
  }
  if (pass.training && dropout_ > 0) y = ops::dropout(y, dropout_, pass.stream("dropout"));
  return ops::add(x, y);
}

Var LanguageModel::embedded(Pass& pass, const Tensor& ids) const {
  const Tape::Scope in_embedding(pass.tape, "embedding");
  return ops::embedding(ids, use(pass, *embedding_));
}

// One list of tensors a block, each empty or complete.
void LanguageModel::ready(State& state) const {
  const Shapes check{"language_model"};
  if (state.blocks.empty()) state.blocks.resize(blocks_.size());
  if (state.blocks.size() != blocks_.size())
    check.fail("the state is of " + std::to_string(state.blocks.size()) + " blocks, expected " +
               std::to_string(blocks_.size()));
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const size_t found = state.blocks[i].size(), wanted = blocks_[i].mixer->state_names().size();
    if (found != 0 && found != wanted)
      check.fail("the state of " + blocks_[i].name + " is of " + std::to_string(found) +
                 " tensors, expected " + std::to_string(wanted));
  }
}

Var LanguageModel::forward(Pass& pass, const Tokens& tokens, State& state, const HiddenSink& hidden) {
  const Shapes check{"language_model"};
  const auto [batch, length] = check("ids", tokens.ids, {"batch", "length"});
  if (tokens.resets.defined()) check("resets", tokens.resets, {batch, length});
  ready(state);
  const auto show = [&](const std::string& name, const Var& x) {
    if (hidden) hidden(name, x);
  };

  Var x = embedded(pass, tokens.ids);
  show("embed", x);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    x = through(pass, blocks_[i], x, state.blocks[i], tokens.resets);
    show("layers." + std::to_string(i), x);
  }
  x = normalised(pass, final_norm_, x);
  show("final", x);
  const Tape::Scope in_head(pass.tape, "head");
  return ops::linear(x, use(pass, *head_));
}

std::vector<std::vector<std::string>> LanguageModel::state_names() const {
  std::vector<std::vector<std::string>> names;
  for (const Block& block : blocks_) {
    names.emplace_back();
    for (const auto& name : block.mixer->state_names()) names.back().push_back(block.name + ".mixer." + name);
  }
  return names;
}

}  // namespace adder
