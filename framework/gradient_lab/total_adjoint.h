// What training sees: the adjoint of the whole loss (the sum over the text) by place and time. Near losses hide what the
// far ones lose on the way; lag_profile.h shows that.
#pragma once
#include "framework/gradient_lab/backsweep.h"

namespace adder::lab {

struct TotalAdjoint {
  std::vector<std::string> places;  // of the residual stream, then of the recurrent states
  size_t streams = 0;               // how many of them are the stream's
  Tensor norms;  // (places, length): log10 of the mean over the rows of |dL / d what stands there at t|; of a state: what
                 // token t left, as the tokens after it feel it (NaN at the last, and where a cache keeps everything)
};

// ids, labels int32 (rows, length). Rows are swept `rows_at_once` together: memory, and nothing else, depends on it.
TotalAdjoint total_adjoint(Model& model, const Tensor& ids, const Tensor& labels, int64_t rows_at_once = 8);

}  // namespace adder::lab
