// A linear, time-invariant state space with a diagonal transition (kernels/diagonal_ssm/diagonal_ssm.h: the equation).
//   h_t = a h_{t-1} + b u_t,  y_t = w Re(c h_t) + D u_t
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

struct DiagonalSsmInputs {
  Var u;                 // (batch, length, channels), length >= 1
  Var a_re, a_im;        // (channels, state); the imaginary parts all there or none: then all is real
  Var b_re, b_im;
  Var c_re, c_im;
  Var D{};               // (channels)                  optional
  Var h0_re{}, h0_im{};  // (batch, channels, state)    optional: zero
  Tensor resets{};       // (batch, length) int32       optional: not 0 where a document starts
};

struct DiagonalSsmResult {
  Var y;                 // (batch, length, channels)
  Var last_re, last_im;  // (batch, channels, state); last_im undefined where all is real
};

// conjugate_pairs: every state stands for its conjugate too, so that Re counts twice.
DiagonalSsmResult diagonal_ssm(const DiagonalSsmInputs& in, bool conjugate_pairs = false);

}  // namespace adder::ops
