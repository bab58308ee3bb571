#include "framework/training/checkpoint.h"

#include <signal.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "framework/core/error.h"
#include "framework/data/hdf5.h"
#include "framework/training/checkpoint_block.h"
#include "framework/training/durable_file.h"

namespace adder {

// ---- the switch for tests ---------------------------------------------------------------------------------

const std::vector<std::string>& writer_stop_points() {
  static const std::vector<std::string> points = {"created", "half",    "data", "header",
                                                  "synced",  "renamed", "done"};
  return points;
}

namespace {

struct Stop {
  std::string point;
  int pass = 0;  // the how-manieth time; 0: never
};

Stop wanted_stop() {
  const char* wanted = std::getenv("ADDER_STOP_WRITING");
  if (!wanted || !*wanted) return {};
  const std::string text = wanted;
  const size_t colon = text.find(':');
  const Stop stop{text.substr(0, colon),
                  colon == std::string::npos ? 1 : std::atoi(text.c_str() + colon + 1)};
  const auto& points = writer_stop_points();
  if (std::find(points.begin(), points.end(), stop.point) == points.end() || stop.pass < 1) {
    std::string known;
    for (const std::string& point : points) known += (known.empty() ? "" : ", ") + point;
    throw UsageError("ADDER_STOP_WRITING is \"" + text + "\", expected <point>[:n], point one of " + known);
  }
  return stop;
}

void stop_here(const char* point) {
  static int passed = 0;  // checkpoints are written by one thread at a time
  const Stop stop = wanted_stop();
  if (stop.point == point && ++passed == stop.pass) raise(SIGKILL);
}

// ---- writing ----------------------------------------------------------------------------------------------

uint64_t tensor_bytes(const std::vector<NamedTensor>& tensors) {
  uint64_t bytes = 0;
  for (const NamedTensor& tensor : tensors)
    bytes += uint64_t(tensor.value.size()) * bytes_of(tensor.value.dtype());
  return bytes;
}

struct Size {
  uint64_t tensors = 0;  // bytes
  uint64_t file = 0;     // bytes at most, with room for HDF5's own structures
};

Size size_of(const Checkpoint& c) {
  constexpr uint64_t kPerDataset = 2048, kFixed = 64 << 10;
  Size size{tensor_bytes(c.model) + tensor_bytes(c.counts) + tensor_bytes(c.carried) +
                tensor_bytes(c.history) + tensor_bytes(c.batch), 0};
  size_t datasets = c.model.size() + c.counts.size() + c.carried.size() + c.history.size() + c.batch.size();
  for (const auto& [slot, tensors] : c.optimizer)
    size.tensors += tensor_bytes(tensors), datasets += tensors.size();
  size.file = size.tensors + datasets * kPerDataset + kFixed + c.config_json.size() +
              c.tokenizer_json.size() + c.source_json.size();
  return size;
}

// Hands tensors to HDF5, and stops when half of their bytes have gone.
class TensorWriter {
 public:
  TensorWriter(Hdf5File& file, uint64_t total) : file_(file), total_(total) {}

  void write(const std::string& group, const std::vector<NamedTensor>& tensors) {
    file_.create_group(group);
    for (const NamedTensor& tensor : tensors) {
      if (tensor.name.empty() || tensor.name.find('/') != std::string::npos)
        throw Error("\"" + tensor.name + "\" is no name for a tensor of " + group);
      file_.write(group + "/" + tensor.name, tensor.value);
      written_ += uint64_t(tensor.value.size()) * bytes_of(tensor.value.dtype());
      if (!half_ && written_ * 2 >= total_) {
        half_ = true;
        file_.flush();
        stop_here("half");
      }
    }
  }

 private:
  Hdf5File& file_;
  uint64_t total_, written_ = 0;
  bool half_ = false;
};

// HDF5 wraps the system's words into a line of addresses: "…, error message = 'No space left on device', …".
std::string system_reason(const std::string& text) {
  const std::string before = "error message = '";
  const size_t start = text.find(before), end = text.find('\'', start + before.size());
  if (start == std::string::npos || end == std::string::npos) return text;
  return text.substr(start + before.size(), end - start - before.size());
}

void write_datasets(const std::string& path, const Checkpoint& c, uint64_t bytes) {
  Hdf5File file = Hdf5File::create(path, kBlockBytes);
  TensorWriter tensors(file, bytes);
  tensors.write("/model", c.model);
  if (!c.counts.empty()) tensors.write("/counts", c.counts);
  file.create_group("/optimizer");
  for (const auto& [slot, list] : c.optimizer) tensors.write("/optimizer/" + slot, list);
  tensors.write("/carried", c.carried);
  if (!c.history.empty()) tensors.write("/history", c.history);
  if (!c.batch.empty()) tensors.write("/batch", c.batch);
  file.write_int64("/state/step", c.step);
  file.write_int64("/state/tokens", c.tokens);
  // One NaN for all: equal states give equal bytes.
  file.write_double("/state/best_loss", std::isnan(c.best_loss) ? std::nan("") : c.best_loss);
  file.write_int64("/state/best_step", c.best_step);
  file.write_int64("/state/solved_step", c.solved_step);
  file.write_int64("/state/data_cursor", c.data_cursor);
  file.write_string("/meta/config", c.config_json);
  file.write_string("/meta/tokenizer", c.tokenizer_json);
  file.write_string("/meta/data_hash", c.data_hash);
  file.write_string("/meta/source", c.source_json);
  for (const auto& [name, text] : c.attributes) file.set_attribute("/", name, text);
  file.close();
}

}  // namespace

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  remove_stale_temporaries(std::filesystem::path(path).parent_path().string());
  DurableFile file(path);
  stop_here("created");
  const Size size = size_of(checkpoint);
  file.check_space(size.file);
  try {
    write_datasets(file.temporary(), checkpoint, size.tensors);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& problem) {
    file.fail(system_reason(problem.what()));
  }
  stop_here("data");
  CheckpointBlock block;
  block.version = kCheckpointVersion;
  block.length = file_size(file.file(), file.temporary());
  block.checksum = checksum_after_block(file.file(), file.temporary(), block.length);
  const BlockBytes bytes = encode(block);
  file.write_at(0, bytes.data(), bytes.size());
  file.commit(stop_here);
}

