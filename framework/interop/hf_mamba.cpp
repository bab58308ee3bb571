// model_type "mamba": MambaForCausalLM, whose names the original state-spaces/mamba shares, but for
// the embedding's.
#include "framework/interop/foreign_layout.h"

namespace adder {
namespace {

int64_t inner_size(const ForeignConfig& config, int64_t d_model) {
  const int64_t expand = config.size("expand", 2);
  const int64_t inner = config.size("intermediate_size", expand * d_model);
  if (inner != expand * d_model)
    config.fail("intermediate_size", "expand * hidden_size = " + std::to_string(expand * d_model));
  return inner;
}

int64_t dt_rank(const ForeignConfig& config, int64_t d_model) {
  if (!config.has("time_step_rank")) return (d_model + 15) / 16;
  if (!config.is_text("time_step_rank")) return config.size("time_step_rank");
  if (config.text("time_step_rank", "auto") != "auto")
    config.fail("time_step_rank", "a whole number or \"auto\"");
  return (d_model + 15) / 16;
}

}  // namespace

ForeignLayout hf_mamba_layout(const ForeignConfig& config) {
  const std::string activation = config.text("hidden_act", "silu");
  if (activation != "silu" && activation != "swish") config.fail("hidden_act", "\"silu\"");
  const int64_t V = config.size("vocab_size"), D = config.size("hidden_size"),
                layers = config.size("num_hidden_layers");
  const int64_t E = inner_size(config, D), N = config.size("state_size", 16),
                K = config.size("conv_kernel", 4);
  const int64_t R = dt_rank(config, D);
  const bool bias = config.flag("use_bias", false), conv_bias = config.flag("use_conv_bias", true);
  const bool tied = config.flag("tie_word_embeddings", true);

  ForeignLayout layout;
  layout.vocabulary = V;
  layout.layers = layers;
  layout.model = {{"architecture", "mamba"},
                  {"d_model", D},
                  {"n_layers", layers},
                  {"d_state", N},
                  {"d_conv", K},
                  {"expand", E / D},
                  {"dt_rank", R},
                  {"bias", bias},
                  {"conv_bias", conv_bias},
                  {"tie_embeddings", tied},
                  {"norm_eps", config.positive("layer_norm_epsilon", 1e-5)}};

  const std::string ours = "blocks.{i}.", theirs = "backbone.layers.{i}.";
  const auto add = [&](const std::string& our_name, const std::string& their_name, const Shape& shape) {
    layout.rules.push_back({our_name, their_name, shape, shape});
  };
  const auto mixer = [&](const std::string& name, const Shape& our_shape, const Shape& their_shape) {
    layout.rules.push_back({ours + "mixer." + name, theirs + "mixer." + name, our_shape, their_shape});
  };
  add("embedding.weight", "backbone.embeddings.weight", {V, D});
  add(ours + "norm.weight", theirs + "norm.weight", {D});
  mixer("in_proj.weight", {2 * E, D}, {2 * E, D});
  if (bias) mixer("in_proj.bias", {2 * E}, {2 * E});
  mixer("conv1d.weight", {E, K}, {E, 1, K});
  if (conv_bias) mixer("conv1d.bias", {E}, {E});
  mixer("x_proj.weight", {R + 2 * N, E}, {R + 2 * N, E});
  mixer("dt_proj.weight", {E, R}, {E, R});
  mixer("dt_proj.bias", {E}, {E});
  mixer("A_log", {E, N}, {E, N});
  mixer("D", {E}, {E});
  mixer("out_proj.weight", {D, E}, {D, E});
  if (bias) mixer("out_proj.bias", {D}, {D});
  add("norm.weight", "backbone.norm_f.weight", {D});
  if (!tied) add("head.weight", "lm_head.weight", {V, D});

  layout.aliases = {{"backbone.embedding.weight", "backbone.embeddings.weight"}};
  if (tied) layout.copies = {{"lm_head.weight", "backbone.embeddings.weight"}};
  return layout;
}

}  // namespace adder
