// The selective state-space scan (kernels/selective_scan/selective_scan.h has the equation).
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

struct SelectiveScanInputs {
  Var u, delta;      // (batch, length, channels)        delta optional where delta_bias is given: constant time steps
  Var A;             // (channels, state)
  Var B, C;          // (batch, length, state), or (channels, state): the same at all times
  Var D;             // (channels)                       optional
  Var z;             // (batch, length, channels)        optional: gate
  Var delta_bias;    // (channels)                       optional
  Var h0;            // (batch, channels, state)         optional: zero
  Tensor resets;     // (batch, length) int32            optional: 1 where a document starts
};

struct SelectiveScanResult {
  Var y;             // (batch, length, channels)
  Var last;          // (batch, channels, state)
};

// signed_transitions: 2 exp(dt A) - 1, between -1 and 1, in place of exp(dt A).
SelectiveScanResult selective_scan(const SelectiveScanInputs& in, bool delta_softplus = true,
                                   bool signed_transitions = false);

}  // namespace adder::ops
