#include "framework/config/model_config.h"

namespace adder {

void BlockOptions::fields(Fields& f) {
  f.choice("activation", activation, {"none", "gelu", "gelu_tanh", "silu", "relu"},
           "function of what the mixer gives");
  f.choice("output", output, {"none", "linear", "glu"},
           "projection after the activation; glu: twice as wide, one half gates the other");
  f("output_bias", output_bias, "whether that projection has a bias");
  f.choice("mlp", mlp, {"none", "gelu", "gelu_tanh", "silu", "relu", "relu_squared", "swiglu"},
           "the layer after the mixer, with a norm and a residual of its own");
  f("d_mlp", d_mlp, "width inside it; 0: 4 d_model, for swiglu 8/3 d_model up to a multiple of 8",
    size_range(0));
  f("mlp_bias", mlp_bias, "whether its projections have biases");
}

// Visitors that only look share this list with the reader; the object itself was made non-const.
void BlockConfig::mixer_fields(Fields& f) const {
  if (mixer) const_cast<Options&>(*mixer).fields(f);
}

void BlockConfig::fields(Fields& f) {
  f("architecture", architecture, "the kind of block; it brings keys of its own");
  mixer_fields(f);
  BlockOptions::fields(f);
}

void ModelConfig::fields(Fields& f) {
  f("architecture", architecture, "the kind of block, which brings keys of its own; hybrid: see blocks");
  if (counts) return mixer_fields(f);
  f("d_model", d_model, "width of the residual stream", size_range());
  f("n_layers", n_layers, "number of blocks", size_range());
  if (hybrid()) {
    std::vector<Options*> items;
    for (BlockConfig& block : blocks) items.push_back(&block);
    f.list("blocks", items, "architecture and keys of each block in turn, over and over up to n_layers");
  } else {
    mixer_fields(f);
    BlockOptions::fields(f);
  }
  f("tie_embeddings", tie_embeddings, "the head's weight is the embedding's");
  f("head_bias", head_bias, "whether the head has a bias");
  f("embedding_init", embedding_init, "standard deviation of the embedding at the start", at_least(0));
  f("zero_head", zero_head, "whether a head of its own starts at 0, as muP's authors advise (appendix D.2)");
  f.choice("positions", positions, {"none", "learned"},
           "learned: a vector for each place in a document is added to the embedding");
  f("max_positions", max_positions, "places that learned positions know; 0: training.context_length",
    size_range(0));
  f("dropout", dropout, "share of activations dropped in training", half_open(0, 1));
  f.choice("norm", norm, {"rms_norm", "layer_norm", "none"},
           "normalisation at each mixer and each mlp");
  f.choice("norm_position", norm_position, {"pre", "post"},
           "pre: before each mixer, each mlp and the head. post: after each sum of a residual and its branch, as in the "
           "first Transformer; none before the head");
  f("norm_bias", norm_bias, "layer_norm: whether it has a bias");
  f("norm_eps", norm_eps, "added to the mean square (or variance) in a norm", above(0));
  f("residual", residual, "whether a block adds to its input; false: it replaces it");
  f.choice("parametrisation", parametrisation, {"standard", "mup"},
           "how starts, rates and logits depend on the width. mup (Yang et al., 2021, for Adam): against a model of "
           "d_model base_width, hidden matrices start at variance 1/fan_in and learn at base_width/d_model of the rate, "
           "logits are multiplied by that, attention's scale is 1/head_dim; rates found at one width hold at others. For "
           "attention, gru, lstm, min_gru, min_lstm and rnn, with adamw or lion");
  f("base_width", base_width, "mup: the d_model at which it is the standard parametrisation", size_range(0));
}

}  // namespace adder
