// The selective state-space scan (kernels/selective_scan/selective_scan.h has the equation).
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

struct SelectiveScanInputs {
  Var u, delta;      // (batch, length, channels)
  Var A;             // (channels, state)
  Var B, C;          // (batch, length, state)
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

SelectiveScanResult selective_scan(const SelectiveScanInputs& in, bool delta_softplus = true);

}  // namespace adder::ops
