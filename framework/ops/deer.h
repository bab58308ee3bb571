// A nonlinear recurrence (ops/rnn.h, gru.h, lstm.h) for all steps at once, by Newton's method on the scan
// (kernels/deer/deer.h): DEER with dense Jacobians, or quasi-DEER with their diagonals.
//   s_t = f(s_{t-1}, xg_t),  s = [h] or, of an lstm, [h, c]
// xg (B,L,G H), w_hh (G H,H), b_hh (G H) or nothing; state: nothing (zero), or h0 (and c0), (B,H) each. y (B,L,H) holds
// h; last: the states of the last step. resets as there.
// The same numbers as those ops within the tolerance; gradients are exact at the numbers that came out.
#pragma once
#include <vector>

#include "framework/core/tape.h"
#include "kernels/deer/deer.h"

namespace adder::ops {

using kernels::DeerCell;    // rnn_tanh, rnn_relu, gru, lstm
using kernels::DeerReport;  // iterations, residual, documents that were run step by step
using kernels::deer_states;
using kernels::kDeerMostState;

struct DeerOptions {
  DeerCell cell = DeerCell::gru;
  bool dense = true;       // with up to kDeerMostState elements in a state; false: quasi-DEER
  double tolerance = 0;    // of the residual, relative to the largest state from 1 up; 0: 1e-6, in float64 1e-13
  int64_t max_iterations = 100;
};
struct DeerResult {
  Var y;
  std::vector<Var> last;
  DeerReport report;
};
DeerResult deer(const Var& xg, const Var& w_hh, const Var& b_hh, const std::vector<Var>& state, const Tensor& resets,
                const DeerOptions& options);

}  // namespace adder::ops