// ---- reading ----------------------------------------------------------------------------------------------

void verify_checkpoint(const std::string& path) {
  const Descriptor file = open_for_reading(path);
  const CheckpointBlock block = read_block(file, path);
  if (checksum_after_block(file, path, block.length) != block.checksum)
    throw UnreadableError(path +
                          ": is damaged: the checksum of its data does not hold; use an earlier checkpoint");
}

bool looks_complete(const std::string& path) {
  try {
    read_block(open_for_reading(path), path);
    return true;
  } catch (const UnreadableError&) {
    return false;
  }
}

namespace {

std::vector<NamedTensor> read_group(const Hdf5File& file, const std::string& group, bool integers_too) {
  std::vector<NamedTensor> tensors;
  for (const Hdf5Dataset& dataset : file.datasets(group)) {
    const bool known = dataset.dtype == "float32" || dataset.dtype == "float64" ||
                       (integers_too && dataset.dtype == "int32");
    if (!known)
      throw UnreadableError(file.file() + ": dataset " + dataset.path + " is of type " + dataset.dtype +
                            ", expected float32 or float64" + (integers_too ? " or int32" : ""));
    tensors.push_back({dataset.path.substr(group.size() + 1), file.read(dataset.path)});
  }
  return tensors;
}

// /optimizer/<slot>/<name>: a new slot begins where the first part of the name changes.
void read_optimizer(const Hdf5File& file, Checkpoint& checkpoint) {
  for (NamedTensor& tensor : read_group(file, "/optimizer", false)) {
    const size_t slash = tensor.name.find('/');
    if (slash == std::string::npos)
      throw UnreadableError(file.file() + ": dataset /optimizer/" + tensor.name +
                            ", expected /optimizer/<slot>/<name>");
    const std::string slot = tensor.name.substr(0, slash);
    if (checkpoint.optimizer.empty() || checkpoint.optimizer.back().first != slot)
      checkpoint.optimizer.push_back({slot, {}});
    checkpoint.optimizer.back().second.push_back({tensor.name.substr(slash + 1), std::move(tensor.value)});
  }
}

}  // namespace

Checkpoint read_checkpoint(const std::string& path, ReadParts parts) {
  verify_checkpoint(path);
  const Hdf5File file = Hdf5File::open(path);
  Checkpoint checkpoint;
  checkpoint.model = read_group(file, "/model", false);
  if (file.exists("/counts")) checkpoint.counts = read_group(file, "/counts", true);
  if (parts == ReadParts::all) {
    read_optimizer(file, checkpoint);
    checkpoint.carried = read_group(file, "/carried", true);
    if (file.exists("/history")) checkpoint.history = read_group(file, "/history", false);
  }
  if (file.exists("/batch")) {
    checkpoint.batch = read_group(file, "/batch", true);
  }
  checkpoint.step = file.read_int64("/state/step");
  checkpoint.tokens = file.read_int64("/state/tokens");
  checkpoint.best_loss = file.read_double("/state/best_loss");
  checkpoint.best_step = file.read_int64("/state/best_step");
  if (file.exists("/state/solved_step")) checkpoint.solved_step = file.read_int64("/state/solved_step");
  checkpoint.data_cursor = file.read_int64("/state/data_cursor");
  checkpoint.config_json = file.read_string("/meta/config");
  checkpoint.tokenizer_json = file.read_string("/meta/tokenizer");
  checkpoint.data_hash = file.read_string("/meta/data_hash");
  checkpoint.source_json = file.read_string("/meta/source");
  for (const char* name : {"time", "host", "version", "simd", "threads", "guard"})
    if (file.has_attribute("/", name))
      checkpoint.attributes.push_back({name, file.string_attribute("/", name)});
  return checkpoint;
}

const Tensor& require_tensor(const std::string& path, const std::string& group,
                             const std::vector<NamedTensor>& tensors, const std::string& name,
                             const Shape& shape) {
  const std::string where = path + ": " + group + "/" + name;
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name != name) continue;
    if (tensor.value.shape() != shape)
      throw UnreadableError(where + " has shape " + to_string(tensor.value.shape()) + ", expected " +
                            to_string(shape));
    return tensor.value;
  }
  throw UnreadableError(where + " is missing, expected shape " + to_string(shape));
}

}  // namespace adder
