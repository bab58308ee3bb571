#include "models/language_model.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/core/shapes.h"
#include "framework/ops/add.h"
#include "framework/ops/dropout.h"
#include "framework/ops/embedding.h"
#include "framework/ops/gated.h"
#include "framework/ops/layer_norm.h"
#include "framework/ops/linear.h"
#include "framework/ops/rms_norm.h"
#include "framework/ops/view.h"
#include "models/width.h"

namespace adder {

LanguageModel::LanguageModel(const ModelConfig& config, int64_t vocabulary, uint64_t seed, DType dtype,
                             const MakeMixer& make_mixer)
    : parameters_(seed, dtype),
      vocabulary_(vocabulary),
      features_(config.features),
      d_model_(config.d_model),
      dropout_(config.dropout),
      norm_eps_(config.norm_eps),
      width_ratio_(config.width_ratio()),
      norm_(config.norm),
      norm_bias_(config.norm_bias),
      post_norm_(config.norm_position == "post"),
      residual_(config.residual) {
  parameters_.multiply_in_bf16(config.bf16);
  parameters_.set_hidden_rate(1 / width_ratio_);
  const ParameterScope root(parameters_);
  const Shape table = {vocabulary, config.d_model};
  if (features_ > 0) {
    if (config.tie_embeddings)
      throw UsageError("[language_model] model.tie_embeddings is true, but with real inputs there is no embedding");
    const Initializer start = init::linear_default(features_);
    feature_weight_ = &root.add("features.weight", {config.d_model, features_}, start);
    feature_bias_ = &root.add("features.bias", {config.d_model}, start);
  } else {
    embedding_ = &root.add("embedding.weight", table, init::normal(config.embedding_init));
  }
  if (config.positions == "learned") {
    if (config.max_positions < 1)
      throw UsageError("[language_model] model.positions is \"learned\", but model.max_positions is 0; say how many");
    const Shape places = {config.max_positions, config.d_model};
    positions_ = &root.add("positions.weight", places, init::normal(config.embedding_init));
  }
  for (int64_t i = 0; i < config.n_layers; ++i) blocks_.push_back(declare_block(config, i, make_mixer));
  if (!post_norm_) final_norm_ = declare_norm(root.in("norm"));
  const Initializer of_base_width = init::linear_default(config.d_model, std::sqrt(width_ratio_));
  if (config.zero_head && config.tie_embeddings)
    throw UsageError("[language_model] model.zero_head is true, but the head is the embedding; set model.tie_embeddings to false");
  head_ = config.tie_embeddings ? embedding_ : &root.add("head.weight", table, config.zero_head ? init::constant(0) : of_base_width);
  if (config.head_bias) head_bias_ = &root.add("head.bias", {vocabulary}, init::constant(0));
}

LanguageModel::Norm LanguageModel::declare_norm(const ParameterScope& scope) const {
  if (norm_ == "none") return {};
  const Shape shape = {d_model_};
  Parameter* weight = &scope.add("weight", shape, init::constant(1));
  const bool bias = norm_ == "layer_norm" && norm_bias_;
  return {weight, bias ? &scope.add("bias", shape, init::constant(0)) : nullptr};
}

LanguageModel::Block LanguageModel::declare_block(const ModelConfig& config, int64_t i,
                                                  const MakeMixer& make_mixer) {
  const BlockConfig& kind = config.block(i);
  Block block;
  block.name = "blocks." + std::to_string(i);
  block.first_parameter = parameters_.size();
  const ParameterScope scope = ParameterScope(parameters_).in(block.name);
  block.norm = declare_norm(scope.in("norm"));
  block.mixer = make_mixer(config, kind, scope.in("mixer"));
  if (config.parametrisation == "mup" && !block.mixer->has_mup())
    throw UsageError("[language_model] model.parametrisation is \"mup\", which has no settled rule for " + kind.architecture +
                     "; expected attention, gru, lstm, min_gru, min_lstm or rnn, or model.parametrisation \"standard\"");
  block.activation = kind.activation;
  block.glu = kind.output == "glu";
  if (kind.output != "none") {
    const ParameterScope output = scope.in("output");
    const int64_t rows = block.glu ? 2 * d_model_ : d_model_;
    block.output = &output.add_hidden("weight", {rows, d_model_}, init::linear_default(d_model_));
    if (kind.output_bias)
      block.output_bias = &output.add("bias", {rows}, init::linear_default(d_model_, std::sqrt(width_ratio_)));
  }
  if (kind.mlp != "none") {
    block.mlp_norm = declare_norm(scope.in("mlp_norm"));
    block.mlp.emplace(config, kind, scope.in("mlp"));
  }
  block.end_parameter = parameters_.size();
  return block;
}

Var LanguageModel::normalised(Pass& pass, const Norm& norm, const char* scope, const Var& x) const {
  if (!norm.weight) return x;
  const Tape::Scope in_norm(pass.tape, scope);
  const Var weight = use(pass, *norm.weight);
  if (norm_ == "rms_norm") return ops::rms_norm(x, weight, norm_eps_);
  return ops::layer_norm(x, weight, use_if(pass, norm.bias), norm_eps_);
}

Var LanguageModel::before(Pass& pass, const Norm& norm, const char* scope, const Var& x) const {
  return post_norm_ ? x : normalised(pass, norm, scope, x);
}
Var LanguageModel::after(Pass& pass, const Norm& norm, const char* scope, const Var& x) const {
  return post_norm_ ? normalised(pass, norm, scope, x) : x;
}

Var LanguageModel::mixed(Pass& pass, const Block& block, const Var& x, MixerState& state,
                         const Stretch& at) const {
  const Tape::Scope in_mixer(pass.tape, "mixer");
  const bool one_token = x.dim(1) == 1 && !at.resets.defined();
  return one_token ? block.mixer->step(pass, x, state, at) : block.mixer->forward(pass, x, state, at);
}

Var LanguageModel::output(Pass& pass, const Block& block, const Var& y) const {
  const Tape::Scope in_output(pass.tape, "output");
  const Var active = activate(block.activation, y);
  if (!block.output) return active;
  const Var bias = use_if(pass, block.output_bias);
  const Var projected = ops::linear(active, use(pass, *block.output), bias);
  return block.glu ? ops::glu(projected) : projected;
}

Var LanguageModel::joined(Pass& pass, const Var& x, Var branch) const {
  if (pass.training && dropout_ > 0) branch = ops::dropout(branch, dropout_, pass.stream("dropout"));
  return residual_ ? ops::add(x, branch) : branch;
}

void LanguageModel::tell_decay(Decays& decays, const Block& block, const Var& x, const MixerState& state,
                               const Stretch& at) const {
  Pass aside;
  MixerState values;
  for (const Var& tensor : state) values.push_back(tensor.detach());
  const Decay decay = block.mixer->decay(aside, x.detach(), values, {at.resets, at.positions});
  if (decay.log_abs.defined()) decays[block.name] = decay;
}

// Of the first rows and tokens that were asked for.
void LanguageModel::tell_tangent(const Pass& pass, const Block& block, const Var& x, const MixerState& state,
                                 const Stretch& at) const {
  if (!block.mixer->has_tangent()) return;
  Tangents& asked = *pass.tangents;
  if (at.resets.defined()) Shapes{"language_model"}.fail("tangents are asked for, but documents start in this pass");
  const int64_t rows = std::min(asked.sequences, x.dim(0)), steps = std::min(asked.steps, x.dim(1));
  asked.sequences = rows, asked.steps = steps;
  Pass aside = pass;
  aside.tangents = nullptr, aside.decays = nullptr, aside.readings = nullptr;
  MixerState before;
  for (const Var& tensor : state) before.push_back(ops::narrow(tensor, 0, 0, rows));
  const Var read = ops::narrow(ops::narrow(x, 0, 0, rows), 1, 0, steps);
  const Tape::Scope in_tangent(pass.tape, "tangent");
  const Tangent tangent = block.mixer->tangent(aside, read, before, asked.vectors);
  if (tangent.size > 0) asked.by_block[block.name] = tangent;
}

Var LanguageModel::through_mlp(Pass& pass, const Block& block, Var x) const {
  const Tape::Scope in_mlp(pass.tape, "mlp");
  return block.mlp->forward(pass, std::move(x));
}

// Recorded before what they multiply, gradients of weights may wait until backward has computed that anew (remade_in_time).
void LanguageModel::record_parameters(Pass& pass, const Block& block) const {
  for (size_t i = block.first_parameter; pass.tape && i < block.end_parameter; ++i) use(pass, parameters_[i]);
}

// By itself, so that what only the mixer needed is let go before the MLP begins.
Var LanguageModel::through_mixer(Pass& pass, const Block& block, const Var& x, MixerState& state,
                                 const Stretch& at) const {
  const Var read = before(pass, block.norm, "norm", x);
  if (pass.decays) tell_decay(*pass.decays, block, read, state, at);
  if (pass.tangents) tell_tangent(pass, block, read, state, at);
  const Var branch = output(pass, block, mixed(pass, block, read, state, at));
  return after(pass, block.norm, "norm", joined(pass, x, branch));
}

Var LanguageModel::through(Pass& pass, const Block& block, const Var& x, MixerState& state,
                           const Stretch& at) const {
  const Tape::Scope in_block(pass.tape, block.name);
  record_parameters(pass, block);
  const Var y = through_mixer(pass, block, x, state, at);
  if (!block.mlp) return y;
  const Var branch = through_mlp(pass, block, before(pass, block.mlp_norm, "mlp_norm", y));
  return after(pass, block.mlp_norm, "mlp_norm", joined(pass, y, branch));
}

// Forward without a tape; backward does it again, with one, and the same random numbers.
Var LanguageModel::recomputed(Pass& pass, const Block& block, const Var& x, MixerState& state,
                              const Stretch& at) const {
  MixerState before;
  for (const Var& tensor : state) before.push_back(tensor.detach());
  Pass again = pass;
  again.readings = nullptr, again.decays = nullptr, again.tangents = nullptr;
  pass.tape = nullptr;
  const Var y = through(pass, block, x.detach(), state, at);
  pass.tape = again.tape;
  const Tape::Scope in_block(pass.tape, block.name);
  return record("recompute", y.value(), {x}, [=, this, &block](const Adjoints& g) {
    Tape tape;
    Pass inner = again;
    inner.tape = &tape;
    MixerState from = before;
    const Var input = tape.leaf(x.value());
    watch(input, [&](const Tensor& dx) { g.give(0, dx.clone()); });
    tape.backward({{through(inner, block, input, from, at), g.out(0)}});
  });
}

// Whether the first mixer's input is a row of the embedding, and tokens are enough more than symbols.
bool LanguageModel::looks_up(int64_t tokens) const {
  const bool reads_rows = !blocks_.empty() && (post_norm_ || !blocks_[0].norm.weight);
  return embedding_ && reads_rows && !positions_ && tokens >= 2 * vocabulary_;
}

Var LanguageModel::inputs(Pass& pass, const Tokens& tokens) const {
  if (embedding_) return ops::embedding(tokens.ids, use(pass, *embedding_));
  const Var features = tokens.features.to(parameters_.dtype());
  return ops::linear(features, use(pass, *feature_weight_), use(pass, *feature_bias_));
}

Var LanguageModel::embedded(Pass& pass, const Tokens& tokens, const Tensor& positions) const {
  const Tape::Scope in_embedding(pass.tape, "embedding");
  const Var x = inputs(pass, tokens);
  if (!positions_) return x;
  const int64_t places = positions_->value.dim(0);
  for (int64_t i = 0; i < positions.size(); ++i)
    if (positions.data<int32_t>()[i] >= places)
      throw UsageError("[language_model] a token stands at position " + std::to_string(places) +
                       " of its text, but this model knows positions 0 to " + std::to_string(places - 1) +
                       " (model.max_positions): use shorter texts or windows, or train with more");
  return ops::add(x, ops::embedding(positions, use(pass, *positions_)));
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

// Ids or features, whichever the model takes; the other ones must not be there.
Shape LanguageModel::batch_and_length(const Tokens& tokens) const {
  const Shapes check{"language_model"};
  if (features_ == 0) {
    if (tokens.features.defined()) check.fail("features are given, but this model takes token ids");
    const auto [batch, length] = check("ids", tokens.ids, {"batch", "length"});
    return {batch, length};
  }
  if (tokens.ids.defined() || !tokens.features.defined())
    check.fail("this model takes real inputs, features (batch, length, " + std::to_string(features_) +
               "), not token ids: it was made for a task such as adding");
  const auto [batch, length, features] = check("features", tokens.features, {"batch", "length", features_});
  return {batch, length};
}

// Counted on from the state, anew where a document starts; the state goes on to the next token.
Tensor LanguageModel::next_positions(const Tokens& tokens, State& state) const {
  const Shape shape = batch_and_length(tokens);
  const int64_t batch = shape[0], length = shape[1];
  if (state.positions.defined()) Shapes{"language_model"}("state.positions", state.positions, {batch});
  const Tensor positions = Tensor::empty({batch, length}, DType::i32), next = Tensor::empty({batch}, DType::i32);
  for (int64_t b = 0; b < batch; ++b) {
    const int32_t* resets =
        tokens.resets.defined() ? tokens.resets.data<int32_t>() + b * tokens.resets.stride(0) : nullptr;
    int32_t position = state.positions.defined() ? state.positions.data<int32_t>()[b] : 0;
    for (int64_t t = 0; t < length; ++t) {
      if (resets && resets[t] != 0) position = 0;
      positions.data<int32_t>()[b * length + t] = position++;
    }
    next.data<int32_t>()[b] = position;
  }
  state.positions = next;
  return positions;
}

Var LanguageModel::forward(Pass& pass, const Tokens& tokens, State& state, const HiddenSink& hidden) {
  const Shapes check{"language_model"};
  const Shape shape = batch_and_length(tokens);
  if (tokens.resets.defined()) check("resets", tokens.resets, {shape[0], shape[1]});
  ready(state);
  const auto show = [&](const std::string& name, Var& x) {
    if (hidden) hidden(name, x);
  };

  const Stretch at{tokens.resets, next_positions(tokens, state)};
  Stretch first = at;
  if (looks_up(shape[0] * shape[1]) && !hidden && !pass.recompute) first.ids = tokens.ids, first.table = use(pass, *embedding_);
  Var x = embedded(pass, tokens, at.positions);
  show("embed", x);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const bool anew = pass.recompute && x.tape();
    x = anew ? recomputed(pass, blocks_[i], x, state.blocks[i], at)
             : through(pass, blocks_[i], x, state.blocks[i], i == 0 ? first : at);
    show("layers." + std::to_string(i), x);
  }
  const Var head = use(pass, *head_);
  x = normalised(pass, final_norm_, "norm", x);
  if (final_norm_.weight) show("final", x);
  const Tape::Scope in_head(pass.tape, "head");
  return ops::linear(scaled(x, 1 / width_ratio_), head, use_if(pass, head_bias_));
}

std::vector<std::vector<std::string>> LanguageModel::full_names(bool recurrent) const {
  std::vector<std::vector<std::string>> names;
  for (const Block& block : blocks_) {
    names.emplace_back();
    for (const auto& name : recurrent ? block.mixer->recurrent_names() : block.mixer->state_names())
      names.back().push_back(block.name + ".mixer." + name);
  }
  return names;
}

std::vector<std::vector<std::string>> LanguageModel::state_names() const {
  return full_names(false);
}
std::vector<std::vector<std::string>> LanguageModel::recurrent_names() const { return full_names(true); }

bool LanguageModel::has_tangents() const {
  return std::any_of(blocks_.begin(), blocks_.end(), [](const Block& block) { return block.mixer->has_tangent(); });
}

bool LanguageModel::bounded_state() const {
  if (positions_) return false;
  for (const Block& block : blocks_)
    if (!block.mixer->bounded_state()) return false;
  return true;
}

bool LanguageModel::has_cache() const {
  return std::any_of(blocks_.begin(), blocks_.end(), [](const Block& block) { return block.mixer->has_cache(); });
}

}  // namespace adder
