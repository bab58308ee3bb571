// Causal attention as a mixer: GPT-2's (learned positions in the skeleton) and Llama's (rotary, grouped heads).
//   [q, k, v] = qkv_proj x;  q, k = rms_norm(q), rms_norm(k) (qk_norm);  q, k = rotary(q), rotary(k)
//   y = out_proj attention(q, k, v), over the document so far, or its last `window` tokens
// D d_model, H n_heads, G n_kv_heads, dh head_dim.
#pragma once
#include <mutex>

#include "framework/config/model_config.h"
#include "framework/ops/rotary.h"
#include "models/mixer.h"

namespace adder {

struct AttentionOptions : Options {
  int64_t n_heads = 4;
  int64_t n_kv_heads = 0;
  int64_t head_dim = 0;
  std::string rotary = "half";
  double rotary_base = 10000;
  bool qk_norm = false;
  int64_t window = 0;
  bool bias = false;
  void fields(Fields& f) override;
};

class Attention : public Mixer {
 public:
  // UsageError where heads do not divide d_model, key heads not the heads, or rotary meets an odd head_dim.
  Attention(const ModelConfig& config, const AttentionOptions& options, const ParameterScope& scope);

  Var forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const override;
  // k, v (B, C, G dh): keys, turned already, and values of the tokens that may still be seen, bfloat16 where the pass says so;
  // count int32 (B): the rows of them that are in use.
  std::vector<std::string> state_names() const override { return {"k", "v", "count"}; }
  std::vector<std::string> recurrent_names() const override { return {}; }
  bool has_mup() const override { return true; }
  bool bounded_state() const override { return window_ > 0; }
  bool has_cache() const override { return true; }

 private:
  Var normalised(Pass& pass, const Var& x, int64_t heads, Parameter* weight) const;
  Var turned(const Var& x, int64_t heads, const Tensor& positions) const;
  ops::RotaryTables tables(const Tensor& positions, DType dtype) const;
  Tensor first_keys(const Tensor& past, const Stretch& at, int64_t batch, int64_t length) const;
  MixerState kept(const Var& k, const Var& v, const Tensor& total, const Tensor& resets, int64_t length) const;

  int64_t heads_, kv_heads_, head_dim_, window_;
  std::string rotary_;
  double rotary_base_, q_factor_, norm_eps_;
  Parameter *qkv_proj_, *qkv_proj_bias_ = nullptr;  // ((H + 2G) dh, D): rows of q, k, v
  Parameter *q_norm_ = nullptr, *k_norm_ = nullptr;  // (dh)
  Parameter *out_proj_, *out_proj_bias_ = nullptr;  // (D, H dh)
  mutable std::mutex growing_;
  mutable ops::RotaryTables tables_;  // made as far as positions have been asked for
};

}  // namespace adder
