// model_type "gpt2": GPT2LMHeadModel. Its Conv1D weights are (in, out); the columns of c_attn are q, k, v.
#include "framework/interop/foreign_layout.h"

namespace adder {
namespace {

std::string activation_of(const ForeignConfig& config) {
  const std::string theirs = config.text("activation_function", "gelu_new");
  for (const char* tanh_form : {"gelu_new", "gelu_pytorch_tanh", "gelu_fast"})
    if (theirs == tanh_form) return "gelu_tanh";
  if (theirs == "gelu" || theirs == "relu") return theirs;
  config.fail("activation_function", R"("gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu" or "relu")");
}

// The released files say n_ctx beside n_positions; the general names are read as transformers reads them.
int64_t size_of(const ForeignConfig& config, const char* name, const char* general) {
  return config.size(config.has(name) || !config.has(general) ? name : general);
}

}  // namespace

ForeignLayout hf_gpt2_layout(const ForeignConfig& config) {
  config.only("scale_attn_weights", true);
  config.only("scale_attn_by_inverse_layer_idx", false);
  config.only("add_cross_attention", false);
  const int64_t V = config.size("vocab_size"), D = size_of(config, "n_embd", "hidden_size"),
                layers = size_of(config, "n_layer", "num_hidden_layers"),
                heads = size_of(config, "n_head", "num_attention_heads"),
                positions = size_of(config, "n_positions", "max_position_embeddings");
  const int64_t F = config.size("n_inner", 4 * D);
  if (D % heads != 0) config.fail("n_head", "a divisor of n_embd = " + std::to_string(D));
  const bool tied = config.flag("tie_word_embeddings", true);

  ForeignLayout layout;
  layout.vocabulary = V;
  layout.layers = layers;
  layout.prefix = "transformer.";
  layout.model = {{"architecture", "attention"},
                  {"d_model", D},
                  {"n_layers", layers},
                  {"n_heads", heads},
                  {"n_kv_heads", heads},
                  {"head_dim", D / heads},
                  {"rotary", "none"},
                  {"bias", true},
                  {"activation", "none"},
                  {"output", "none"},
                  {"positions", "learned"},
                  {"max_positions", positions},
                  {"norm", "layer_norm"},
                  {"norm_bias", true},
                  {"norm_eps", config.positive("layer_norm_epsilon", 1e-5)},
                  {"mlp", activation_of(config)},
                  {"d_mlp", F},
                  {"mlp_bias", true},
                  {"tie_embeddings", tied}};

  const std::string ours = "blocks.{i}.", theirs = "transformer.h.{i}.";
  const auto norm = [&](const std::string& our_name, const std::string& their_name) {
    layout.add(our_name + ".weight", their_name + ".weight", {D});
    layout.add(our_name + ".bias", their_name + ".bias", {D});
  };
  const auto projection = [&](const std::string& our_name, const std::string& their_name, int64_t outputs,
                              int64_t inputs) {
    layout.add_transposed(ours + our_name + ".weight", {outputs, inputs}, theirs + their_name + ".weight");
    layout.add(ours + our_name + ".bias", theirs + their_name + ".bias", {outputs});
  };
  layout.add("embedding.weight", "transformer.wte.weight", {V, D});
  layout.add("positions.weight", "transformer.wpe.weight", {positions, D});
  norm(ours + "norm", theirs + "ln_1");
  projection("mixer.qkv_proj", "attn.c_attn", 3 * D, D);
  projection("mixer.out_proj", "attn.c_proj", D, D);
  norm(ours + "mlp_norm", theirs + "ln_2");
  projection("mlp.up", "mlp.c_fc", F, D);
  projection("mlp.down", "mlp.c_proj", D, F);
  norm("norm", "transformer.ln_f");
  if (!tied) layout.add("head.weight", "lm_head.weight", {V, D});

  layout.skipped = {theirs + "attn.bias", theirs + "attn.masked_bias"};  // causal masks
  if (tied) layout.copies = {{"lm_head.weight", "transformer.wte.weight"}};
  return layout;
}

ForeignJson hf_gpt2_config(const OwnModel& m) {
  const std::string& mlp = m.text("mlp");
  ForeignJson config = hugging_face_config("gpt2", "GPT2LMHeadModel", m);
  config.update({{"n_embd", m.size("d_model")},
                 {"n_layer", m.size("n_layers")},
                 {"n_head", m.size("n_heads")},
                 {"n_positions", m.extent("positions.weight", 0)},
                 {"n_inner", m.extent("blocks.0.mlp.up.weight", 0)},
                 {"activation_function", mlp == "gelu" || mlp == "relu" ? mlp : "gelu_new"},
                 {"layer_norm_epsilon", m.number("norm_eps")},
                 {"resid_pdrop", m.number("dropout")},
                 {"embd_pdrop", 0.0},
                 {"attn_pdrop", 0.0},
                 {"scale_attn_weights", true}});
  return config;
}

}  // namespace adder
