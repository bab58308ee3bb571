#include "models/attention.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/ops/attention.h"
#include "framework/ops/bfloat16.h"
#include "framework/ops/linear.h"
#include "framework/ops/rms_norm.h"
#include "framework/ops/row_buffer.h"
#include "framework/ops/view.h"
#include "models/width.h"

namespace adder {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw UsageError("[attention] " + what); }

int64_t dim_of_heads(const ModelConfig& config, const AttentionOptions& o) {
  if (o.head_dim) return o.head_dim;
  if (config.d_model % o.n_heads != 0)
    refuse("n_heads is " + std::to_string(o.n_heads) + ", expected a divisor of d_model, " +
           std::to_string(config.d_model) + ", or a head_dim");
  return config.d_model / o.n_heads;
}

}  // namespace

void AttentionOptions::fields(Fields& f) {
  f("n_heads", n_heads, "heads of queries", size_range());
  f("n_kv_heads", n_kv_heads, "heads of keys and values, each shared by as many of queries; 0: n_heads", size_range(0));
  f("head_dim", head_dim, "width of a head; 0: d_model / n_heads", size_range(0));
  f.choice("rotary", rotary, {"none", "half", "interleaved"},
           "positions by turning pairs of a head's elements: (i, i + head_dim / 2) or (2i, 2i + 1)");
  f("rotary_base", rotary_base, "base of the wavelengths", above(0));
  f("qk_norm", qk_norm, "queries and keys are normalised (RMSNorm), head by head");
  f("window", window, "tokens that are seen, the present one included; 0: all of the document", size_range(0));
  f("bias", bias, "whether the projections have biases");
}

Attention::Attention(const ModelConfig& config, const AttentionOptions& o, const ParameterScope& scope)
    : heads_(o.n_heads),
      kv_heads_(o.n_kv_heads ? o.n_kv_heads : o.n_heads),
      head_dim_(dim_of_heads(config, o)),
      window_(o.window),
      rotary_(o.rotary),
      rotary_base_(o.rotary_base),
      q_factor_(1 / std::sqrt(config.width_ratio())),
      norm_eps_(config.norm_eps) {
  if (heads_ % kv_heads_ != 0)
    refuse("n_kv_heads is " + std::to_string(kv_heads_) + ", expected a divisor of n_heads, " + std::to_string(heads_));
  if (rotary_ != "none" && head_dim_ % 2 != 0)
    refuse("rotary turns pairs, but a head has " + std::to_string(head_dim_) +
           " elements; expected an even number (d_model / n_heads, or head_dim)");
  require_derived_width(config, "attention", "head_dim", o.head_dim);
  const int64_t D = config.d_model, rows = (heads_ + 2 * kv_heads_) * head_dim_;
  const double start = 0.02 / std::sqrt(config.width_ratio());
  qkv_proj_ = &scope.add_hidden("qkv_proj.weight", {rows, D}, init::normal(start));
  if (o.bias) qkv_proj_bias_ = &scope.add("qkv_proj.bias", {rows}, init::constant(0));
  if (o.qk_norm) {
    q_norm_ = &scope.add("q_norm.weight", {head_dim_}, init::constant(1));
    k_norm_ = &scope.add("k_norm.weight", {head_dim_}, init::constant(1));
  }
  // As GPT-2: two residual branches a block, whose sum keeps its size whatever the depth.
  out_proj_ = &scope.add_hidden("out_proj.weight", {D, heads_ * head_dim_},
                                init::normal(start / std::sqrt(2 * double(config.n_layers))));
  if (o.bias) out_proj_bias_ = &scope.add("out_proj.bias", {D}, init::constant(0));
}

Var Attention::normalised(Pass& pass, const Var& x, int64_t heads, Parameter* weight) const {
  if (!weight) return x;
  const Var by_head = ops::reshape(x, {x.dim(0), x.dim(1), heads, head_dim_});
  return ops::reshape(ops::rms_norm(by_head, use(pass, *weight), norm_eps_), x.shape());
}

ops::RotaryTables Attention::tables(const Tensor& positions, DType dtype) const {
  int64_t needed = 1;
  for (int64_t i = 0; i < positions.size(); ++i)
    needed = std::max<int64_t>(needed, positions.data<int32_t>()[i] + 1);
  const std::lock_guard<std::mutex> lock(growing_);
  if (!tables_.cos.defined() || tables_.cos.dtype() != dtype || tables_.cos.dim(0) < needed) {
    int64_t places = 64;
    while (places < needed) places *= 2;
    tables_ = ops::rotary_tables(places, head_dim_, rotary_base_, dtype);
  }
  return tables_;
}

