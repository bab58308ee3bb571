#include "framework/config/model_config.h"

namespace adder {

void ModelConfig::fields(Fields& f) {
  f("architecture", architecture, "the kind of block; it brings keys of its own");
  f("d_model", d_model, "width of the residual stream", size_range());
  f("n_layers", n_layers, "number of blocks", size_range());
  // Visitors that only look share this list with the reader; the object itself was made non-const.
  if (mixer) const_cast<Options&>(*mixer).fields(f);
  f("tie_embeddings", tie_embeddings, "the head's weight is the embedding's");
  f("dropout", dropout, "share of activations dropped in training", half_open(0, 1));
  f.choice("norm", norm, {"rms_norm", "layer_norm"}, "normalisation before each block and before the head");
  f("norm_eps", norm_eps, "added to the mean square (or variance) in a norm", above(0));
}

}  // namespace adder
