// adder inspect: what is in a checkpoint, once its checksum has been verified.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>

#include "framework/cli/command.h"
#include "framework/cli/open_model.h"
#include "framework/cli/output.h"
#include "framework/core/error.h"
#include "framework/core/words.h"
#include "framework/data/hdf5.h"

namespace adder {
namespace {

double norm_of(const Tensor& t) {
  double sum = 0;
  by_dtype(t.dtype(), [&](auto zero) {
    const auto* values = t.data<decltype(zero)>();
    for (int64_t i = 0; i < t.size(); ++i) sum += double(values[i]) * double(values[i]);
  });
  return std::sqrt(sum);
}

struct Row {
  const Parameter* parameter;
  double norm, rms;
};

std::vector<Row> rows_of(const LoadedModel& loaded) {
  std::vector<Row> rows;
  const ParameterList& parameters = loaded.model->parameters();
  for (size_t i = 0; i < parameters.size(); ++i) {
    const double norm = norm_of(parameters[i].value);
    rows.push_back(
        {&parameters[i], norm, norm / std::sqrt(double(std::max<int64_t>(1, parameters[i].value.size())))});
  }
  return rows;
}

// "m", "v": the kinds of state that the optimizer left.
std::vector<std::string> optimizer_slots(const std::string& path) {
  std::vector<std::string> slots;
  const Hdf5File file = Hdf5File::open(path);
  if (!file.exists("/optimizer")) return slots;
  const std::string root = "/optimizer/";
  for (const Hdf5Dataset& dataset : file.datasets("/optimizer")) {
    const std::string slot =
        dataset.path.substr(root.size(), dataset.path.find('/', root.size()) - root.size());
    if (std::find(slots.begin(), slots.end(), slot) == slots.end()) slots.push_back(slot);
  }
  return slots;
}

std::string joined(const std::vector<std::string>& words, const std::string& none) {
  return words.empty() ? none : listed(words);
}

JsonValue tensors_json(const std::vector<Row>& rows) {
  JsonValue list = JsonValue::array();
  for (const Row& row : rows) {
    JsonValue entry = JsonValue::object();
    entry.set("name", row.parameter->name);
    entry.set("shape", JsonValue::array(row.parameter->value.shape().to_vector()));
    entry.set("norm", row.norm);
    entry.set("rms", row.rms);
    entry.set("decay", row.parameter->decay);
    list.push(std::move(entry));
  }
  return list;
}

JsonValue counts_json(const std::vector<NamedTensor>& counts) {
  JsonValue list = JsonValue::array();
  for (const NamedTensor& tensor : counts) {
    JsonValue entry = JsonValue::object();
    entry.set("name", tensor.name);
    entry.set("entries", tensor.value.size());
    list.push(std::move(entry));
  }
  return list;
}

JsonValue to_json(const LoadedModel& loaded, const std::vector<Row>& rows) {
  const Checkpoint& c = loaded.checkpoint;
  JsonValue result = describe(loaded);
  result.set("checksum", "ok");
  JsonValue origin = JsonValue::object(), slots = JsonValue::array();
  for (const auto& [name, text] : c.attributes) origin.set(name, text);
  for (const std::string& slot : optimizer_slots(loaded.path)) slots.push(JsonValue(slot));
  result.set("origin", std::move(origin));
  if (c.best_step >= 0) {
    result.set("best_step", c.best_step);
    result.set("best_loss", c.best_loss);
  }
  if (loaded.tokenizer) {
    JsonValue& tokenizer = result.set("tokenizer", JsonValue::object());
    tokenizer.set("name", loaded.tokenizer->name());
    tokenizer.set("vocabulary", loaded.tokenizer->vocabulary());
    tokenizer.set("hash", loaded.tokenizer->hash());
  }
  if (c.solved_step >= 0) result.set("solved_step", c.solved_step);
  result.set("data_hash", c.data_hash);
  result.set("imported", !c.source_json.empty());
  result.set("optimizer", std::move(slots));
  result.set("config", parse_json(c.config_json, loaded.path));
  result.set("tensors", tensors_json(rows));
  if (loaded.config.model.counts) result.set("counts", counts_json(c.counts));
  return result;
}

std::string shown_origin(const Checkpoint& c) {
  std::string text = c.source_json.empty() ? "" : "imported weights";
  for (const auto& [name, value] : c.attributes) text += (text.empty() ? "" : ", ") + name + " " + value;
  return text.empty() ? "not recorded" : text;
}

void print_text(const LoadedModel& loaded, const std::vector<Row>& rows) {
  const Checkpoint& c = loaded.checkpoint;
  const Config& config = loaded.config;
  const Tokenizer* tokenizer = loaded.tokenizer.get();
  std::vector<std::pair<std::string, std::string>> facts = {
      {"checkpoint", loaded.path},
      {"checksum", "ok"},
      {"step", with_commas(c.step) + " of " + with_commas(config.training.steps) + ", " +
                   with_commas(c.tokens) + " tokens"},
      {"best", c.best_step < 0 ? "not evaluated"
                               : "loss " + decimals(c.best_loss, 4) + " at step " + with_commas(c.best_step)},
      {"origin", shown_origin(c)},
      {"model", config.model.architecture +
                    (config.model.counts ? ", counts"
                                         : ", d_model " + std::to_string(config.model.d_model) + ", " +
                                               std::to_string(config.model.n_layers) + " layers") +
                    ", " + config.precision},
      {"tokenizer",
       tokenizer ? tokenizer->name() + ", " + with_commas(tokenizer->vocabulary()) + " ids" : "none"},
      {"data", config.data.task.given() ? "task " + config.data.task.name
                                        : joined(config.data.train, config.data.batches.empty() ? "none" : config.data.batches)},
      {"optimizer", joined(optimizer_slots(loaded.path), "no state")},
  };
  print(aligned(facts) + "\n");
  std::vector<std::vector<std::string>> lines;
  if (config.model.counts) {
    for (const NamedTensor& t : c.counts) lines.push_back({t.name, with_commas(t.value.size())});
    return print(table({"counts", "entries"}, lines, 1));
  }
  for (const Row& row : rows)
    lines.push_back({row.parameter->name, to_string(row.parameter->value.shape()),
                     row.parameter->decay ? "yes" : "no", significant(row.norm, 5), significant(row.rms, 5)});
  print(table({"parameter", "shape", "decay", "norm", "rms"}, lines, 3));
  print("\n" + with_commas(loaded.model->parameters().count()) + " parameters\n");
}

int inspect_command(const ModelSource& source, bool json, const ModelFactory& factory) {
  const LoadedModel loaded = open_model(source, factory);
  const std::vector<Row> rows = rows_of(loaded);
  if (json)
    print_json(to_json(loaded, rows));
  else
    print_text(loaded, rows);
  return kOk;
}

}  // namespace

Action declare_inspect(CLI::App& app) {
  struct Options {
    ModelSource source;
    bool json = false;
  };
  auto options = std::make_shared<Options>();
  declare_source(app, options->source);
  app.add_flag("--json", options->json, "the result as one JSON document, with the whole config");
  return [options](const ModelFactory& factory) {
    return inspect_command(options->source, options->json, factory);
  };
}

}  // namespace adder
