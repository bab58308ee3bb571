// A linear, time-invariant state space with a diagonal transition, one for each channel (S4D: Gu et al., 2022), run as
// a recurrence; complex numbers are pairs of reals.
//   h[b,t,d,n] = a[d,n] h[b,t-1,d,n] + b[d,n] u[b,t,d]                            h[b,-1] = h0 or 0
//   y[b,t,d]   = w Re(sum_n c[d,n] h[b,t,d,n]) + D[d] u[b,t,d]                    last = h[b,L-1]
// w is 2 where every state stands for itself and its conjugate, else 1. All of a, b, c, h are real where a_im is null.
// Where resets[b,t] is not 0, the state before position t counts as 0. A (batch, length, channels, state) tensor is
// never stored: forward keeps the states between chunks of kSsmChunk steps, backward recomputes those inside one.
// Gradients, with G = dL/dh[b,t], all that flows back to it counted, and * the conjugate:
//   G[t] = w dy[t] c* + a* G[t+1];  du += Re(b* G) + D dy;  da += G h*[t-1],  db += G u,  dc += w dy h*
#pragma once
#include "kernels/matrix.h"
#include "kernels/sequence.h"

namespace kernels {

constexpr int64_t kSsmChunk = 32;

template <class T>
struct DiagonalSsm {
  int64_t state = 0;
  Sequence<const T> u;                        // [batch, length, channels]
  const T *a_re = nullptr, *a_im = nullptr;   // [channels, state]; a_im, b_im, c_im: all there or none
  const T *b_re = nullptr, *b_im = nullptr;
  const T *c_re = nullptr, *c_im = nullptr;
  const T* D = nullptr;                       // [channels] or null
  const T *h0_re = nullptr, *h0_im = nullptr; // [batch, channels, state] or null
  const int32_t* resets = nullptr;            // [batch, length] or null
  T weight = 1;

  Sequence<T> y{};                            // [batch, length, channels]   written by forward
  T *last_re = nullptr, *last_im = nullptr;   // [batch, channels, state]    written by forward
  T* borders = nullptr;                       // ssm_borders(…) elements, written by forward where not null

  Sequence<const T> dy{};                     // read by backward; null: that output was not used
  const T *dlast_re = nullptr, *dlast_im = nullptr;
  Sequence<T> du{};                           // backward adds into these; null: not wanted
  T *da_re = nullptr, *da_im = nullptr, *db_re = nullptr, *db_im = nullptr, *dc_re = nullptr, *dc_im = nullptr;
  T *dD = nullptr, *dh0_re = nullptr, *dh0_im = nullptr;
};

// Elements of the buffer that carries the states between chunks.
template <class T>
int64_t ssm_borders(const DiagonalSsm<T>& s) {
  constexpr int64_t lanes = 64 / int64_t(sizeof(T));
  const int64_t chunks = (s.u.length + kSsmChunk - 1) / kSsmChunk, blocks = (s.u.channels + lanes - 1) / lanes;
  return s.u.batch * chunks * blocks * lanes * s.state * (s.a_im ? 2 : 1);
}

namespace cpu {
template <class T> void diagonal_ssm_fwd(const DiagonalSsm<T>&);
template <class T> void diagonal_ssm_bwd(const DiagonalSsm<T>&);
}  // namespace cpu
}  // namespace kernels
