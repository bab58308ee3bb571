// Adjoints along a text, as far back as it goes. Backward runs segment by segment with the carried state between them: a
// segment is computed again from the state before it, and the adjoint at its border is rescaled to 1, its power of two
// kept beside it, row by row. So memory does not grow with the text (but for one state in `stride` segments), and a norm
// that no float can hold is still a number. Parameters are constants here: the model is not changed, nor its gradients.
#pragma once
#include <string>
#include <vector>

#include "framework/nn/model.h"

namespace adder::lab {

struct BacksweepOptions {
  int64_t segment = 1;  // tokens; a model whose state grows with the text (attention) gets all of them at once
  int64_t stride = 64;  // segments between two states that are kept
};

// Base-10 logarithms of norms, float64. L is the sum, not the mean, of the losses of the labels.
struct Backsweep {
  std::vector<std::string> places;  // of the residual stream: "embed", "layers.0", …, "final"
  std::vector<std::string> states;  // "blocks.0.mixer.h": all that a recurrence carries on
  Tensor stream;  // (places, batch, length): of dL / d stream, after token t's own layer; "embed": dL / de_t
  Tensor state;   // (states, batch, length): of dL / d the state that token t leaves, other states held: what the tokens
                  // after t feel of it. NaN where no segment ends, and at the last token
};

// ids, labels int32 (batch, length), the labels already shifted and kIgnoreLabel where there is no loss. DivergedError
// where the model's own numbers are not finite.
Backsweep backsweep(Model& model, const Tensor& ids, const Tensor& labels, const BacksweepOptions& options = {});

// Rows of a batch, to be swept by themselves.
inline Tensor some_rows(const Tensor& t, int64_t first, int64_t count) { return t.narrow(0, first, count).clone(); }

}  // namespace adder::lab
