// Everything that a model computes on one batch, as HDF5 that h5py compares with another program's: the work
// of `adder trace`. The layout is that of shared/parity's case.h5.
//
// Read:    input_ids, labels   (B, T) integers; labels are already shifted, -100 is not scored
//          labels_masked       the same again, optional
//          greedy/prompt_len   one integer from 1 to T, optional
// Written, in the model's dtype, from a zero state, without dropout; B rows, T positions, V ids, D channels:
//          logits (B, T, V)
//          loss (1), loss_masked (1)    mean nats over the labels that are scored
//          hidden/embed, hidden/layers.<i>, hidden/final (B, T, D)   the residual stream
//          grads/<name>                 d loss / d parameter
//          grad_norm (1) float64        of all gradients together
//          decode_logits (B, T, V)      one token at a time
//          greedy/tokens (B, n) int32   the likeliest continuation of input_ids[:, :prompt_len]
// loss_masked and greedy/tokens stand there only where the input asks for them.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "framework/data/hdf5.h"
#include "framework/training/model_file.h"

namespace adder {

struct TraceBatch {
  Tensor ids, labels;         // (B, T) int32
  Tensor labels_masked;       // undefined: no loss_masked
  int64_t prompt_length = 0;  // 0: no greedy/tokens
  int64_t greedy_count = 16;  // tokens of the continuation: as many as the input's own greedy/tokens, if any
};

// Under which name, and in which shape, a gradient is written; one parameter may be several tensors to another
// program. Null: the parameter's own. interop/source_names.h has the names of an imported folder.
using GradientNames = std::function<std::vector<NamedTensor>(const NamedTensor& ours)>;

// UnreadableError: what is missing, of the wrong shape or out of range, and what to do about it.
TraceBatch read_trace_batch(const std::string& path, int64_t vocabulary);

// The datasets above, into a file that is open for writing. The model's gradients are cleared.
void write_trace(Model& model, const TraceBatch& batch, const GradientNames& names, Hdf5File& out);

// From file to file. `output` appears whole or not at all; UsageError where it is the input or the
// checkpoint.
void trace(LoadedModel& loaded, const std::string& input, const std::string& output,
           const GradientNames& names = nullptr);

}  // namespace adder
