// The config of a run: every section, key and default. `adder schema --markdown` prints the same list.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "framework/config/fields.h"
#include "framework/config/model_config.h"
#include "framework/config/task_config.h"

namespace adder {

// A text drawn from a known source (data/generated.h).
struct GeneratedConfig : Options {
  std::string name = "none";
  int64_t symbols = 16, order = 2, states = 16;
  double concentration = 0.3, emission_concentration = 0.3, persistence = 0;
  int64_t train_tokens = 1000000, validation_tokens = 100000, test_tokens = 0, seed = 1;
  void fields(Fields& f) override;
};

struct DataConfig : Options {
  std::vector<std::string> train, validation, test;
  double validation_fraction = 0.1, test_fraction = 0;
  std::string tokenizer = "auto";
  std::string order = "random";
  std::string separator;
  std::string documents = "joined";
  std::string batches;
  GeneratedConfig generated;
  bool is_generated() const { return generated.name != "none"; }
  TaskConfig task;
  void fields(Fields& f) override;
};

struct InitializeConfig : Options {
  std::string from;
  void fields(Fields& f) override;
};

struct OptimizerConfig : Options {
  std::string name = "adamw";
  double learning_rate = 1e-3;
  std::vector<double> betas = {0.9, 0.999};
  double eps = 1e-8, weight_decay = 0.1, momentum = 0;
  bool nesterov = false;
  double muon_learning_rate = 0.02, muon_momentum = 0.95;
  void fields(Fields& f) override;
};

struct ScheduleConfig : Options {
  std::string name = "cosine";
  int64_t warmup_steps = 0;
  int64_t decay_steps = 0;  // a loaded config holds the number itself: training.steps where 0 was given
  double min_learning_rate = 0, decay_fraction = 0.1;
  void fields(Fields& f) override;
};

// Gradient flossing (training/flossing.h).
struct FlossingConfig : Options {
  int64_t exponents = 0, horizon = 0, sequences = 4, every = 1, steps = 0;
  double weight = 1;
  void fields(Fields& f) override;
};

struct TrainingConfig : Options {
  int64_t steps = 1000, batch_size = 8, context_length = 256, accumulate = 1;
  bool recompute = false;
  double clip_norm = 1, z_loss = 0;
  std::string state = "reset";
  FlossingConfig flossing;
  int64_t tokens_a_step() const { return batch_size * context_length * accumulate; }
  void fields(Fields& f) override;
};

struct EvaluationConfig : Options {
  int64_t every = 250, window = 0, stride = 0, random_windows = 0;
  std::string state = "reset";
  bool stop_when_solved = false;
  void fields(Fields& f) override;
};

struct CheckpointConfig : Options {
  int64_t every = 250, keep = 3;
  bool keep_best = true;
  void fields(Fields& f) override;
};

struct LoggingConfig : Options {
  int64_t every = 10, health = 50;
  bool tensorboard = true;
  void fields(Fields& f) override;
};

struct GuardConfig : Options {
  std::string action = "stop";
  double loss_spike = 0, grad_norm = 0, learning_rate_factor = 1;
  int64_t most = 10;
  void fields(Fields& f) override;
};

struct Config : Options {
  std::string name;
  int64_t seed = 1337;
  std::string precision = "float32";
  std::string device = "cpu";
  DataConfig data;
  ModelConfig model;
  InitializeConfig initialize;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  TrainingConfig training;
  EvaluationConfig evaluation;
  CheckpointConfig checkpoint;
  LoggingConfig logging;
  GuardConfig guard;
  void fields(Fields& f) override;

  DType dtype() const { return precision == "float64" ? DType::f64 : DType::f32; }
  int64_t evaluation_window() const {
    return evaluation.window ? evaluation.window : training.context_length;
  }
  int64_t evaluation_stride() const { return evaluation.stride ? evaluation.stride : evaluation_window(); }

  // Not part of the config's text: what it was read from, and where each key was given.
  std::string source;
  std::map<std::string, Place> given;  // "training.steps" -> configs/x.json:9:5; leaves only
  bool decay_steps_given() const { return given.contains("schedule.decay_steps"); }
};

// What a config is read for. One to train from needs data and a model; one out of a checkpoint may lack data.
enum class Use { train, stored };

// Reads, merges `extends`, applies overrides ("training.steps=20"), checks. UsageError, before anything is
// written.
Config load_config(const std::string& path, const std::vector<std::string>& overrides,
                   const ModelFactory& factory, Use use = Use::train);
// The same from text; `shown_name` stands for the file in messages and for `extends`.
Config parse_config(const std::string& text, const std::string& shown_name,
                    const std::vector<std::string>& overrides, const ModelFactory& factory,
                    Use use = Use::train);

// The resolved config, every key; parse_config of it gives the same config.
std::string to_json(const Config& config);

// Takes the model of `initialize.from` where the config doesn't say otherwise: keys that were not given
// become the stored ones; a given key that contradicts is a UsageError (dropout may differ). `where`: the
// checkpoint, for messages.
void adopt_model(Config& config, const ModelConfig& stored, const std::string& where);

// Resuming: the horizon of the schedule stays the stored run's unless it was given anew.
void keep_horizon(Config& now, const Config& stored);
// Key paths in which a resumed run differs where it must not: all but name, training.steps, evaluation,
// checkpoint, logging, what data.task says of evaluation, and schedule.decay_steps unless `now` gives it.
std::vector<std::string> resume_differences(const Config& stored, const Config& now);

// JSON Schema, draft-07, of config files.
std::string json_schema(const ModelFactory& factory);
// The key reference: one table a section.
std::string markdown_reference(const ModelFactory& factory);

}  // namespace adder
