// State space duality: Mamba-2's recurrence with a scalar decay a head (Dao & Gu, 2024), in chunked matrix form.
// Head h has head_dim = P channels and a state of P x N; it reads B and C of group h / (heads / groups).
//   dt[b,t,h]      = min(dt_max, max(dt_min, softplus(delta[b,t,h] + dt_bias[h])))
//   S[b,t,h,p,n]   = exp(dt[b,t,h] A[h]) S[b,t-1,h,p,n] + dt[b,t,h] x[b,t,h,p] B[b,t,g,n]       S[b,-1] = h0 or 0
//   y[b,t,h,p]     = sum_n C[b,t,g,n] S[b,t,h,p,n] + D[h] x[b,t,h,p]                            last = S[b,L-1]
// Where resets[b,t] is not 0, the state before position t counts as 0.
//
// Time is cut into chunks of chunk_size, from the stretch's start and anew wherever a document starts, so that no
// product ever joins two documents. With cs the cumulative sum of dt A within a chunk and u = dt x:
//   y[i] = exp(cs[i]) C[i] S_enter + sum_{j<=i} (C[i].B[j]) exp(cs[i] - cs[j]) u[j] + D x[i]
//   S_leave = exp(cs[last]) S_enter + sum_j exp(cs[last] - cs[j]) u[j] B[j]
// Only the states between chunks are stored. One token alone takes a plain step of the recurrence.
#pragma once
#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/sequence.h"

namespace kernels {

template <class T>
struct Ssd {
  int64_t batch = 0, length = 0, heads = 0, head_dim = 0, groups = 1, state = 0, chunk_size = 64;
  Sequence<const T> x, delta;      // [batch, length, heads * head_dim], [batch, length, heads]
  Sequence<const T> B, C;          // [batch, length, groups * state]
  const T* A = nullptr;            // [heads]
  const T *D = nullptr, *dt_bias = nullptr;  // [heads] or null
  const T* h0 = nullptr;           // [batch, heads, head_dim, state] or null
  const int32_t* resets = nullptr; // [batch, length] or null
  T dt_min = 0, dt_max = std::numeric_limits<T>::infinity();

  Sequence<T> y{};                 // [batch, length, heads * head_dim]   written by forward
  T* last = nullptr;               // [batch, heads, head_dim, state]     written by forward
  T* borders = nullptr;            // ssd_border_elements(…), written by forward (where not null: the plain step
                                   // needs none), read by backward

  Sequence<const T> dy{};          // null: y was not used
  const T* dlast = nullptr;        // null: last was not used
  Sequence<T> dx{}, ddelta{}, dB{}, dC{};    // backward adds into these; null: not wanted
  bool overwrite_dx = false, overwrite_ddelta = false, overwrite_dB = false, overwrite_dC = false;  // or writes them anew
  T *dA = nullptr, *dD = nullptr, *ddt_bias = nullptr, *dh0 = nullptr;
};

// A chunk of one sequence. `enter` and `leave` number the stored states before and after it; -1: none, as a
// document starts there.
struct SsdChunk {
  int64_t b, first, length, enter, leave;
};

struct SsdPlan {
  std::vector<SsdChunk> chunks;    // by sequence, then by time
  std::vector<int64_t> rows;       // chunks of sequence b: rows[b] to rows[b + 1]
  int64_t borders = 0;             // stored states: at most length / chunk_size + 2 a sequence
};

template <class T>
SsdPlan ssd_plan(const Ssd<T>& a) {
  SsdPlan plan;
  const auto starts = [&](int64_t b, int64_t t) { return a.resets && a.resets[b * a.length + t] != 0; };
  for (int64_t b = 0; b < a.batch; ++b) {
    plan.rows.push_back(int64_t(plan.chunks.size()));
    int64_t enter = a.h0 && !starts(b, 0) ? plan.borders++ : -1;
    for (int64_t t = 0, end; t < a.length; t = end) {
      for (end = t + 1; end < std::min(a.length, t + a.chunk_size) && !starts(b, end);) ++end;
      const int64_t leave = end < a.length && starts(b, end) ? -1 : plan.borders++;
      plan.chunks.push_back({b, t, end - t, enter, leave});
      enter = leave;
    }
  }
  plan.rows.push_back(int64_t(plan.chunks.size()));
  return plan;
}

// A stored state is [state][head_dim], rows padded to whole vectors.
template <class T>
int64_t ssd_border_elements(const Ssd<T>& a) {
  constexpr int64_t lanes = 64 / int64_t(sizeof(T));
  return ssd_plan(a).borders * a.heads * a.state * ((a.head_dim + lanes - 1) / lanes * lanes);
}

namespace cpu {
template <class T> void ssd_fwd(const Ssd<T>&);
template <class T> void ssd_bwd(const Ssd<T>&);
}  // namespace cpu
}  // namespace kernels
