// Checkpoints: everything that a resume needs in one HDF5 file behind a 512-byte block that vouches for it.
//
//   bytes 0..511   magic (8) | format version u32 | block size u32 | total length u64
//                  | XXH3-128 of bytes 512.. (16, big-endian) | … | a line of text at 64 | …
//                  | XXH3-64 of bytes 0..503 at 504;  little-endian
//   /model/<dotted name>, /optimizer/<slot>/<dotted name>, /carried/<state name>   tensors
//   /counts/<name>                  of a model that counts: int32; there is no such group otherwise
//   /history/losses, clipped, guarded   of the last steps (training/loss_history.h); none before the first
//   /batch/<name>                   of a dump (training/guard.h): what the step read; there is no such group otherwise
//   /state/step, tokens, best_loss, best_step, solved_step, data_cursor            scalars
//   /meta/config, tokenizer, data_hash, source                                     text, or empty
//   root attributes: what depends on time and place (host, version, …)
//
// Datasets depend on the state alone: equal states give equal datasets. The place and the meaning of magic,
// version and the block's own checksum hold for all versions of the format.
//
// Writing is atomic: beside (`<name>.<pid>.adder-tmp`), flushed, fsynced, renamed, folder fsynced. For tests
// ADDER_STOP_WRITING=<point>[:n] in the environment kills the process (SIGKILL) when it passes that point for
// the n-th time (n = 1 unless given). The points in their order, writer_stop_points():
//   created   the temporary file is there, empty
//   half      half of the tensors' bytes are handed to HDF5
//   data      HDF5 is closed, the block is still empty
//   header    the block is written, nothing fsynced
//   synced    before the rename
//   renamed   before the folder's fsync
//   done      all of it has happened
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "framework/core/tensor.h"

namespace adder {

struct Checkpoint {
  std::vector<NamedTensor> model;
  std::vector<NamedTensor> counts;  // of a model that counts (nn/counting_model.h); its `model` is empty
  std::vector<std::pair<std::string, std::vector<NamedTensor>>> optimizer;  // by slot: "m", "v", …
  std::vector<NamedTensor> carried;                                         // recurrent state between batches
  std::vector<NamedTensor> history;                                         // of the last steps: float64
  std::vector<NamedTensor> batch;                                           // of a dump: what the step read
  int64_t step = 0, tokens = 0;
  double best_loss = std::numeric_limits<double>::quiet_NaN();  // NaN: never evaluated
  int64_t best_step = -1;                                       // -1: none
  int64_t solved_step = -1;                                     // of a task: -1: not yet
  int64_t data_cursor = 0;
  std::string config_json, tokenizer_json, data_hash;
  std::string source_json;  // names and shapes of imported weights (interop/hugging_face.h)
  std::vector<std::pair<std::string, std::string>> attributes;  // read back: time, host, version, simd, threads, guard
};

inline constexpr uint32_t kCheckpointVersion = 1;

// An Error names the path and the system's reason; what stood under the path before then still stands there.
void write_checkpoint(const std::string& path, const Checkpoint& checkpoint);

enum class ReadParts { all, model };  // model: without /optimizer and /carried
// Verifies first. UnreadableErrors tell apart: no file, no checkpoint of ours, of a newer format, truncated,
// damaged, a dataset missing or of another type.
Checkpoint read_checkpoint(const std::string& path, ReadParts parts = ReadParts::all);

// Reads every byte and compares the checksums; throws as read_checkpoint() does.
void verify_checkpoint(const std::string& path);
// The 512 bytes are sound and the length is right; the data are not read.
bool looks_complete(const std::string& path);

// The tensor of that name and shape, or an UnreadableError:
// `a.h5: /model/head.weight has shape [4], expected [5]`.
const Tensor& require_tensor(const std::string& path, const std::string& group,
                             const std::vector<NamedTensor>& tensors, const std::string& name,
                             const Shape& shape);

const std::vector<std::string>& writer_stop_points();

}  // namespace adder
