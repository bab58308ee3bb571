// What a model's width asks of its parts under muP (Yang et al., "Tensor Programs V", 2021, table 8, for Adam). With
// r = d_model / base_width, so that r = 1 is the standard parametrisation to the bit:
//   hidden matrices, both of whose sides grow   start at variance 1/fan_in; rate / r (ParameterScope::add_hidden)
//   embedding, positions, norms, biases         start and learn as at the base width
//   logits                                      head(x / r)
//   attention                                   q / sqrt(r): the scale 1/head_dim, equal to 1/sqrt(head_dim) at r = 1
// Weight decay is the rate's times weight_decay for all, not divided by r (as microsoft/mup has it).
#pragma once
#include "framework/config/model_config.h"

namespace adder {

// UsageError that begins with [op] where `given` is not 0 under muP: a width of its own says nothing of the base model's.
void require_derived_width(const ModelConfig& config, const char* op, const char* key, int64_t given);

// x (..., n) times a constant; x itself for 1.
Var scaled(const Var& x, double factor);

}  // namespace adder