Var Attention::turned(const Var& x, int64_t heads, const Tensor& positions) const {
  if (rotary_ == "none") return x;
  return ops::rotary(x, positions, tables(positions, x.dtype()), heads, rotary_ == "interleaved");
}

// The first key that each query sees: its document's, or the first of its window. Undefined: all see key 0.
Tensor Attention::first_keys(const Tensor& past, const Stretch& at, int64_t batch, int64_t length) const {
  if (!at.resets.defined() && window_ == 0) return {};
  const Tensor first = Tensor::empty({batch, length}, DType::i32);
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t before = past.defined() ? past.data<int32_t>()[b] : 0;
    const int32_t* resets = at.resets.defined() ? at.resets.data<int32_t>() + b * at.resets.stride(0) : nullptr;
    int64_t document = 0;
    for (int64_t t = 0; t < length; ++t) {
      if (resets && resets[t] != 0) document = before + t;
      const int64_t seen = window_ > 0 ? before + t + 1 - window_ : 0;
      first.data<int32_t>()[b * length + t] = int32_t(std::max(document, seen));
    }
  }
  return first;
}

// What the next token may see. A document's start drops what was before it at once; what left the window goes when as
// much has gathered as the window holds, by each row's own count, so that a row does what it would do alone.
MixerState Attention::kept(const Var& k, const Var& v, const Tensor& total, const Tensor& resets,
                           int64_t length) const {
  const int64_t batch = total.dim(0);
  const Tensor starts = Tensor::zeros({batch}, DType::i32), counts = Tensor::empty({batch}, DType::i32);
  bool moved = false;
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t all = total.data<int32_t>()[b];
    int64_t start = 0;
    for (int64_t t = 0; resets.defined() && t < length; ++t)
      if (resets.data<int32_t>()[b * resets.stride(0) + t] != 0) start = all - length + t;
    if (window_ > 0 && all - start >= 2 * window_) start = all - (window_ - 1);
    starts.data<int32_t>()[b] = int32_t(start);
    counts.data<int32_t>()[b] = int32_t(all - start);
    moved = moved || start > 0;
  }
  if (!moved) return {k, v, Var(counts)};
  return {ops::take_rows(k, starts, counts), ops::take_rows(v, starts, counts), Var(counts)};
}

Var Attention::forward(Pass& pass, const Var& x, MixerState& state, const Stretch& at) const {
  const int64_t batch = x.dim(0), length = x.dim(1), q_width = heads_ * head_dim_, kv_width = kv_heads_ * head_dim_;
  const Var projected =
      ops::linear(x, use(pass, *qkv_proj_), use_if(pass, qkv_proj_bias_));
  const auto qkv = ops::split(projected, {q_width, kv_width, kv_width});
  const Var q = scaled(turned(normalised(pass, qkv[0], heads_, q_norm_), heads_, at.positions), q_factor_);
  Var k = turned(normalised(pass, qkv[1], kv_heads_, k_norm_), kv_heads_, at.positions), v = qkv[2];

  // Before they are used at all: a text has the same bits however it is cut, but where the cache moves (`kept`), as in float32.
  if (pass.bf16_cache) k = ops::to_bfloat16(k), v = ops::to_bfloat16(v);
  if (!state.empty() && state[0].dtype() != k.dtype())
    throw Error(std::string("[attention] the state's keys are ") + name(state[0].dtype()) + ", this pass makes " + name(k.dtype()) +
                "; expected all passes over a text to agree on Pass::bf16_cache");

  Tensor past;
  Tensor total = Tensor::full({batch}, double(length), DType::i32);
  if (!state.empty()) {
    past = state[2].value();
    for (int64_t b = 0; b < batch; ++b) total.data<int32_t>()[b] += past.data<int32_t>()[b];
    k = ops::append_rows(std::move(state[0]), past, k);
    v = ops::append_rows(std::move(state[1]), past, v);
  }
  const Var y = ops::attention(q, k, v, {heads_, kv_heads_}, past, first_keys(past, at, batch, length));
  state = kept(k, v, total, at.resets, length);
  return ops::linear(y, use(pass, *out_proj_), use_if(pass, out_proj_bias_));
}

}  // namespace adder
