// "format": "parity-lm/1", the models of shared/parity/native (its README has their formulas): torch's
// recurrent networks, minGRU and minLSTM, S4D and LRU. Weights are (out, in).
#include "framework/interop/foreign_layout.h"

namespace adder {
namespace {

const std::string kOurs = "blocks.{i}.", kTheirs = "layers.{i}.";

// What all of them have: sizes and the ends of the model. The rows of the blocks come between.
struct Native {
  const ForeignConfig& config;
  std::string arch;
  ForeignLayout layout;
  int64_t V, D;
  bool tied, head_bias;

  explicit Native(const ForeignConfig& c)
      : config(c),
        arch(c.text("arch", "")),
        V(c.size("vocab_size")),
        D(c.size("d_model")),
        tied(c.flag("tie_embeddings", false)),
        head_bias(c.flag("head_bias", false)) {
    layout.vocabulary = V;
    layout.layers = c.size("n_layer");
    layout.model = {{"architecture", ""}, {"d_model", D}, {"n_layers", layout.layers}};
    layout.add("embedding.weight", "embedding.weight", {V, D});
  }

  void set(const std::string& key, const nlohmann::ordered_json& value) { layout.model[key] = value; }

  // Blocks of x = x + f(norm(x)).
  void residual(const std::string& their_norm, const std::string& our_norm) {
    config.only("residual", true);
    config.only("norm", their_norm);
    set("residual", true);
    set("norm", our_norm);
    set("norm_eps", config.positive("norm_eps", 1e-5));
    norm(kOurs + "norm", kTheirs + "norm");
  }

  void norm(const std::string& ours, const std::string& theirs) {
    layout.add(ours + ".weight", theirs + ".weight", {D});
    if (layout.model["norm"] == "layer_norm") layout.add(ours + ".bias", theirs + ".bias", {D});
  }

  void mixer(const std::string& ours, const std::string& theirs, const Shape& shape) {
    layout.add(kOurs + "mixer." + ours, theirs, shape);
  }

