#include "framework/cli/probe_dump.h"

#include <cmath>
#include <filesystem>

#include "framework/cli/probe_output.h"
#include "framework/core/error.h"
#include "framework/data/hdf5.h"
#include "framework/gradient_lab/health_findings.h"
#include "framework/gradient_lab/step_health.h"
#include "framework/training/trainer.h"

namespace adder {
namespace {

const Tensor* find(const Checkpoint& c, const std::string& name) {
  for (const NamedTensor& tensor : c.batch)
    if (tensor.name == name) return &tensor.value;
  return nullptr;
}

// The dumped passes, whatever step is asked for.
class DumpedBatches : public BatchSource {
 public:
  DumpedBatches(const Checkpoint& c, const TrainingConfig& training) : checkpoint_(c), training_(training) {}
  Batch at(int64_t, int64_t micro) const override {
    const auto get = [&](const std::string& name) {
      const Tensor* whole = find(checkpoint_, name);
      const Tensor* part = whole ? whole : find(checkpoint_, name + "." + std::to_string(micro));
      return part ? *part : Tensor();
    };
    Batch batch;
    batch.ids = get("ids"), batch.labels = get("labels"), batch.resets = get("resets");
    batch.features = get("features"), batch.targets = get("targets");
    return batch;
  }
  bool continues(int64_t, int64_t) const override { return true; }
  int64_t batch_size() const override { return training_.batch_size; }
  int64_t length() const override { return training_.context_length; }

 private:
  const Checkpoint& checkpoint_;
  const TrainingConfig& training_;
};

std::string reason_of(const Checkpoint& c) {
  for (const auto& [name, text] : c.attributes)
    if (name == "guard") return text;
  return "";
}

}  // namespace

Tensor dumped(const Checkpoint& c, const std::string& name) {
  const Tensor* whole = find(c, name);
  const Tensor* part = whole ? whole : find(c, name + ".0");
  return part ? *part : Tensor();
}

bool is_dump(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error) || !path.ends_with(".h5")) return false;
  try {
    return Hdf5File::open(path).exists("/batch");
  } catch (const UnreadableError&) {
    return false;  // whoever reads it says so
  }
}

std::string said(const DumpStory& story) {
  std::string text;
  for (const lab::Finding& f : story.findings) text += "\n  " + lab::name(f.verdict) + "  " + f.what + ": " + f.text;
  return text.empty() ? "\n  nothing stands out" : text;
}

JsonValue to_json(const DumpStory& story) {
  JsonValue result = JsonValue::object();
  result.set("reason", story.reason);
  result.set("findings", to_json(story.findings));
  return result;
}

DumpStory explain_dump(const std::string& path, const ModelFactory& factory) {
  DType dtype = DType::f32;
  LoadedModel loaded = load_model(path, factory, dtype, ReadParts::all);
  if (loaded.config.dtype() != dtype) loaded = load_model(path, factory, loaded.config.dtype(), ReadParts::all);
  if (loaded.checkpoint.batch.empty()) throw UnreadableError(path + ": holds no /batch; expected a dump of the guard (RUN/dumps)");
  DumpStory story{reason_of(loaded.checkpoint), {}};
  const double chance = loaded.model->features() ? std::nan("") : std::log(double(loaded.model->vocabulary()));
  const DumpedBatches batches(loaded.checkpoint, loaded.config.training);
  Trainer trainer(loaded.config, std::move(loaded.model), batches);
  trainer.restore(loaded.checkpoint, path);
  lab::StepHealth health(loaded.config, 1);
  trainer.watch(&health);
  const int64_t step = trainer.steps_done() + 1;
  try {
    const StepReport report = trainer.step();
    story.findings = lab::health_findings(step, report.loss, chance, report.health);
  } catch (const DivergedError& problem) {
    story.findings = lab::health_findings(step, std::nan(""), chance, health.seen());
    story.findings.insert(story.findings.begin(), {"the step", lab::Verdict::exploding, problem.what()});
  }
  return story;
}

}  // namespace adder
