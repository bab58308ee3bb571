// Causal scaled dot-product attention of several heads; key and value heads may serve several query heads.
//   y[b,t,h] = sum_j p[b,t,h,j] v[b,j,g],   p[b,t,h,:] = softmax_j(scale q[b,t,h] . k[b,j,g]),   g = h / (H / Hkv)
// over the keys j of [first[b,t], past[b] + t]: past[b] earlier keys stand before that of query 0. Nothing
// outside that range changes a result: keys before it, or past every query's, are not read; those of queries to come have
// the weight 0. Vaswani et al., 2017; grouped heads: Ainslie et al., 2023.
// No (T, T) matrix is stored: keys come in blocks of 64, counted from key 0, with a running softmax (Dao et al.,
// 2022); backward computes p anew from lse = log sum exp. Heads lie side by side in a row, head_dim apart.
#pragma once
#include "kernels/bfloat16.h"
#include "kernels/sequence.h"

namespace kernels {

template <class T>
struct Attention {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  Sequence<const T> q;              // [batch, queries, heads * head_dim]
  Sequence<const T> k{}, v{};       // [batch, at least past + queries, kv_heads * head_dim]
  Sequence<const BFloat16> k_bf16{}, v_bf16{};  // or these in their place: float's forward, as of the same numbers in k and v
  const int32_t* past = nullptr;    // [batch] or null: 0
  const int32_t* first = nullptr;   // [batch, queries] or null: 0
  T scale = 1;
  Sequence<T> y{};                  // [batch, queries, heads * head_dim]   written by forward, read by backward
  T* lse = nullptr;                 // [batch, heads, queries]              likewise
  Sequence<const T> dy{};           // read by backward
  Sequence<T> dq{}, dk{}, dv{};     // backward adds into these; null: not wanted
  bool overwrite = false;           // or writes them anew
};

namespace cpu {
template <class T> void attention_fwd(const Attention<T>&);
template <class T> void attention_bwd(const Attention<T>&);
}  // namespace cpu
}  // namespace kernels
