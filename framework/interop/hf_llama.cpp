// model_type "llama": LlamaForCausalLM. Rotary positions turn the pairs (j, j + head_dim / 2); key and value
// head of query head h is h / (heads / kv heads).
#include "framework/interop/foreign_layout.h"

namespace adder {
namespace {

// transformers 5 writes rope_parameters {rope_theta, rope_type}; before there were rope_theta, and
// rope_scaling {rope_type} (earlier: type), null where nothing is scaled.
double rotary_base(const ForeignConfig& config) {
  for (const char* name : {"rope_parameters", "rope_scaling"}) {
    const ForeignConfig rope = config.section(name);
    rope.only("rope_type", "default");
    rope.only("type", "default");
    rope.only("partial_rotary_factor", 1.0);
  }
  const ForeignConfig rope = config.section("rope_parameters");
  const double base = config.positive("rope_theta", rope.positive("rope_theta", 10000.0));
  if (rope.positive("rope_theta", base) != base)
    rope.fail("rope_theta", "what \"rope_theta\" beside it says");
  return base;
}

}  // namespace

ForeignLayout hf_llama_layout(const ForeignConfig& config) {
  const std::string activation = config.text("hidden_act", "silu");
  if (activation != "silu" && activation != "swish") config.fail("hidden_act", "\"silu\"");
  // Programs differ in whether a Llama's window counts; transformers pays it no attention.
  config.only("sliding_window", nullptr);
  const int64_t V = config.size("vocab_size"), D = config.size("hidden_size"),
                layers = config.size("num_hidden_layers"), F = config.size("intermediate_size");
  const int64_t H = config.size("num_attention_heads"), kv = config.size("num_key_value_heads", H);
  if (H % kv != 0)
    config.fail("num_key_value_heads", "a divisor of num_attention_heads = " + std::to_string(H));
  if (!config.has("head_dim") && D % H != 0)
    config.fail("num_attention_heads", "a divisor of hidden_size = " + std::to_string(D) + ", or head_dim");
  const int64_t dh = config.size("head_dim", D / H);
  const bool bias = config.flag("attention_bias", false), mlp_bias = config.flag("mlp_bias", false);
  const bool tied = config.flag("tie_word_embeddings", false);

  ForeignLayout layout;
  layout.vocabulary = V;
  layout.layers = layers;
  layout.prefix = "model.";
  layout.model = {{"architecture", "attention"},
                  {"d_model", D},
                  {"n_layers", layers},
                  {"n_heads", H},
                  {"n_kv_heads", kv},
                  {"head_dim", dh},
                  {"rotary", "half"},
                  {"rotary_base", rotary_base(config)},
                  {"bias", bias},
                  {"activation", "none"},
                  {"output", "none"},
                  {"norm", "rms_norm"},
                  {"norm_eps", config.positive("rms_norm_eps", 1e-6)},
                  {"mlp", "swiglu"},
                  {"d_mlp", F},
                  {"mlp_bias", mlp_bias},
                  {"tie_embeddings", tied}};

  const std::string ours = "blocks.{i}.", theirs = "model.layers.{i}.";
  const std::string attention = theirs + "self_attn.";
  const auto linear = [&](const std::string& our_name, const std::string& their_name, int64_t outputs,
                          int64_t inputs, bool with_bias) {
    layout.add(ours + our_name + ".weight", theirs + their_name + ".weight", {outputs, inputs});
    if (with_bias) layout.add(ours + our_name + ".bias", theirs + their_name + ".bias", {outputs});
  };
  layout.add("embedding.weight", "model.embed_tokens.weight", {V, D});
  layout.add(ours + "norm.weight", theirs + "input_layernorm.weight", {D});
  layout.add_joined(ours + "mixer.qkv_proj.weight", {(H + 2 * kv) * dh, D},
                    {{attention + "q_proj.weight", {H * dh, D}},
                     {attention + "k_proj.weight", {kv * dh, D}},
                     {attention + "v_proj.weight", {kv * dh, D}}});
  if (bias)
    layout.add_joined(ours + "mixer.qkv_proj.bias", {(H + 2 * kv) * dh},
                      {{attention + "q_proj.bias", {H * dh}},
                       {attention + "k_proj.bias", {kv * dh}},
                       {attention + "v_proj.bias", {kv * dh}}});
  linear("mixer.out_proj", "self_attn.o_proj", D, H * dh, bias);
  layout.add(ours + "mlp_norm.weight", theirs + "post_attention_layernorm.weight", {D});
  linear("mlp.up", "mlp.up_proj", F, D, mlp_bias);
  linear("mlp.gate", "mlp.gate_proj", F, D, mlp_bias);
  linear("mlp.down", "mlp.down_proj", D, F, mlp_bias);
  layout.add("norm.weight", "model.norm.weight", {D});
  if (!tied) layout.add("head.weight", "lm_head.weight", {V, D});

  layout.skipped = {attention + "rotary_emb.inv_freq"};  // follows from rope_theta
  if (tied) layout.copies = {{"lm_head.weight", "model.embed_tokens.weight"}};
  return layout;
}

ForeignJson hf_llama_config(const OwnModel& m) {
  const int64_t D = m.size("d_model"), H = m.size("n_heads"),
                dh = m.extent("blocks.0.mixer.out_proj.weight", 1) / H;
  const int64_t rows = m.extent("blocks.0.mixer.qkv_proj.weight", 0), kv = dh > 0 ? (rows / dh - H) / 2 : H;
  const double base = m.number("rotary_base");
  ForeignJson config = hugging_face_config("llama", "LlamaForCausalLM", m);
  config.update({{"hidden_size", D},
                 {"num_hidden_layers", m.size("n_layers")},
                 {"intermediate_size", m.extent("blocks.0.mlp.up.weight", 0)},
                 {"num_attention_heads", H},
                 {"num_key_value_heads", kv},
                 {"head_dim", dh},
                 {"hidden_act", "silu"},
                 {"rms_norm_eps", m.number("norm_eps")},
                 {"rope_theta", base},
                 {"rope_parameters", {{"rope_theta", base}, {"rope_type", "default"}}},
                 {"attention_bias", m.flag("bias")},
                 {"attention_dropout", 0.0},
                 {"mlp_bias", m.flag("mlp_bias")}});
  if (m.trained_length() > 0) config["max_position_embeddings"] = m.trained_length();
  return config;
}

}  // namespace adder
