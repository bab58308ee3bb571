// The arithmetic of rnn, gru and lstm, for a profile.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

struct CellWork {
  double gates, exps, backward_exps;  // a unit and step
};

// Forward W h at every step; backward W^T dgates at every step and dW.
inline Work recurrent_work(const CellWork& cell, const Var& xg, const Var& w_hh) {
  const double steps = double(xg.dim(0) * xg.dim(1)), hidden = double(w_hh.dim(1));
  const double flops = 2 * steps * cell.gates * hidden * hidden;
  return {.flops = flops,
          .backward_flops = 2 * flops,
          .exps = steps * hidden * cell.exps,
          .backward_exps = steps * hidden * cell.backward_exps};
}

}  // namespace adder::ops
