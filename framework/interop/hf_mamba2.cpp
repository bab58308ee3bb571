// model_type "mamba2": Mamba2ForCausalLM, whose names the original state-spaces/mamba shares, but for the
// embedding's. E = expand * D = H P channels in H heads of P, G groups, N states. The norm before out_proj
// takes each of the G groups by itself.
#include <cmath>

#include "framework/interop/foreign_layout.h"

namespace adder {

ForeignLayout hf_mamba2_layout(const ForeignConfig& config) {
  const std::string activation = config.text("hidden_act", "silu");
  if (activation != "silu" && activation != "swish") config.fail("hidden_act", "\"silu\"");
  config.only("rms_norm", true);  // without it there is no norm before out_proj
  const int64_t V = config.size("vocab_size"), D = config.size("hidden_size"),
                layers = config.size("num_hidden_layers");
  const int64_t expand = config.size("expand", 2), E = expand * D;
  const int64_t P = config.size("head_dim", 64), H = config.size("num_heads", 128),
                G = config.size("n_groups", 8), N = config.size("state_size", 128),
                K = config.size("conv_kernel", 4);
  if (H * P != E)
    config.fail("num_heads", "num_heads * head_dim = hidden_size * expand = " + std::to_string(E) +
                                 "; head_dim is " + std::to_string(P));
  if (H % G != 0) config.fail("n_groups", "a divisor of num_heads = " + std::to_string(H));
  const auto limit = config.range("time_step_limit", {0, INFINITY});
  const bool bias = config.flag("use_bias", false), conv_bias = config.flag("use_conv_bias", true);
  const bool tied = config.flag("tie_word_embeddings", false);

  ForeignLayout layout;
  layout.vocabulary = V;
  layout.layers = layers;
  layout.prefix = "backbone.";
  layout.model = {{"architecture", "mamba2"},
                  {"d_model", D},
                  {"n_layers", layers},
                  {"d_state", N},
                  {"d_conv", K},
                  {"expand", expand},
                  {"head_dim", P},
                  {"n_groups", G},
                  {"chunk_size", config.size("chunk_size", 256)},
                  {"bias", bias},
                  {"conv_bias", conv_bias},
                  {"dt_limit_min", limit.first},
                  {"dt_limit_max", std::isinf(limit.second) ? 0 : limit.second},
                  {"tie_embeddings", tied},
                  {"norm_eps", config.positive("layer_norm_epsilon", 1e-5)}};

  const std::string block = "blocks.{i}.", their_block = "backbone.layers.{i}.";
  const std::string ours = block + "mixer.", theirs = their_block + "mixer.";
  const auto mixer = [&](const std::string& name, const Shape& shape) {
    layout.add(ours + name, theirs + name, shape);
  };
  const int64_t convolved = E + 2 * G * N, projected = E + convolved + H;
  layout.add("embedding.weight", "backbone.embeddings.weight", {V, D});
  layout.add(block + "norm.weight", their_block + "norm.weight", {D});
  mixer("in_proj.weight", {projected, D});
  if (bias) mixer("in_proj.bias", {projected});
  layout.add_reshaped(ours + "conv1d.weight", {convolved, K}, theirs + "conv1d.weight", {convolved, 1, K});
  if (conv_bias) mixer("conv1d.bias", {convolved});
  mixer("dt_bias", {H});
  mixer("A_log", {H});
  mixer("D", {H});
  mixer("norm.weight", {E});
  mixer("out_proj.weight", {D, E});
  if (bias) mixer("out_proj.bias", {D});
  layout.add("norm.weight", "backbone.norm_f.weight", {D});
  if (!tied) layout.add("head.weight", "lm_head.weight", {V, D});

  layout.keep_float32({ours + "A_log", ours + "D", ours + "dt_bias"});
  layout.aliases = {{"backbone.embedding.weight", "backbone.embeddings.weight"}};
  if (tied) layout.copies = {{"lm_head.weight", "backbone.embeddings.weight"}};
  return layout;
}

ForeignJson hf_mamba2_config(const OwnModel& m) {
  const int64_t D = m.size("d_model"), expand = m.size("expand"), H = m.extent("blocks.0.mixer.A_log", 0);
  const double least = m.number("dt_limit_min"), most = m.number("dt_limit_max");
  ForeignJson config = hugging_face_config("mamba2", "Mamba2ForCausalLM", m);
  config.update({{"hidden_size", D},
                 {"num_hidden_layers", m.size("n_layers")},
                 {"state_size", m.size("d_state")},
                 {"conv_kernel", m.size("d_conv")},
                 {"expand", expand},
                 {"num_heads", H},
                 {"head_dim", expand * D / H},
                 {"n_groups", m.size("n_groups")},
                 {"chunk_size", m.size("chunk_size")},
                 {"time_step_min", m.number("dt_min")},
                 {"time_step_max", m.number("dt_max")},
                 {"time_step_floor", m.number("dt_init_floor")},
                 {"use_bias", m.flag("bias")},
                 {"use_conv_bias", m.flag("conv_bias")},
                 {"hidden_act", "silu"},
                 {"rms_norm", true},
                 {"layer_norm_epsilon", m.number("norm_eps")},
                 {"residual_in_fp32", true}});
  // From 0 to infinity is what it means to say nothing, and infinity is spelt differently by each version.
  const ForeignJson infinity = {{"__float__", "Infinity"}};
  if (least > 0 || most > 0)
    config["time_step_limit"] = ForeignJson::array({least, most > 0 ? ForeignJson(most) : infinity});
  return config;
}

}  // namespace adder
