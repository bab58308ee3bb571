// Clipping by the global norm of all gradients, as torch.nn.utils.clip_grad_norm_ does it.
#pragma once
#include "framework/nn/module.h"

namespace adder {

// The L2 norm of all gradients together, summed in double in a fixed order. A parameter without gradient
// counts as zero. Not finite where a gradient isn't: that is the caller's to report.
double global_norm(const ParameterList& parameters);
double norm_of(const Tensor& gradient);  // of one, summed the same way; 0 where it is undefined

// What the gradients are to be multiplied by (Optimizer::step does it): min(1, clip_norm / (norm + 1e-6)).
// clip_norm 0: no clipping, always 1. NaN where the norm is not finite, so that it can't go unnoticed.
double clip_scale(double norm, double clip_norm);

}  // namespace adder
