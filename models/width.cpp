#include "models/width.h"

#include "framework/core/error.h"
#include "framework/ops/scale.h"

namespace adder {

void require_derived_width(const ModelConfig& config, const char* op, const char* key, int64_t given) {
  if (config.parametrisation != "mup" || given == 0) return;
  throw UsageError("[" + std::string(op) + "] " + key + " is " + std::to_string(given) +
                   ", but with model.parametrisation \"mup\" every width must follow d_model: leave the key out");
}

Var scaled(const Var& x, double factor) {
  if (factor == 1) return x;
  return ops::scale_columns(x, Var(Tensor::full({x.dim(-1)}, factor, x.dtype(), x.device())));
}

}  // namespace adder
