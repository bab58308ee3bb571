// Softmax over the last axis and its logarithm, safe for large inputs. x (..., n), y likewise. A model's loss
// wants framework/ops/cross_entropy.h instead, which stores no probabilities.
#pragma once
#include "framework/core/tape.h"

namespace adder::ops {

Var softmax(const Var& x);
Var log_softmax(const Var& x);

}  // namespace adder::ops
