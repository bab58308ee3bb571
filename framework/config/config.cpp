#include "framework/config/config.h"

#include <set>

#include "framework/core/error.h"

namespace adder {

void GeneratedConfig::fields(Fields& f) {
  f.choice("name", name, {"none", "markov", "hmm"},
           "the source: a Markov chain, or a hidden Markov model; its loss on the same tokens is told beside the model's");
  f("symbols", symbols, "different tokens", count_range(2));
  f("order", order, "markov: tokens that the next one depends on", count_range(0));
  f("states", states, "hmm: hidden states", count_range(1));
  f("concentration", concentration,
    "of the Dirichlet distribution that rows of transitions are drawn from: small, and few tokens may follow",
    at_least(0.1));
  f("emission_concentration", emission_concentration, "hmm: the same of what a state shows", at_least(0.1));
  f("persistence", persistence, "hmm: how often a state stays without a move; near 1 a state lasts long", half_open(0, 1));
  f("train_tokens", train_tokens, "tokens of the stream to train on", count_range(2));
  f("validation_tokens", validation_tokens, "tokens of another stream, to evaluate on; 0: none", count_range(0));
  f("test_tokens", test_tokens, "tokens of a third stream; 0: none", count_range(0));
  f("seed", seed, "of source and streams, apart from the run's, so that runs of several seeds see one text",
    at_least(0));
}

void DataConfig::fields(Fields& f) {
  f("train", train, "what to train on: a file, folder, glob or a list of them, of text or of token shards");
  f("validation", validation, "the same to evaluate on; none: validation_fraction of train");
  f("test", test, "the same held out to the end; none: test_fraction of train");
  f("validation_fraction", validation_fraction,
    "share split off the end of train where no validation is given", half_open(0, 1));
  f("test_fraction", test_fraction,
    "share split off the end of train, after validation's, where no test is given", half_open(0, 1));
  f("tokenizer", tokenizer,
    "byte, char (the sorted code points of the text), ids:V (V ids that stand for no known text) or the path of a "
    "tokenizer file; auto: that of the shards, byte for text");
  f.choice("order", order, {"random", "sequential"},
           "random windows, or one pass after another from the start; training.state \"carry\" makes it "
           "sequential");
  f("separator", separator,
    "text put between two files; with documents \"separate\" it ends a document within a file, too");
  f.choice("documents", documents, {"joined", "separate"},
           "joined: a text is one stream. separate: at the first token of each file, and after each separator, "
           "the state starts anew, and that token is not predicted from the document before; a document's "
           "separator belongs to it and is predicted. Evaluation does the same");
  f("batches", batches, "HDF5 file of ready-made batches, in place of train; it fixes batch size and length");
  f.section("generated", generated, "a text of known entropy, drawn in place of train");
  f.section("task", task, "a synthetic task in place of text; it fixes training.context_length");
}

void InitializeConfig::fields(Fields& f) {
  f("from", from,
    "weights to start from: a checkpoint, a run or a Hugging Face folder; model may then be absent");
}

void OptimizerConfig::fields(Fields& f) {
  f.choice("name", name, {"adamw", "sgd", "lion", "muon"},
           "the update rule; muon: for the matrices of the blocks, adamw for all other parameters");
  f("learning_rate", learning_rate,
    "the highest rate, reached after warmup; lion's is best about a tenth of adamw's", at_least(0));
  f("betas", betas, "adamw, muon: decay of the two moments; lion: of its sum and its momentum (paper: 0.9, 0.99)",
    2, half_open(0, 1));
  f("eps", eps, "adamw, muon: added to the root of the second moment", at_least(0));
  f("weight_decay", weight_decay, "decoupled decay, times the rate, of the parameters that decay",
    at_least(0));
  f("momentum", momentum, "sgd: decay of the velocity", half_open(0, 1));
  f("nesterov", nesterov, "sgd: look ahead along the velocity");
  f("muon_learning_rate", muon_learning_rate,
    "muon: highest rate of the matrices; over the steps it is in proportion to learning_rate's", at_least(0));
  f("muon_momentum", muon_momentum, "muon: decay of the matrices' momentum", half_open(0, 1));
}

void ScheduleConfig::fields(Fields& f) {
  f.choice("name", name, {"constant", "cosine", "linear", "wsd"},
           "shape of the rate after warmup; wsd: warmup, stable, decay");
  f("warmup_steps", warmup_steps, "steps of linear rise to learning_rate", count_range(0));
  f("decay_steps", decay_steps,
    "step at which min_learning_rate is reached; 0: training.steps, fixed at the start", count_range(0));
  f("min_learning_rate", min_learning_rate, "the rate at the end of the decay", at_least(0));
  f("decay_fraction", decay_fraction, "wsd: share of decay_steps, at its end, in which the rate falls",
    between(0, 1));
}

void FlossingConfig::fields(Fields& f) {
  f("exponents", exponents, "the largest Lyapunov exponents of each recurrent block that are drawn to zero, all of a smaller state; 0: no flossing",
    size_range(0));
  f("weight", weight, "of the sum of their squares in the loss that is trained on; the losses told are without it", at_least(0));
  f("horizon", horizon, "tokens over which they are taken, from the start of a sequence; 0: all of it", count_range(0));
  f("sequences", sequences, "of a batch, over which the sum is averaged; no more than there are", size_range());
  f("every", every, "steps from one at which it acts to the next", at_least(1));
  f("steps", steps, "first steps of the run among which it acts; 0: all", count_range(0));
}

void TrainingConfig::fields(Fields& f) {
  f("steps", steps, "optimizer steps", count_range(1));
  f("batch_size", batch_size, "sequences a pass", size_range());
  f("context_length", context_length, "tokens a sequence", count_range(1));
  f("clip_norm", clip_norm, "largest global norm of the gradient; 0: no clipping", at_least(0));
  f("accumulate", accumulate, "passes whose gradients are averaged into one step", size_range());
  f("recompute", recompute, "keep only the blocks' inputs for backward and compute the rest anew: less memory, a third more time, the same bits");
  f("z_loss", z_loss,
    "weight of the mean of log(Z)^2, Z the softmax's normaliser, added to the loss that is trained on (PaLM: "
    "1e-4); the losses told are without it",
    at_least(0));
  f.choice("state", state, {"reset", "carry"},
           "reset: each window starts from a zero state. carry: each row reads on through a stretch of the text, "
           "and the state goes on from window to window, without gradient (truncated back-propagation through "
           "time)");
  f.section("flossing", flossing,
            "gradient flossing (Engelken, 2023): Lyapunov exponents of rnn, lstm and gru are drawn to zero, so that gradients "
            "neither vanish nor explode");
}

void EvaluationConfig::fields(Fields& f) {
  f("every", every, "steps between evaluations; 0: only at the end", at_least(0));
  f("window", window, "tokens that are seen at once; 0: training.context_length", count_range(0));
  f("stride", stride, "tokens from window to window; 0: window", count_range(0));
  f("random_windows", random_windows,
    "random batches averaged besides the full pass, as nanoGPT does; 0: none", count_range(0));
  f.choice("state", state, {"reset", "carry"},
           "reset: each window starts from a zero state. carry: one window after another through the whole "
           "split, the state going on; stride is then the window");
  f("stop_when_solved", stop_when_solved,
    "end the run at the first evaluation at which its task counts as solved (data.task.threshold)");
}

void CheckpointConfig::fields(Fields& f) {
  f("every", every, "steps between checkpoints; 0: only at the end", at_least(0));
  f("keep", keep, "newest checkpoints that are kept", at_least(1));
  f("keep_best", keep_best, "keep the one of the lowest evaluation loss too");
}

void LoggingConfig::fields(Fields& f) {
  f("every", every, "steps between lines of metrics.jsonl", at_least(1));
  f("health", health,
    "steps between looks into a step (health/…: gradient and update of each tensor, activations by layer, gates, logits); "
    "0: none. It changes no number of the run",
    count_range(0));
  f("tensorboard", tensorboard, "adder train: TensorBoard events in the run's folder, of all that metrics.jsonl holds (tensorboard --logdir runs)");
}

void GuardConfig::fields(Fields& f) {
  f.choice("action", action, {"stop", "skip", "rollback"},
           "what happens at a step whose loss or gradient is not finite, or beyond the bounds below: the run ends (exit code "
           "4); the step's update is left out; or weights and optimizer become those of the last checkpoint that was due, "
           "and the run goes on with the next batch. Each such step leaves dumps/step-XXXXXXXX.h5, for adder probe");
  f("loss_spike", loss_spike,
    "a loss this many standard deviations above the median of the last 128 counts as exploding; 0: any finite one is taken",
    at_least(0));
  f("grad_norm", grad_norm, "a gradient norm above it, before clipping, counts as exploding; 0: any finite one is taken",
    at_least(0));
  f("learning_rate_factor", learning_rate_factor, "the learning rate is multiplied by it each time the guard acts", between(0, 1));
  f("most", most, "steps of a run at which the guard acts; at the next one the run ends", count_range(1));
}

void Config::fields(Fields& f) {
  f("name", name, "of the run, whose folder is runs/<name>; default: the config file's stem");
  f("seed", seed, "of initialisation, data order, dropout and sampling", at_least(0));
  f.choice("precision", precision, {"float32", "bf16", "float64"},
           "number type of parameters and activations; bf16: float32, but for the operands of products with weights "
           "(linear layers forward and backward, not those inside rnn, gru and lstm), which are rounded to bfloat16 and "
           "summed in float32");
  f.choice("device", device, {"cpu", "cuda"}, "where the arithmetic happens");
  f.section("data", data, "what is read");
  f.section("model", model, "what is trained");
  f.section("initialize", initialize, "where the weights start");
  f.section("optimizer", optimizer, "how a gradient becomes an update");
  f.section("schedule", schedule, "the learning rate over the steps");
  f.section("training", training, "how long, and on how much at a time");
  f.section("evaluation", evaluation, "the loss on validation text");
  f.section("checkpoint", checkpoint, "what is saved");
  f.section("logging", logging, "what is told");
  f.section("guard", guard, "what happens when a step explodes");
}

namespace {

void flatten(const JsonValue& value, const std::string& path, std::map<std::string, std::string>& out) {
  if (!value.is(JsonValue::Kind::object)) {
    out[path] = dump(value, -1);
    return;
  }
  for (const JsonValue& item : value.items)
    flatten(item, path.empty() ? item.key : path + "." + item.key, out);
}

std::map<std::string, std::string> leaves(Options& options, const std::string& prefix = "") {
  std::map<std::string, std::string> out;
  flatten(write_fields(options), prefix, out);
  return out;
}

bool may_change(const std::string& path) {
  for (const char* section : {"evaluation.", "checkpoint.", "logging.", "data.task.evaluation_"})
    if (path.starts_with(section)) return true;
  return path == "name" || path == "training.steps";
}

}  // namespace

std::string to_json(const Config& config) {
  Config copy = config;
  return dump(write_fields(copy)) + "\n";
}

void adopt_model(Config& config, const ModelConfig& stored, const std::string& where) {
  ModelConfig theirs = stored;
  const auto ours = leaves(config.model, "model"), old = leaves(theirs, "model");
  for (const auto& [path, place] : config.given) {
    if (!path.starts_with("model.") || path == "model.dropout") continue;
    const auto mine = ours.find(path), other = old.find(path);
    if (mine == ours.end()) continue;
    if (other != old.end() && mine->second == other->second) continue;
    const std::string found = other == old.end() ? "has no such key" : "has " + other->second;
    throw UsageError(place.text() + ": " + path + " is " + mine->second + ", but " + where +
                     " (initialize.from) " + found + "; remove the key, or start from other weights");
  }
  if (config.given.contains("model.dropout")) theirs.dropout = config.model.dropout;
  theirs.bf16 = config.model.bf16;
  config.model = theirs;
}

void keep_horizon(Config& now, const Config& stored) {
  if (!now.decay_steps_given()) now.schedule.decay_steps = stored.schedule.decay_steps;
}

std::vector<std::string> resume_differences(const Config& stored, const Config& now) {
  Config a = stored, b = now;
  keep_horizon(b, stored);
  const auto old = leaves(a), fresh = leaves(b);
  std::set<std::string> different;
  for (const auto& [path, text] : old)
    if (!fresh.contains(path) || fresh.at(path) != text) different.insert(path);
  for (const auto& [path, text] : fresh)
    if (!old.contains(path)) different.insert(path);
  std::erase_if(different, may_change);
  return {different.begin(), different.end()};
}

}  // namespace adder
