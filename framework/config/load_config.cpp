// From files and --set to a checked Config: extends, overrides, the architecture's keys, cross-checks.
#include <algorithm>
#include <filesystem>

#include "framework/config/config.h"
#include "framework/core/error.h"
#include "kernels/device.h"

namespace adder {

namespace fs = std::filesystem;

namespace {

using Kind = JsonValue::Kind;

// Objects merge key by key; anything else replaces.
void merge(JsonValue& base, const JsonValue& over) {
  for (const JsonValue& item : over.items) {
    JsonValue* present = base.find(item.key);
    if (present && present->is(Kind::object) && item.is(Kind::object))
      merge(*present, item);
    else
      base.set(item.key, item);
  }
}

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
  for (size_t end = path.size();;) {
    const size_t dot = path.rfind('.', end - 1);
    const size_t start = dot == std::string::npos ? 0 : dot + 1;
    JsonValue parent = JsonValue::object();
    parent.set(path.substr(start, end - start), std::move(value));
    value = std::move(parent);
    if (start == 0) break;
    end = dot;
  }
  stamp(value, source);
  return value;
}

void note_given(const JsonValue& value, const std::string& path, std::map<std::string, Place>& given) {
  if (!value.is(Kind::object)) given[path] = value.place;
  for (const JsonValue& item : value.items)
    if (value.is(Kind::object)) note_given(item, path.empty() ? item.key : path + "." + item.key, given);
}

std::vector<std::string> keys_of(const Architecture& architecture) {
  if (!architecture.options) return {};
  return key_paths(*architecture.options(), "model.");
}

// Gives the config the keys of the architecture that the tree names, before the tree is read.
KnownKeys choose_architecture(const JsonValue& tree, Config& config, const ModelFactory& factory) {
  const auto table = factory.architectures();
  const JsonValue* model = tree.find("model");
  const JsonValue* named = model ? model->find("architecture") : nullptr;
  const std::string name = !named ? "" : named->is(Kind::string) ? named->string : named->raw;
  std::vector<std::string> names;
  KnownKeys known;
  const Architecture* chosen = nullptr;
  for (const Architecture& architecture : table) {
    names.push_back(architecture.name);
    if (architecture.name == name) chosen = &architecture;
  }
  if (!name.empty() && !chosen) {
    const std::string near = nearest(name, names);
    std::string list;
    for (const std::string& n : names) list += (list.empty() ? "" : ", ") + n;
    throw UsageError(named->place.text() + ": model.architecture: unknown architecture " +
                     dump(JsonValue(name)) + (near.empty() ? "" : "; did you mean \"" + near + "\"?") +
                     "; known: " + list);
  }
  if (chosen && chosen->options) config.model.mixer = chosen->options();
  known.paths = key_paths(config);
  for (const Architecture& other : table)
    for (const std::string& path : keys_of(other)) {
      if (std::find(known.paths.begin(), known.paths.end(), path) != known.paths.end()) continue;
      std::string& reason = known.elsewhere[path];
      reason += (reason.empty() ? "belongs to the architecture " : " or ") + other.name;
    }
  for (auto& [path, reason] : known.elsewhere)
    reason += name.empty()
                  ? "; set model.architecture, or remove the key"
                  : "; model.architecture is \"" + name + "\": remove the key, or change the architecture";
  return known;
}

// The first of the keys that was given says where; else the file does.
[[noreturn]] void refuse(const Config& config, const std::vector<std::string>& keys,
                         const std::string& what) {
  for (const std::string& key : keys) {
    const auto place = config.given.find(key);
    if (place != config.given.end()) throw UsageError(place->second.text() + ": " + what);
  }
  throw UsageError(config.source + ": " + what);
}

std::string shown(double x) { return dump(JsonValue(x)); }
std::string shown(int64_t x) { return std::to_string(x); }

void check_data(const Config& c, Use use) {
  const DataConfig& d = c.data;
  if (!d.train.empty() && !d.batches.empty())
    refuse(c, {"data.batches"}, "data.train and data.batches are both given; remove one");
  if (use == Use::train && d.train.empty() && d.batches.empty())
    refuse(c, {}, "data.train is missing; give a text file, folder, glob or list of them (or data.batches)");
  if (d.tokenizer.empty())
    refuse(c, {"data.tokenizer"},
           "data.tokenizer: expected \"byte\", \"char\" or a path, found an empty string");
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
               shown(s.decay_steps) + (c.decay_steps_given() ? "" : " (training.steps)"));
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
  check_data(c, use);
  check_rates(c);
  if (c.evaluation_stride() > c.evaluation_window())
    refuse(c, {"evaluation.stride", "evaluation.window"},
           "evaluation.stride is " + shown(c.evaluation_stride()) + ", expected at most evaluation.window, " +
               shown(c.evaluation_window()) + ", or tokens would be left out");
}

}  // namespace

Config parse_config(const std::string& text, const std::string& shown_name,
                    const std::vector<std::string>& overrides, const ModelFactory& factory, Use use) {
  JsonValue tree = with_bases(read_object(text, shown_name), {shown_name});
  for (const std::string& setting : overrides) merge(tree, override_tree(setting));
  Config config;
  config.source = shown_name;
  config.name = fs::path(shown_name).stem().string();
  const KnownKeys known = choose_architecture(tree, config, factory);
  read_fields(tree, "", config, known);
  note_given(tree, "", config.given);
  if (config.schedule.decay_steps == 0) {
    config.schedule.decay_steps = config.training.steps;
    config.given.erase("schedule.decay_steps");
  }
  check(config, use);
  return config;
}

Config load_config(const std::string& path, const std::vector<std::string>& overrides,
                   const ModelFactory& factory, Use use) {
  return parse_config(read_config_text(path), path, overrides, factory, use);
}

}  // namespace adder
