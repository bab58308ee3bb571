// Faults planted into tiny training runs, and what the lab is to name. Those that set the bounds of HealthBounds are marked;
// the others, with other seeds, are what its detection rate is scored on.
#pragma once
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "framework/nn/model.h"

namespace adder::faults {

using Plant = std::function<void(Model& model)>;

struct Fault {
  const char *name, *model;              // the keys of section "model"
  const char* more = "";                 // further sections; of the healthy twin, none
  Plant plant = nullptr;                 // before step `at`; null: the config is the fault
  int64_t at = 1;
  bool every_step = false;               // planted anew before each later step
  bool bad_batch = false;                // step `at` reads noise
  std::vector<std::string> names = {};   // one of them must be in a finding
  bool sets_bounds = false;
};

inline void scale(Model& model, const std::string& name, double factor) {
  const Tensor& t = model.parameters().find(name)->value;
  for (int64_t i = 0; i < t.size(); ++i) t.data<float>()[i] *= float(factor);
}
inline void fill(Model& model, const std::string& name, double value, int64_t first = 0, int64_t count = -1) {
  const Tensor& t = model.parameters().find(name)->value;
  for (int64_t i = first; i < (count < 0 ? t.size() : first + count); ++i) t.data<float>()[i] = float(value);
}

constexpr char kRnn[] = R"("architecture": "rnn", "d_model": 16, "n_layers": 1)";
constexpr char kRelu[] = R"("architecture": "rnn", "nonlinearity": "relu", "d_model": 16, "n_layers": 2)";
constexpr char kLstm[] = R"("architecture": "lstm", "d_model": 16, "n_layers": 2)";
constexpr char kGru[] = R"("architecture": "gru", "d_model": 16, "n_layers": 2, "tie_embeddings": false)";
constexpr char kMinGru[] = R"("architecture": "min_gru", "d_model": 16, "n_layers": 2, "bias": true)";
constexpr char kMamba[] = R"("architecture": "mamba", "d_model": 12, "n_layers": 2, "d_state": 4)";
constexpr char kMamba2[] = R"("architecture": "mamba2", "d_model": 12, "n_layers": 2, "d_state": 4)";
constexpr char kGpt[] = R"("architecture": "attention", "d_model": 16, "n_layers": 2, "n_heads": 2, "mlp": "relu", "mlp_bias": true)";
constexpr char kLlama[] = R"("architecture": "attention", "d_model": 16, "n_layers": 2, "n_heads": 2, "mlp": "swiglu")";
constexpr char kNoNorm[] = R"("architecture": "attention", "d_model": 16, "n_layers": 4, "n_heads": 2, "mlp": "relu", "norm": "none")";

inline std::vector<Fault> list() {
  const auto scaled = [](const char* name, double factor) { return [=](Model& m) { scale(m, name, factor); }; };
  const auto filled = [](const char* name, double value, int64_t first = 0, int64_t count = -1) {
    return [=](Model& m) { fill(m, name, value, first, count); };
  };
  const double nan = std::nan(""), inf = HUGE_VAL;
  return {
      // ---- these set the bounds ----
      {.name = "embedding starts 100 times too large", .model = kGpt, .plant = scaled("embedding.weight", 100), .names = {"loss", "head"}, .sets_bounds = true},
      {.name = "learning rate 3", .model = kLstm, .more = R"("optimizer": {"learning_rate": 3})", .names = {"learning rate", "loss"}, .sets_bounds = true},
      {.name = "saturated tanh", .model = kRnn, .plant = scaled("blocks.0.mixer.weight_hh", 50), .names = {"blocks.0.mixer"}, .sets_bounds = true},
      {.name = "input gate closed", .model = kLstm, .plant = filled("blocks.0.mixer.bias_ih", -30, 0, 16), .names = {"blocks.0.mixer.input"}, .sets_bounds = true},
      {.name = "Mamba forgets at once", .model = kMamba, .plant = filled("blocks.1.mixer.dt_proj.bias", 20), .names = {"blocks.1.mixer"}, .sets_bounds = true},
      {.name = "attention logits too large", .model = kGpt, .plant = scaled("blocks.0.mixer.qkv_proj.weight", 300), .names = {"blocks.0.mixer"}, .sets_bounds = true},
      {.name = "dead relu", .model = kGpt, .plant = filled("blocks.0.mlp.up.bias", -50), .names = {"blocks.0.mlp"}, .sets_bounds = true},
      {.name = "a weight that is not a number", .model = kLstm, .plant = filled("blocks.1.mixer.weight_hh", nan, 3, 1), .at = 11, .names = {"blocks.1.mixer.weight_hh"}, .sets_bounds = true},
      {.name = "one weight corrupted", .model = kLstm, .plant = filled("blocks.1.mixer.weight_ih", 1e4, 5, 1), .at = 11, .names = {"blocks.1.mixer.weight_ih"}, .sets_bounds = true},
      {.name = "bad batch", .model = kGru, .at = 80, .bad_batch = true, .names = {"loss"}, .sets_bounds = true},
      {.name = "branch cut off", .model = kMamba, .plant = filled("blocks.1.mixer.out_proj.weight", 0), .every_step = true, .names = {"blocks.1.mixer"}, .sets_bounds = true},
      {.name = "eps 1", .model = kGpt, .more = R"("optimizer": {"eps": 1})", .names = {"optimizer.eps"}, .sets_bounds = true},
      {.name = "clip_norm 1e-6", .model = kGru, .more = R"("training": {"clip_norm": 1e-6})", .names = {"clip_norm"}, .sets_bounds = true},
      {.name = "recurrent weight explodes (relu)", .model = kRelu, .plant = scaled("blocks.0.mixer.weight_hh", 8), .names = {"blocks.0"}, .sets_bounds = true},
      // ---- these are scored ----
      {.name = "update gate wide open", .model = kGru, .plant = filled("blocks.0.mixer.bias_ih", 40, 16, 16), .names = {"blocks.0.mixer.update"}},
      {.name = "forget gate closed", .model = kLstm, .plant = filled("blocks.1.mixer.bias_ih", -30, 16, 16), .names = {"blocks.1.mixer.forget"}},
      {.name = "output gate closed", .model = kLstm, .plant = filled("blocks.0.mixer.bias_ih", -30, 48, 16), .names = {"blocks.0.mixer"}},
      {.name = "minGRU takes nothing in", .model = kMinGru, .plant = filled("blocks.1.mixer.linear_z.bias", -40), .names = {"blocks.1.mixer"}},
      {.name = "Mamba takes nothing in", .model = kMamba, .plant = filled("blocks.0.mixer.dt_proj.bias", -40), .names = {"blocks.0.mixer"}},
      {.name = "Mamba-2 forgets at once", .model = kMamba2, .plant = filled("blocks.0.mixer.dt_bias", 20), .names = {"blocks.0.mixer"}},
      {.name = "no norm, large weights", .model = kNoNorm, .plant = [](Model& m) { for (const char* b : {"0", "1", "2", "3"}) scale(m, std::string("blocks.") + b + ".mlp.up.weight", 100), scale(m, std::string("blocks.") + b + ".mlp.down.weight", 100); }, .names = {"blocks.", "residual stream"}},
      {.name = "gate of swiglu dead", .model = kLlama, .plant = filled("blocks.1.mlp.gate.weight", 0), .every_step = true, .names = {"blocks.1.mlp"}},
      {.name = "an infinite embedding", .model = kMamba2, .plant = filled("embedding.weight", inf, 20, 1), .at = 11, .names = {"embedding.weight"}},
      {.name = "one recurrent weight corrupted", .model = kGru, .plant = filled("blocks.0.mixer.weight_hh", 1e5, 7, 1), .at = 11, .names = {"blocks.0.mixer.weight_hh"}},
      {.name = "sgd at rate 1e4", .model = kGpt, .more = R"("optimizer": {"name": "sgd", "learning_rate": 1e4})", .names = {"loss", "learning rate", "not finite"}},
      {.name = "learning rate 1e-12", .model = kMinGru, .more = R"("optimizer": {"learning_rate": 1e-12})", .names = {"does not move"}},
      {.name = "last norm is zero", .model = kLlama, .plant = filled("norm.weight", 0), .at = 11, .names = {"norm"}},
      {.name = "head 1000 times too large", .model = kGru, .plant = scaled("head.weight", 1000), .at = 11, .names = {"head", "loss"}},
      {.name = "one branch 10000 times too large", .model = kMinGru, .plant = scaled("blocks.0.mixer.out_proj.weight", 1e4), .names = {"blocks.0", "residual stream"}},
      {.name = "labels are noise", .model = kLlama, .at = 80, .bad_batch = true, .names = {"loss"}},
      {.name = "A overflows", .model = kMamba, .plant = filled("blocks.1.mixer.A_log", 1e3), .at = 11, .names = {"blocks.1.mixer"}},
      {.name = "norm of a block 1000 times too large", .model = kLstm, .plant = scaled("blocks.1.norm.weight", 1000), .at = 11, .names = {"blocks.1"}},
      {.name = "recurrence cut off", .model = kRnn, .plant = filled("blocks.0.mixer.weight_hh", 0), .every_step = true, .names = {"blocks.0.mixer"}},
      {.name = "queries are zero", .model = kGpt, .plant = filled("blocks.1.mixer.qkv_proj.weight", 0, 0, 256), .every_step = true, .names = {"blocks.1.mixer"}},
  };
}

inline const std::vector<Fault>& all() {
  static const std::vector<Fault> faults = list();
  return faults;
}

}  // namespace adder::faults
