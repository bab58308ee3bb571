#include "framework/cli/training_run.h"

#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <numeric>
#include <optional>

#include "framework/cli/run_data.h"
#include "framework/cli/run_task.h"
#include "framework/cli/starting_weights.h"
#include "framework/cli/version.h"
#include "framework/core/error.h"
#include "framework/data/token_files.h"
#include "framework/training/model_file.h"
#include "kernels/parallel.h"
#include "kernels/simd_target.h"

namespace adder {
namespace {

namespace fs = std::filesystem;

std::string place_of(const Config& config, const std::string& key) {
  const auto place = config.given.find(key);
  return (place == config.given.end() ? config.source : place->second.text()) + ": " + key;
}

// A carried state needs rows that read on. That is settled before a stored run is compared with this one.
void settle_order(Config& config) {
  if (config.training.state != "carry") return;
  if (!config.data.batches.empty())
    throw UsageError(place_of(config, "training.state") +
                     " is \"carry\", but data.batches are ready-made and don't say which of them goes on where "
                     "another ended; set it to \"reset\", or train on text (data.train)");
  if (config.given.contains("data.order") && config.data.order != "sequential")
    throw UsageError(place_of(config, "data.order") + " is \"" + config.data.order +
                     "\", but with training.state \"carry\" each row reads on where it stopped; remove the "
                     "key, or set it to \"sequential\"");
  config.data.order = "sequential";
}

void check_evaluation_state(const Config& config) {
  if (config.evaluation.state != "carry" || config.evaluation_stride() == config.evaluation_window()) return;
  throw UsageError(place_of(config, "evaluation.stride") + " is " + std::to_string(config.evaluation_stride()) +
                   ", but with evaluation.state \"carry\" every token is read once: remove it, or set it to "
                   "evaluation.window, " +
                   std::to_string(config.evaluation_window()));
}

// ---- the run that is resumed --------------------------------------------------------------------

std::optional<LoadedModel> stored_run(const RunFolder& folder, const ModelFactory& factory) {
  const auto latest = find_resumable(folder.path());
  if (!latest) return std::nullopt;
  return load_model(latest->path, factory);
}

std::string value_at(const Config& config, const std::string& path) {
  const JsonValue tree = parse_json(to_json(config), "config");
  const JsonValue* value = &tree;
  for (size_t start = 0; value && start <= path.size();) {
    const size_t end = std::min(path.find('.', start), path.size());
    value = value->find(path.substr(start, end - start));
    start = end + 1;
  }
  return value ? dump(*value, -1) : "absent";
}

void refuse_changes(const LoadedModel& stored, const Config& now) {
  std::string list;
  for (const std::string& path : resume_differences(stored.config, now))
    list += "\n  " + path + " was " + value_at(stored.config, path) + ", now " + value_at(now, path);
  if (list.empty()) return;
  throw UsageError(stored.path + " was trained with another config:" + list +
                   "\nA resumed run may change name, training.steps, evaluation, checkpoint and logging only;"
                   " put the others back, or begin anew in another --out");
}

// Keys that the stored run took from elsewhere are its own when it goes on; so is its tokenizer.
void adopt_stored(Config& config, const LoadedModel& stored) {
  keep_horizon(config, stored.config);
  if (!config.given.contains("data.tokenizer")) config.data.tokenizer = stored.config.data.tokenizer;
  if (!config.initialize.from.empty()) adopt_model(config, stored.config.model, stored.path);
  if (config.data.batches.empty()) return;
  if (!config.given.contains("training.batch_size"))
    config.training.batch_size = stored.config.training.batch_size;
  if (!config.given.contains("training.context_length"))
    config.training.context_length = stored.config.training.context_length;
}

// ---- the data -----------------------------------------------------------------------------------

// What fixes tokenizer and vocabulary before the data are read.
struct Fixed {
  TokenizerPtr tokenizer;  // null: data.tokenizer decides
  int64_t vocabulary = 0;  // 0: the tokenizer's
  std::string where;
  bool resumed = false;
};

void check_vocabulary(const Config& config, const Fixed& fixed, const TokenizerPtr& tokenizer) {
  if (!tokenizer || fixed.vocabulary == 0) return;
  const std::string ours =
      place_of(config, "data.tokenizer") + ": the tokenizer is " + tokenizer->text() + ", but " + fixed.where;
  if (tokenizer->vocabulary() != fixed.vocabulary)
    throw UsageError(ours + " (initialize.from) has a vocabulary of " + std::to_string(fixed.vocabulary) +
                     (fixed.tokenizer ? ", that of " + fixed.tokenizer->text() : "") + "; use the tokenizer that those weights were trained with, or start from other weights");
  if (fixed.tokenizer && fixed.tokenizer->hash() != tokenizer->hash())
    throw UsageError(ours + " (initialize.from) was trained with " + fixed.tokenizer->text() +
                     "; remove data.tokenizer to use its own, or start from other weights");
}

Floor floor_of(const TextSource& source, const TrainingRun& run) {
  constexpr int64_t kStretch = 100'000;
  Floor floor;
  if (run.validation.size() > 0) floor.validation = source.losses(run.validation);
  if (const auto rate = source.entropy_rate()) {
    floor.mean = *rate, floor.meaning = "the entropy rate of the " + source.description();
    return floor;
  }
  const bool own = floor.validation.empty();
  const std::vector<double> losses =
      own ? source.losses(run.train.slice(0, std::min(kStretch, run.train.size()))) : floor.validation;
  floor.mean = std::accumulate(losses.begin(), losses.end(), 0.0) / double(losses.size());
  floor.meaning = "the " + source.description() + " itself on " + (own ? "training" : "the validation") + " tokens";
  return floor;
}

void take_text(TrainingRun& run, const Fixed& fixed) {
  Config& c = run.config;
  const bool own = !fixed.resumed && c.given.contains("data.tokenizer");
  const RunText text = load_text(c, c.training.context_length, own ? nullptr : fixed.tokenizer, fixed.where);
  const TokenDataset& data = text.data;
  run.tokenizer = data.tokenizer;
  check_vocabulary(c, fixed, run.tokenizer);
  run.train = data.train, run.validation = data.validation, run.test = data.test;
  run.source = text.source;
  if (run.source) run.floor = floor_of(*run.source, run);
  const WindowOptions windows{c.training.batch_size, c.training.context_length, c.training.accumulate};
  if (c.data.order == "sequential")
    run.batches = std::make_unique<SequentialWindows>(data.train, windows, c.training.state == "carry");
  else
    run.batches = std::make_unique<RandomWindows>(data.train, windows, uint64_t(c.seed));
  run.identity.data_hash = data_hash(data);
}

void take_size(const Config& config, const char* key, int64_t& size, int64_t found) {
  if (config.given.contains(key) && size != found)
    throw UsageError(place_of(config, key) + " is " + std::to_string(size) + ", but the batches of " +
                     config.data.batches + " have " + std::to_string(found) + "; remove the key");
  size = found;
}

// Batches need a tokenizer only to give the vocabulary, or to read validation text.
TokenizerPtr tokenizer_for_batches(const Config& config, const Fixed& fixed) {
  const bool own = !fixed.resumed && config.given.contains("data.tokenizer");
  if (fixed.vocabulary != 0 && !own) return fixed.tokenizer;
  if (config.data.tokenizer == "char")
    throw UsageError(
        place_of(config, "data.tokenizer") +
        " is \"char\", but data.batches has no text to take the characters from; give \"byte\" or a path");
  return make_tokenizer(config.data.tokenizer == "auto" ? "byte" : config.data.tokenizer, {});
}

void take_batches(TrainingRun& run, const Fixed& fixed) {
  Config& c = run.config;
  if (documents_of(c) == Documents::separate)
    throw UsageError(place_of(c, "data.documents") +
                     " is \"separate\", but data.batches are ready-made and mark no documents; remove the key");
  run.tokenizer = tokenizer_for_batches(c, fixed);
  check_vocabulary(c, fixed, run.tokenizer);
  const int64_t vocabulary = run.tokenizer ? run.tokenizer->vocabulary() : fixed.vocabulary;
  auto batches = std::make_unique<FileBatches>(c.data.batches, vocabulary, c.training.accumulate);
  take_size(c, "training.batch_size", c.training.batch_size, batches->batch_size());
  take_size(c, "training.context_length", c.training.context_length, batches->length());
  batches->require_steps(c.training.steps);
  if (!c.data.validation.empty()) {
    if (!run.tokenizer)
      throw UsageError(place_of(c, "data.validation") +
                       ": there is no tokenizer to read text with; give data.tokenizer");
    run.validation = TokenFiles::open(c.data.validation, c.data.separator, "data.validation")
                         .tokens(*run.tokenizer, Documents::joined, "the run");
  }
  run.identity.data_hash = data_hash(*batches, c.training.accumulate);
  run.batches = std::move(batches);
}

// Weights for token ids are none for real inputs, and the other way round.
void check_features(const Config& config, const std::string& where) {
  const int64_t wanted = config.data.task.given() ? config.data.task.options->features() : 0;
  const auto takes = [](int64_t features) {
    return features ? std::to_string(features) + " real inputs a position" : std::string("token ids");
  };
  if (config.model.features != wanted)
    throw UsageError(place_of(config, "initialize.from") + ": " + where + " takes " + takes(config.model.features) +
                     ", but the data are " + takes(wanted) + "; start from other weights");
}

void take_task(TrainingRun& run, const Fixed& fixed) {
  const Config& c = run.config;
  const Task& task = task_of(c.data.task);
  if (fixed.vocabulary != 0 && fixed.vocabulary != task.vocabulary())
    throw UsageError(place_of(c, "data.task.name") + " is \"" + c.data.task.name + "\", of " +
                     std::to_string(task.vocabulary()) + " ids, but " + fixed.where +
                     " (initialize.from) has a vocabulary of " + std::to_string(fixed.vocabulary) +
                     "; start from weights of this task, or of none");
  const WindowOptions windows{c.training.batch_size, c.training.context_length, c.training.accumulate};
  auto batches = std::make_unique<TaskBatches>(task, windows, uint64_t(c.seed), c.data.task.examples);
  run.identity.data_hash = data_hash(*batches);
  run.batches = std::move(batches);
}

// ---- the whole ----------------------------------------------------------------------------------

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

std::string time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  return text;
}

// Constant for as long as the process runs: `time` is when it began.
std::vector<std::pair<std::string, std::string>> provenance() {
  return {{"version", version() + " (commit " + commit() + ")"},
          {"host", host_name()},
          {"time", time_now()},
          {"simd", kernels::simd_target()},
          {"threads", std::to_string(kernels::threads())}};
}

StartingWeights initial_weights(const Config& config, const ModelFactory& factory) {
  try {
    return read_weights(config.initialize.from, factory);
  } catch (const Error& problem) {
    throw Error(place_of(config, "initialize.from") + ": " + problem.what(), problem.exit_code());
  }
}

}  // namespace