  ForeignLayout finish() {
    if (layout.model["norm"] != "none") norm("norm", "norm_f");
    set("tie_embeddings", tied);
    set("head_bias", head_bias);
    if (!tied) layout.add("head.weight", "head.weight", {V, D});
    if (head_bias) layout.add("head.bias", "head.bias", {V});
    return layout;
  }
};

ForeignLayout recurrent(Native native, const char* architecture, int64_t gates) {
  const ForeignConfig& config = native.config;
  const int64_t D = native.D, H = config.size("hidden_size", D);
  if (H != D) config.fail("hidden_size", "that of d_model, " + std::to_string(D));
  config.only("norm", "none");
  config.only("residual", false);
  native.set("architecture", architecture);
  native.set("d_hidden", H);
  if (native.arch.starts_with("rnn_")) native.set("nonlinearity", native.arch.substr(4));
  native.set("norm", "none");
  native.set("residual", false);
  native.mixer("weight_ih", "rnn.weight_ih_l{i}", {gates * H, D});
  native.mixer("weight_hh", "rnn.weight_hh_l{i}", {gates * H, H});
  native.mixer("bias_ih", "rnn.bias_ih_l{i}", {gates * H});
  native.mixer("bias_hh", "rnn.bias_hh_l{i}", {gates * H});
  return native.finish();
}

// x = x + out(cell(norm(x))); `gates`: the linear maps beside the candidate's.
ForeignLayout minimal(Native native, const char* architecture, const std::vector<std::string>& gates) {
  const ForeignConfig& config = native.config;
  const int64_t D = native.D, H = config.size("hidden_size", D);
  const bool log_form = native.arch.ends_with("_log");
  config.only("form", log_form ? "log" : "vanilla");
  config.only("h0", "zero");
  native.set("architecture", architecture);
  native.set("d_hidden", H);
  if (native.arch.starts_with("rnn_")) native.set("nonlinearity", native.arch.substr(4));
  native.set("candidate", log_form ? "g" : "linear");
  native.residual("rmsnorm", "rms_norm");
  for (const std::string& gate : gates) {
    native.mixer(gate + ".weight", kTheirs + "cell." + gate + ".weight", {H, D});
    native.mixer(gate + ".bias", kTheirs + "cell." + gate + ".bias", {H});
  }
  native.mixer("out_proj.weight", kTheirs + "out.weight", {D, H});
  return native.finish();
}

struct Named {
  std::string name;
  Shape shape;
};

// x = x + GLU(out(gelu(ssm(norm(x)))))
ForeignLayout state_space(Native native, const char* architecture, const std::vector<Named>& parameters) {
  const ForeignConfig& config = native.config;
  const int64_t D = native.D;
  config.only("activation", "gelu_erf");
  config.only("output", "glu");
  native.set("architecture", architecture);
  native.set("d_state", config.size("d_state"));
  native.residual("layernorm", "layer_norm");
  native.set("activation", "gelu");
  native.set("output", "glu");
  native.set("output_bias", true);
  native.set("mlp", "none");
  for (const Named& p : parameters) native.mixer(p.name, kTheirs + "ssm." + p.name, p.shape);
  native.layout.add(kOurs + "output.weight", kTheirs + "out.weight", {2 * D, D});
  native.layout.add(kOurs + "output.bias", kTheirs + "out.bias", {2 * D});
  return native.finish();
}

ForeignLayout s4d(Native native, bool complex) {
  const ForeignConfig& config = native.config;
  config.only("discretization", "zoh");
  config.only("conjugate_pairs", complex);
  const int64_t D = native.D, N = config.size("d_state");
  if (complex && N % 2 != 0) config.fail("d_state", "an even number: one state is a pair");
  native.set("diagonal", complex ? "complex" : "real");
  if (!complex)
    return state_space(native, "s4d", {{"log_dt", {D}}, {"log_A", {D, N}}, {"C", {D, N}}, {"D", {D}}});
  return state_space(native, "s4d",
                     {{"log_dt", {D}},
                      {"log_A_real", {D, N / 2}},
                      {"A_imag", {D, N / 2}},
                      {"C", {D, N / 2, 2}},
                      {"D", {D}}});
}

ForeignLayout lru(Native native) {
  const int64_t D = native.D, N = native.config.size("d_state");
  return state_space(native, "lru",
                     {{"nu_log", {N}},
                      {"theta_log", {N}},
                      {"gamma_log", {N}},
                      {"B_re", {N, D}},
                      {"B_im", {N, D}},
                      {"C_re", {D, N}},
                      {"C_im", {D, N}},
                      {"D", {D}}});
}

}  // namespace

ForeignLayout parity_lm_layout(const ForeignConfig& config) {
  const Native native(config);
  const std::string& arch = native.arch;
  if (arch == "rnn_tanh" || arch == "rnn_relu") return recurrent(native, "rnn", 1);
  if (arch == "lstm") return recurrent(native, "lstm", 4);
  if (arch == "gru") return recurrent(native, "gru", 3);
  if (arch == "mingru_log" || arch == "mingru_vanilla")
    return minimal(native, "min_gru", {"linear_z", "linear_h"});
  if (arch == "minlstm_log" || arch == "minlstm_vanilla")
    return minimal(native, "min_lstm", {"linear_f", "linear_i", "linear_h"});
  if (arch == "s4d_real" || arch == "s4d_lin") return s4d(native, arch == "s4d_lin");
  if (arch == "lru") return lru(native);
  config.fail("arch",
              R"("rnn_tanh", "rnn_relu", "lstm", "gru", "mingru_log", "mingru_vanilla", "minlstm_log", )"
              R"("minlstm_vanilla", "s4d_real", "s4d_lin" or "lru")");
}

ForeignJson torch_config(const OwnModel& m) {
  const std::string& architecture = m.text("architecture");
  const std::string arch = architecture == "rnn" ? "rnn_" + m.text("nonlinearity") : architecture;
  return {{"format", "parity-lm/1"},
          {"arch", arch},
          {"vocab_size", m.vocabulary()},
          {"d_model", m.size("d_model")},
          {"hidden_size", m.size("d_model")},
          {"n_layer", m.size("n_layers")},
          {"norm", "none"},
          {"residual", false},
          {"tie_embeddings", m.flag("tie_embeddings")},
          {"head_bias", m.flag("head_bias")}};
}

}  // namespace adder
