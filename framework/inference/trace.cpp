#include "framework/inference/trace.h"

#include <filesystem>

#include "framework/core/error.h"
#include "framework/data/batches.h"
#include "framework/inference/generate.h"
#include "framework/ops/cross_entropy.h"
#include "framework/training/clip.h"
#include "framework/training/durable_file.h"

namespace adder {
namespace {

// ---- the batch -----------------------------------------------------------------------------------------

constexpr const char* kNeeded =
    "expected input_ids and labels, integers [rows, length], the labels already shifted by one and -100 "
    "where nothing is scored";

Tensor read_ids(const Hdf5File& file, const std::string& name, int64_t vocabulary, bool labels) {
  if (!file.exists(name))
    throw UnreadableError(file.file() + ": there is no dataset /" + name + "; " + kNeeded);
  const Tensor ids = file.read(name);
  if (ids.rank() != 2 || ids.dtype() != DType::i32 || ids.size() == 0)
    throw UnreadableError(file.file() + ": dataset /" + name + ": found " + file.describe(name).dtype + " " +
                          to_string(ids.shape()) + "; " + kNeeded +
                          (ids.rank() == 3 ? "; write a file with one of the batches" : ""));
  for (int64_t i = 0; i < ids.size(); ++i) {
    const int32_t id = ids.data<int32_t>()[i];
    if ((id >= 0 && id < vocabulary) || (labels && id == kIgnoreLabel)) continue;
    throw UnreadableError(file.file() + ": dataset /" + name + ": row " + std::to_string(i / ids.dim(1)) +
                          ", position " + std::to_string(i % ids.dim(1)) + ": found " + std::to_string(id) +
                          ", expected 0 to " + std::to_string(vocabulary - 1) + (labels ? " or -100" : "") +
                          "; the batch must be made for this model's vocabulary of " +
                          std::to_string(vocabulary));
  }
  return ids;
}

Tensor read_labels(const Hdf5File& file, const std::string& name, int64_t vocabulary, const Shape& shape) {
  const Tensor labels = read_ids(file, name, vocabulary, true);
  if (labels.shape() != shape)
    throw UnreadableError(file.file() + ": dataset /" + name + ": found shape " + to_string(labels.shape()) +
                          ", expected that of /input_ids, " + to_string(shape));
  return labels;
}

void read_greedy(const Hdf5File& file, TraceBatch& batch) {
  const std::string prompt = "greedy/prompt_len", tokens = "greedy/tokens";
  if (!file.exists(prompt)) return;
  batch.prompt_length = file.read_int64(prompt);
  const int64_t length = batch.ids.dim(1);
  if (batch.prompt_length < 1 || batch.prompt_length > length)
    throw UnreadableError(file.file() + ": dataset /" + prompt + ": found " +
                          std::to_string(batch.prompt_length) + ", expected 1 to the " +
                          std::to_string(length) + " positions of /input_ids");
  if (!file.exists(tokens)) return;
  const Shape shape = file.describe(tokens).shape;
  if (shape.size() != 2 || shape[0] != batch.ids.dim(0) || shape[1] < 1)
    throw UnreadableError(file.file() + ": dataset /" + tokens + ": found shape " + to_string(shape) +
                          ", expected [" + std::to_string(batch.ids.dim(0)) +
                          ", count]; leave it out to get 16 tokens");
  batch.greedy_count = shape[1];
}

// ---- the passes ----------------------------------------------------------------------------------------

Tensor one(double value, DType dtype) { return Tensor::full({1}, value, dtype); }

// Logits, nothing recorded; the state goes on.
Tensor forward(Model& model, const Tensor& ids, State& state) {
  Pass pass;
  const Tensor logits = model.forward(pass, {ids, {}}, state).value();
  state = state.detach();
  return logits;
}

// One pass over the whole batch, and back.
void write_parallel(Model& model, const TraceBatch& batch, const GradientNames& names, Hdf5File& out) {
  ParameterList& parameters = model.parameters();
  const DType dtype = parameters.dtype();
  parameters.clear_gradients();
  Tape tape;
  Pass pass{.tape = &tape};
  State state;
  const Var logits = model.forward(
      pass, {batch.ids, {}}, state,
      [&](const std::string& name, const Var& value) { out.write("hidden/" + name, value.value()); });
  const Var loss = ops::cross_entropy(logits, batch.labels);
  out.write("logits", logits.value());
  out.write("loss", one(loss.value().item(), dtype));
  if (batch.labels_masked.defined())
    out.write("loss_masked",
              one(ops::cross_entropy(logits.detach(), batch.labels_masked).value().item(), dtype));

  tape.backward(loss);
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    const NamedTensor ours{p.name, p.grad.defined() ? p.grad : Tensor::zeros(p.value.shape(), dtype)};
    for (const NamedTensor& shown : names ? names(ours) : std::vector<NamedTensor>{ours})
      out.write("grads/" + shown.name, shown.value);
  }
  out.write("grad_norm", one(global_norm(parameters), DType::f64));
  parameters.clear_gradients();
}

void write_decoded(Model& model, const TraceBatch& batch, Hdf5File& out) {
  const int64_t rows = batch.ids.dim(0), length = batch.ids.dim(1);
  const Tensor logits = Tensor::empty({rows, length, model.vocabulary()}, model.parameters().dtype());
  State state;
  for (int64_t t = 0; t < length; ++t)
    logits.narrow(1, t, 1).copy_from(forward(model, batch.ids.narrow(1, t, 1).clone(), state));
  out.write("decode_logits", logits);
}

// The likeliest token after the last position of each row: (B, T, V) to (B, 1).
Tensor likeliest(const Tensor& logits) {
  const int64_t rows = logits.dim(0), last = logits.dim(1) - 1;
  const Tensor ids = Tensor::empty({rows, 1}, DType::i32);
  for (int64_t b = 0; b < rows; ++b)
    ids.data<int32_t>()[b] = sample(logits.narrow(0, b, 1).narrow(1, last, 1), {.temperature = 0}, 0);
  return ids;
}

void write_greedy(Model& model, const TraceBatch& batch, Hdf5File& out) {
  const Tensor tokens = Tensor::empty({batch.ids.dim(0), batch.greedy_count}, DType::i32);
  State state;
  Tensor ids = batch.ids.narrow(1, 0, batch.prompt_length).clone();
  for (int64_t t = 0; t < batch.greedy_count; ++t) {
    ids = likeliest(forward(model, ids, state));
    tokens.narrow(1, t, 1).copy_from(ids);
  }
  out.write("greedy/tokens", tokens);
}

void refuse_overwriting(const std::string& output, const std::string& other, const char* what) {
  std::error_code error;
  if (std::filesystem::equivalent(output, other, error))
    throw UsageError(output + ": is the " + what + " itself; give the trace a file of its own");
}

}  // namespace

