// Selective scan: the recurrence at the heart of Mamba (Gu & Dao, 2023, algorithm 2), fused with what surrounds it.
//   dt[b,t,d]  = softplus(delta[b,t,d] + delta_bias[d])                       (or the sum itself)
//   h[b,t,d,n] = exp(dt[b,t,d] A[d,n]) h[b,t-1,d,n] + dt[b,t,d] B[b,t,n] u[b,t,d]      h[b,-1] = h0 or 0
//   y[b,t,d]   = (sum_n C[b,t,n] h[b,t,d,n] + D[d] u[b,t,d]) silu(z[b,t,d])            last = h[b,L-1]
// Signed transitions (Grazzi et al., 2024) stand between -1 and 1: 2 exp(dt A) - 1 in place of exp(dt A). Ablations (the
// paper's algorithm 1): without delta the time step is a constant of the channel; B or C of shape (channels, state) is the
// same at all times.
// Where resets[b,t] is 1, the state before position t counts as 0. A (batch, length, channels, state) tensor is never
// stored: forward keeps the states between chunks of kScanChunk steps, backward recomputes those inside one.
#pragma once
#include "kernels/matrix.h"

namespace kernels {

constexpr int64_t kScanChunk = 16;

template <class T>
struct SelectiveScan {
  int64_t batch = 0, length = 0, channels = 0, state = 0;
  Matrix<const T> u, delta, z;           // [batch * length, channels]    delta (0) and z may be null
  const T* A = nullptr;                  // [channels, state]
  Matrix<const T> B, C;                  // [batch * length, state], or [channels, state] where fixed
  bool fixed_B = false, fixed_C = false;
  const T *D = nullptr, *delta_bias = nullptr;  // [channels]             may be null
  const T* h0 = nullptr;                 // [batch, channels, state]      may be null
  const int32_t* resets = nullptr;       // [batch, length]               may be null
  bool softplus = true;
  bool signed_transitions = false;

  Matrix<T> y{};                         // [batch * length, channels]    written by forward
  T* last = nullptr;                     // [batch, channels, state]      written by forward
  T* boundaries = nullptr;               // scan_boundaries(…) elements, written by forward where not null, read by backward

  Matrix<const T> dy{};                  // [batch * length, channels]    may be null: y was not used
  const T* dlast = nullptr;              // [batch, channels, state]      may be null
  Matrix<T> du{}, ddelta{}, dz{};        // backward adds into these; null: not wanted
  bool overwrite_du = false, overwrite_ddelta = false;  // or writes these two
  T *dA = nullptr, *dD = nullptr, *ddelta_bias = nullptr, *dh0 = nullptr;
  Matrix<T> dB{}, dC{};                  // as B and C
};

// Elements of the buffer that carries the states between chunks.
template <class T>
int64_t scan_boundaries(const SelectiveScan<T>& s) {
  constexpr int64_t lanes = 64 / int64_t(sizeof(T));
  return s.batch * ((s.length + kScanChunk - 1) / kScanChunk) * ((s.channels + lanes - 1) / lanes) * lanes * s.state;
}

namespace cpu {
template <class T> void selective_scan_fwd(const SelectiveScan<T>&);
// Forward of a single step: length 1, delta given, B and C by time, positive transitions, state a multiple of 64 bytes, no
// boundaries. selective_scan_fwd leaves such a step to it.
template <class T> void selective_scan_step(const SelectiveScan<T>&);
template <class T> void selective_scan_bwd(const SelectiveScan<T>&);
}  // namespace cpu
}  // namespace kernels
