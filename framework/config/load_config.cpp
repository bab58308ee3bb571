// From files and --set to a checked Config: extends, overrides, the architecture's keys, cross-checks.
#include <algorithm>
#include <filesystem>

#include "framework/config/counting_config.h"
#include "framework/config/loading.h"
#include "framework/config/tree.h"
#include "framework/core/error.h"
#include "framework/core/words.h"
#include "kernels/device.h"

namespace adder {

namespace fs = std::filesystem;

using Kind = JsonValue::Kind;

void merge(JsonValue& base, const JsonValue& over) {
  for (const JsonValue& item : over.items) {
    JsonValue* present = base.find(item.key);
    if (present && present->is(Kind::object) && item.is(Kind::object))
      merge(*present, item);
    else
      base.set(item.key, item);
  }
}

JsonValue nested(const std::string& path, JsonValue value) {
  const Place place = value.place, key_place = value.key_place.line ? value.key_place : value.place;
  for (size_t end = path.size();;) {
    const size_t dot = path.rfind('.', end - 1);
    const size_t start = dot == std::string::npos || end == 0 ? 0 : dot + 1;
    JsonValue parent = JsonValue::object();
    parent.set(path.substr(start, end - start), std::move(value)).key_place = key_place;
    value = std::move(parent);
    value.place = place;
    if (start == 0) break;
    end = dot;
  }
  return value;
}

namespace {

JsonValue read_object(const std::string& text, const std::string& source) {
  JsonValue tree = parse_json(text, source);
  if (!tree.is(Kind::object))
    throw UsageError(tree.place.text() + ": expected an object { … }, found " + tree.found());
  return tree;
}

std::string identity(const std::string& path) {
  std::error_code ignored;
  const fs::path canonical = fs::weakly_canonical(path, ignored);
  return canonical.empty() ? path : canonical.string();
}

// The tree with what it extends below it. `chain`: the files that are being read, outermost first.
JsonValue with_bases(JsonValue tree, std::vector<std::string> chain) {
  tree.erase("$schema");
  const JsonValue* extends = tree.find("extends");
  if (!extends) return tree;
  const std::string where = extends->place.text() + ": extends: ";
  if (!extends->is(Kind::string) || extends->string.empty())
    throw UsageError(where + "expected the path of a config file, found " + extends->found());
  const std::string base =
      (fs::path(chain.back()).parent_path() / extends->string).lexically_normal().string();
  for (const std::string& open : chain) {
    if (identity(open) != identity(base)) continue;
    std::string circle;
    for (const std::string& file : chain) circle += file + " -> ";
    throw UsageError(where + "the files extend each other in a circle: " + circle + base +
                     "; remove one extends");
  }
  std::string text;
  try {
    text = read_config_text(base);
  } catch (const UsageError& error) {
    throw UsageError(where + error.what());
  }
  chain.push_back(base);
  JsonValue merged = with_bases(read_object(text, base), chain);
  tree.erase("extends");
  merge(merged, tree);
  merged.place = tree.place;
  return merged;
}

void stamp(JsonValue& value, const std::string& source) {
  value.place = value.key_place = {source, 0, 0};
  for (JsonValue& item : value.items) stamp(item, source);
}

// The value of --set: JSON where it is JSON, else a string. What begins like a list, object or string must be
// one.
JsonValue override_value(const std::string& text, const std::string& source) {
  const bool structured = !text.empty() && (text[0] == '[' || text[0] == '{' || text[0] == '"');
  try {
    return parse_json(text, source);
  } catch (const UsageError&) {
    if (structured) throw;
    return JsonValue(text);
  }
}

// "a.b=3" as {"a": {"b": 3}}.
JsonValue override_tree(const std::string& setting) {
  const std::string source = "--set " + setting;
  const size_t equals = setting.find('=');
  const std::string path = setting.substr(0, equals);
  const bool holes =
      path.empty() || path.front() == '.' || path.back() == '.' || path.find("..") != std::string::npos;
  if (equals == std::string::npos || holes)
    throw UsageError(source + ": expected key.path=value, such as --set training.steps=100");
  if (path == "extends" || path == "$schema")
    throw UsageError(source + ": " + path + " belongs into a file; it cannot be set here");
  JsonValue value = override_value(setting.substr(equals + 1), source);
  value.raw = setting.substr(equals + 1);
  value = nested(path, std::move(value));
  stamp(value, source);
  return value;
}

void note_given(const JsonValue& value, const std::string& path, std::map<std::string, Place>& given) {
  if (!value.is(Kind::object)) given[path] = value.place;
  for (const JsonValue& item : value.items)
    if (value.is(Kind::object)) note_given(item, path.empty() ? item.key : path + "." + item.key, given);
}

// The architecture that `object` (model, or an entry of model.blocks at `path`) names; null where it names none.
const Architecture* named_architecture(const JsonValue& object, const std::string& path,
                                       const std::vector<Architecture>& table, bool or_hybrid) {
  const JsonValue* named = object.find("architecture");
  if (!named) return nullptr;
  const std::string name = named->is(Kind::string) ? named->string : named->raw;
  std::vector<std::string> names;
  for (const Architecture& architecture : table) {
    if (architecture.name == name) return &architecture;
    names.push_back(architecture.name);
  }
  if (or_hybrid) names.push_back(kHybrid);
  if (name.empty() || (or_hybrid && name == kHybrid)) return nullptr;
  const std::string near = nearest(name, names);
  throw UsageError(named->place.text() + ": " + path + ".architecture: unknown architecture " +
                   dump(JsonValue(name)) + (near.empty() ? "" : "; did you mean \"" + near + "\"?") +
                   "; known: " + listed(names));
}

void prepare_block(BlockConfig& block, const Architecture& architecture) {
  if (architecture.options) block.mixer = architecture.options();
  if (architecture.block_defaults) architecture.block_defaults(block);
}

// Keys of architectures below `path` that this place does not know, and why.
void note_elsewhere(KnownKeys& known, const std::string& path, const std::vector<Architecture>& table,
                    const std::string& name, const std::vector<std::string>& here) {
  std::map<std::string, std::string> owners;
  for (const Architecture& other : table) {
    if (!other.options) continue;
    for (const std::string& key : key_paths(*other.options(), path + "."))
      owners[key] += (owners[key].empty() ? "belongs to the architecture " : " or ") + other.name;
  }
  for (const auto& [key, reason] : owners) {
    if (std::find(here.begin(), here.end(), key) != here.end()) continue;
    known.elsewhere[key] =
        reason + (name.empty() ? "; set " + path + ".architecture, or remove the key"
                               : "; " + path + ".architecture is \"" + name +
                                     "\": remove the key, or change the architecture");
  }
}

// Makes the entries of model.blocks, each with the keys of its architecture, before they are read.
void choose_blocks(const JsonValue& model, Config& config, const std::vector<Architecture>& table,
                   KnownKeys& known) {
  const JsonValue* list = model.find("blocks");
  if (!list || !list->is(Kind::array) || list->items.empty())
    throw UsageError((list ? list->place : model.find("architecture")->place).text() +
                     ": model.blocks: expected a list of at least one block such as " +
                     R"([{"architecture": "mamba"}, {"architecture": "attention"}])" +
                     (list ? ", found " + list->found() : "; it says what a hybrid is made of"));
  for (size_t i = 0; i < list->items.size(); ++i) {
    const JsonValue& item = list->items[i];
    const std::string path = "model.blocks[" + std::to_string(i) + "]";
    if (!item.is(Kind::object))
      throw UsageError(item.place.text() + ": " + path + ": expected an object such as " +
                       R"({"architecture": "mamba"}, found )" + item.found());
    const Architecture* chosen = named_architecture(item, path, table, false);
    if (chosen && chosen->counts)
      throw UsageError(item.find("architecture")->place.text() + ": " + path + ".architecture: " + chosen->name +
                       " is a model of its own, no block; choose another");
    if (!chosen) throw UsageError(item.place.text() + ": " + path + ".architecture is missing; choose one");
    prepare_block(config.model.blocks.emplace_back(), *chosen);
    note_elsewhere(known, path, table, chosen->name, key_paths(config.model.blocks.back(), path + "."));
  }
  BlockOptions of_block;
  for (const std::string& key : key_paths(of_block, "model."))
    known.elsewhere[key] = "belongs into the entries of model.blocks; model.architecture is \"hybrid\"";
  config.model.n_layers = int64_t(list->items.size());
}

// A model that counts has none of the keys of models made of blocks.
void note_skeleton(KnownKeys& known, const std::string& name) {
  ModelConfig blocks;
  for (const std::string& key : key_paths(blocks, "model."))
    if (std::find(known.paths.begin(), known.paths.end(), key) == known.paths.end())
      known.elsewhere[key] = "belongs to models made of blocks; model.architecture is \"" + name + "\": remove the key";
}

// Gives the config the keys of the architecture that the tree names, before the tree is read.
KnownKeys choose_architecture(const JsonValue& tree, Config& config, const ModelFactory& factory) {
  const auto table = factory.architectures();
  const JsonValue none = JsonValue::object();
  const JsonValue* given = tree.find("model");
  const JsonValue& model = given ? *given : none;
  const Architecture* chosen = named_architecture(model, "model", table, true);
  KnownKeys known;
  const JsonValue* named = model.find("architecture");
  std::string name = chosen ? chosen->name : "";
  if (chosen) prepare_block(config.model, *chosen), config.model.counts = chosen->counts;
  if (!chosen && named && (named->string == kHybrid || named->raw == kHybrid)) {
    config.model.architecture = name = kHybrid;
    choose_blocks(model, config, table, known);
  } else {
    known.elsewhere["model.blocks"] = "belongs to the architecture hybrid; set \"architecture\": \"hybrid\"";
  }
  known.paths = key_paths(config);
  if (config.model.counts) note_skeleton(known, name);
  note_elsewhere(known, "model", table, name, known.paths);
  return known;
}

}  // namespace

void refuse(const Config& config, const std::vector<std::string>& keys, const std::string& what) {
  for (const bool own : {true, false})
    for (const std::string& key : keys) {
      const auto given = config.given.find(key);
      if (given == config.given.end()) continue;
      const Place& place = given->second;
      if (!own || place.source == config.source || place.source.starts_with("--set")) throw UsageError(place.text() + ": " + what);
    }
  throw UsageError(config.source + ": " + what);
}

namespace {

std::string shown(double x) { return dump(JsonValue(x)); }
std::string shown(int64_t x) { return std::to_string(x); }

// A generated text brings its splits and its tokenizer.
void check_generated(const Config& c) {
  const DataConfig& d = c.data;
  if (!d.is_generated()) return;
  for (const auto& [key, there] : {std::pair{"train", !d.train.empty()}, {"validation", !d.validation.empty()},
                                   {"test", !d.test.empty()}, {"batches", !d.batches.empty()},
                                   {"tokenizer", d.tokenizer != "auto"}, {"documents", d.documents != "joined"}})
    if (there)
      refuse(c, {std::string("data.") + key},
             std::string("data.") + key + " and data.generated are both given; remove one");
}

void check_data(const Config& c, Use use) {
  const DataConfig& d = c.data;
  if (!d.train.empty() && !d.batches.empty())
    refuse(c, {"data.batches"}, "data.train and data.batches are both given; remove one");
  check_generated(c);
  if (use == Use::train && d.train.empty() && d.batches.empty() && !d.is_generated() && !d.task.given())
    refuse(c, {},
           "data.train is missing; give a text file, folder, glob or list of them (or data.batches, data.generated or "
           "data.task)");
  if (d.tokenizer.empty())
    refuse(c, {"data.tokenizer"},
           "data.tokenizer: expected \"auto\", \"byte\", \"char\", \"ids:V\" or a path, found an empty string");
  const double split =
      (d.validation.empty() ? d.validation_fraction : 0) + (d.test.empty() ? d.test_fraction : 0);
  if (split >= 1)
    refuse(c, {"data.test_fraction", "data.validation_fraction"},
           "data.validation_fraction + data.test_fraction is " + shown(split) +
               ", expected less than 1, so that text is left to train on");
}

void check_rates(const Config& c) {
  const OptimizerConfig& o = c.optimizer;
  const ScheduleConfig& s = c.schedule;
  if (s.min_learning_rate > o.learning_rate)
    refuse(c, {"schedule.min_learning_rate", "optimizer.learning_rate"},
           "schedule.min_learning_rate is " + shown(s.min_learning_rate) +
               ", expected at most optimizer.learning_rate, " + shown(o.learning_rate));
  if (s.warmup_steps > s.decay_steps)
    refuse(c, {"schedule.warmup_steps", "schedule.decay_steps", "training.steps"},
           "schedule.warmup_steps is " + shown(s.warmup_steps) + ", expected at most schedule.decay_steps, " +
               shown(s.decay_steps) + (c.decay_steps_given() ? "" : " (training.steps); lower it, too"));
  if (s.name == "wsd" &&
      double(s.warmup_steps) + s.decay_fraction * double(s.decay_steps) > double(s.decay_steps))
    refuse(c, {"schedule.decay_fraction", "schedule.warmup_steps"},
           "schedule.warmup_steps " + shown(s.warmup_steps) + " and the decay, " + shown(s.decay_fraction) +
               " of " + shown(s.decay_steps) + " steps, overlap; shorten one");
  if (o.name != "sgd" && (o.momentum != 0 || o.nesterov))
    refuse(c, {o.momentum != 0 ? "optimizer.momentum" : "optimizer.nesterov"},
           "optimizer.momentum and optimizer.nesterov belong to sgd; optimizer.name is \"" + o.name +
               "\": remove them, or set the name");
  if (o.nesterov && o.momentum == 0)
    refuse(c, {"optimizer.nesterov"}, "optimizer.nesterov needs optimizer.momentum above 0, found 0");
}

void check_model(const Config& c, Use use) {
  const ModelConfig& m = c.model;
  if (m.n_layers % std::max<int64_t>(1, int64_t(m.blocks.size())) != 0)
    refuse(c, {"model.n_layers"},
           "model.n_layers is " + shown(m.n_layers) + ", expected a multiple of the " +
               shown(int64_t(m.blocks.size())) + " entries of model.blocks");
  if (m.norm_position == "post" && m.norm == "none")
    refuse(c, {"model.norm_position", "model.norm"},
           "model.norm_position is \"post\", but model.norm is \"none\": there is nothing to place; choose a norm, or remove the key");
  if (use == Use::train && c.data.batches.empty() && m.positions == "learned" &&
      m.max_positions < c.training.context_length)
    refuse(c, {"model.max_positions", "training.context_length"},
           "model.max_positions is " + shown(m.max_positions) + ", expected at least training.context_length, " +
               shown(c.training.context_length));
}

void check_width(const Config& c, Use use) {
  const ModelConfig& m = c.model;
  const bool mup = m.parametrisation == "mup";
  if (mup && m.base_width == 0)
    refuse(c, {"model.parametrisation"},
           "model.parametrisation is \"mup\", which needs model.base_width: the d_model that the rates were found at");
  if (!mup && m.base_width != 0)
    refuse(c, {"model.base_width"},
           "model.base_width belongs to model.parametrisation \"mup\"; set that, or remove the key");
  const std::string& rule = c.optimizer.name;
  if (mup && use == Use::train && rule != "adamw" && rule != "lion")
    refuse(c, {"optimizer.name", "model.parametrisation"},
           "model.parametrisation \"mup\" has the rates of adamw and lion; optimizer.name is \"" + rule + "\"");
}

// Jacobians of a recurrence are taken along one text, and kept until backward.
void check_flossing(const Config& c) {
  const FlossingConfig& f = c.training.flossing;
  if (f.exponents == 0) return;
  if (c.training.recompute)
    refuse(c, {"training.recompute", "training.flossing.exponents"},
           "training.recompute keeps nothing of a block, but training.flossing needs its states; remove one");
  if (c.data.documents == "separate")
    refuse(c, {"data.documents", "training.flossing.exponents"},
           "training.flossing follows states from token to token, but with data.documents \"separate\" they start anew within "
           "a sequence; remove one");
  if (c.data.batches.empty() && f.horizon > c.training.context_length)
    refuse(c, {"training.flossing.horizon"},
           "training.flossing.horizon is " + shown(f.horizon) + ", expected at most training.context_length, " +
               shown(c.training.context_length));
}

void check(const Config& c, Use use) {
  if (c.device == "cuda" && use == Use::train && !kernels::available(kernels::Device::cuda))
    refuse(c, {"device"},
           "device: \"cuda\" is not available in this build or on this machine; set \"device\": \"cpu\"");
  if (c.name.empty() || c.name == "." || c.name == ".." || c.name.find('/') != std::string::npos)
    refuse(c, {"name"},
           "name: expected the name of a folder below runs/, found string " + dump(JsonValue(c.name)));
  if (c.model.architecture.empty() && c.initialize.from.empty())
    refuse(c, {"model.architecture"},
           "model.architecture is missing; choose one, or start from weights by initialize.from");
  check_model(c, use);
  check_width(c, use);
  check_flossing(c);
  check_data(c, use);
  check_rates(c);
  if (c.evaluation_stride() > c.evaluation_window())
    refuse(c, {"evaluation.stride", "evaluation.window"},
           "evaluation.stride is " + shown(c.evaluation_stride()) + ", expected at most evaluation.window, " +
               shown(c.evaluation_window()) + ", or tokens would be left out");
}

}  // namespace

JsonValue with_bases(JsonValue tree, const std::string& file) { return with_bases(std::move(tree), std::vector{file}); }

Config parse_config(const std::string& text, const std::string& shown_name,
                    const std::vector<std::string>& overrides, const ModelFactory& factory, Use use) {
  JsonValue tree = with_bases(read_object(text, shown_name), shown_name);
  for (const std::string& setting : overrides) merge(tree, override_tree(setting));
  return read_config(std::move(tree), shown_name, factory, use);
}

Config read_config(JsonValue tree, const std::string& shown_name, const ModelFactory& factory, Use use) {
  Config config;
  config.source = shown_name;
  config.name = fs::path(shown_name).stem().string();
  choose_task(tree, config, factory);
  KnownKeys known = choose_architecture(tree, config, factory);
  note_other_tasks(known, config, factory);
  read_fields(tree, "", config, known);
  note_given(tree, "", config.given);
  if (config.schedule.decay_steps == 0) {
    config.schedule.decay_steps = config.training.steps;
    config.given.erase("schedule.decay_steps");
  }
  config.model.bf16 = config.precision == "bf16";
  settle_task(config);
  if (config.model.positions == "learned" && config.model.max_positions == 0)
    config.model.max_positions = config.training.context_length;
  settle_counting(config, use);
  check(config, use);
  return config;
}

Config load_config(const std::string& path, const std::vector<std::string>& overrides,
                   const ModelFactory& factory, Use use) {
  return parse_config(read_config_text(path), path, overrides, factory, use);
}

}  // namespace adder