TrainingRun prepare_run(Config config, const RunFolder& folder, bool resume, const ModelFactory& factory) {
  TrainingRun run;
  run.config = std::move(config);
  settle_order(run.config);
  check_evaluation_state(run.config);
  Fixed fixed;
  std::optional<LoadedModel> stored;
  std::optional<StartingWeights> weights;
  if (resume) stored = stored_run(folder, factory);
  if (stored) {
    adopt_stored(run.config, *stored);
    refuse_changes(*stored, run.config);
    fixed = {stored->tokenizer, stored->model->vocabulary(), stored->path, true};
    run.identity.source_json = stored->checkpoint.source_json;
  } else if (!run.config.initialize.from.empty()) {
    weights = initial_weights(run.config, factory);
    adopt_model(run.config, weights->model, weights->where);
    fixed = {weights->tokenizer, weights->vocabulary, weights->where, false};
    run.identity.source_json = weights->source_json;
  }
  check_features(run.config, fixed.where);
  const Config& c = run.config;
  const bool task = c.data.task.given();
  if (task)
    take_task(run, fixed);
  else if (c.data.batches.empty())
    take_text(run, fixed);
  else
    take_batches(run, fixed);
  const int64_t vocabulary = task            ? task_of(c.data.task).vocabulary()
                             : run.tokenizer ? run.tokenizer->vocabulary()
                                             : fixed.vocabulary;
  run.model = factory.make(c.model, vocabulary, uint64_t(c.seed), c.dtype());
  if (weights) fill_parameters(run.model->parameters(), weights->tensors, weights->where);
  if (task) require_evaluable(*run.model, c.data.task, c.data.task.lengths());
  if (run.tokenizer) run.identity.tokenizer_json = run.tokenizer->to_json();
  run.identity.attributes = provenance();
  return run;
}

void check_folder(const RunFolder& folder, bool resume) {
  if (!resume && folder.holds_run())
    throw UsageError(folder.path() +
                     ": holds a run already; go on with it by --resume, or choose another folder with --out");
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder.path(), error))
    if (const std::string name = entry.path().filename().string(); !resume && name != "lock" && name != "checkpoints")
      throw UsageError(folder.path() + ": is not empty and holds no run (there is " + name + "); choose another --out");
  fs::path above = fs::absolute(folder.path(), error).lexically_normal();
  while (!fs::exists(above, error) && above.has_parent_path() && above != above.parent_path())
    above = above.parent_path();
  if (!fs::is_directory(above, error))
    throw Error("cannot create " + folder.path() + ": " + above.string() +
                " is not a folder; choose another --out");
  if (access(above.c_str(), W_OK | X_OK) != 0)
    throw Error("cannot write in " + above.string() + ": " + errno_text() + "; choose another --out");
}

}  // namespace adder
