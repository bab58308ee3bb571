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
  layout.prefix = "backbone.";
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

  const std::string block = "blocks.{i}.", their_block = "backbone.layers.{i}.";
  const std::string ours = block + "mixer.", theirs = their_block + "mixer.";
  const auto mixer = [&](const std::string& name, const Shape& shape) {
    layout.add(ours + name, theirs + name, shape);
  };
  layout.add("embedding.weight", "backbone.embeddings.weight", {V, D});
  layout.add(block + "norm.weight", their_block + "norm.weight", {D});
  mixer("in_proj.weight", {2 * E, D});
  if (bias) mixer("in_proj.bias", {2 * E});
  layout.add_reshaped(ours + "conv1d.weight", {E, K}, theirs + "conv1d.weight", {E, 1, K});
  if (conv_bias) mixer("conv1d.bias", {E});
  mixer("x_proj.weight", {R + 2 * N, E});
  mixer("dt_proj.weight", {E, R});
  mixer("dt_proj.bias", {E});
  mixer("A_log", {E, N});
  mixer("D", {E});
  mixer("out_proj.weight", {D, E});
  if (bias) mixer("out_proj.bias", {D});
  layout.add("norm.weight", "backbone.norm_f.weight", {D});
  if (!tied) layout.add("head.weight", "lm_head.weight", {V, D});

  layout.keep_float32({ours + "A_log", ours + "D", ours + "dt_proj.bias"});
  layout.aliases = {{"backbone.embedding.weight", "backbone.embeddings.weight"}};
  if (tied) layout.copies = {{"lm_head.weight", "backbone.embeddings.weight"}};
  return layout;
}

ForeignJson hf_mamba_config(const OwnModel& m) {
  const int64_t D = m.size("d_model"), expand = m.size("expand");
  ForeignJson config = hugging_face_config("mamba", "MambaForCausalLM", m);
  config.update({{"hidden_size", D},
                 {"intermediate_size", expand * D},
                 {"num_hidden_layers", m.size("n_layers")},
                 {"state_size", m.size("d_state")},
                 {"conv_kernel", m.size("d_conv")},
                 {"expand", expand},
                 {"time_step_rank", m.extent("blocks.0.mixer.dt_proj.weight", 1)},
                 {"time_step_scale", 1.0},
                 {"time_step_min", m.number("dt_min")},
                 {"time_step_max", m.number("dt_max")},
                 {"time_step_floor", m.number("dt_init_floor")},
                 {"time_step_init_scheme", "random"},
                 {"use_bias", m.flag("bias")},
                 {"use_conv_bias", m.flag("conv_bias")},
                 {"hidden_act", "silu"},
                 {"layer_norm_epsilon", m.number("norm_eps")},
                 {"residual_in_fp32", true}});
  return config;
}

}  // namespace adder