TraceBatch read_trace_batch(const std::string& path, int64_t vocabulary) {
  const Hdf5File file = Hdf5File::open(path);
  TraceBatch batch;
  batch.ids = read_ids(file, "input_ids", vocabulary, false);
  batch.labels = read_labels(file, "labels", vocabulary, batch.ids.shape());
  if (file.exists("labels_masked"))
    batch.labels_masked = read_labels(file, "labels_masked", vocabulary, batch.ids.shape());
  read_greedy(file, batch);
  return batch;
}

void write_trace(Model& model, const TraceBatch& batch, const GradientNames& names, Hdf5File& out) {
  write_parallel(model, batch, names, out);
  write_decoded(model, batch, out);
  if (batch.prompt_length > 0) write_greedy(model, batch, out);
}

void trace(LoadedModel& loaded, const std::string& input, const std::string& output,
           const GradientNames& names) {
  if (!loaded.model->differentiable())
    throw UsageError(loaded.path + ": the architecture " + loaded.config.model.architecture +
                     " has no gradients, so there is no trace of it; choose another checkpoint");
  if (loaded.model->features() > 0)
    throw UsageError(loaded.path + ": takes " + std::to_string(loaded.model->features()) +
                     " real inputs a position (data.task " + loaded.config.data.task.name +
                     "), but a trace is of token ids; trace a model of a task with ids, or of text");
  const TraceBatch batch = read_trace_batch(input, loaded.model->vocabulary());
  refuse_overwriting(output, input, "batch");
  refuse_overwriting(output, loaded.path, "checkpoint");
  DurableFile file(output);
  Hdf5File out = Hdf5File::create(file.temporary());
  write_trace(*loaded.model, batch, names, out);
  out.close();
  file.commit();
}

}  // namespace adder
