#include "framework/interop/export_model.h"

#include <algorithm>
#include <map>
#include <set>

#include "framework/core/error.h"
#include "framework/interop/foreign_json.h"
#include "framework/interop/foreign_model.h"
#include "framework/interop/hf_tokenizer.h"
#include "framework/interop/safetensors.h"
#include "framework/training/durable_folder.h"

namespace adder {
namespace {

// How weights start and how they are computed with: nothing that a model is.
const std::set<std::string> kNoPartOfTheModel = {
    "dropout", "embedding_init", "zero_head", "initialization", "forget_bias", "chrono_steps",   "dt_min",
    "dt_max",  "dt_init_floor",  "fused",          "recurrence",  "deer_tolerance", "deer_max_iterations"};

// 0: derived from other keys; the shapes of the parameters tell what came of it.
const std::set<std::string> kDerivedFromZero = {"d_mlp",    "d_hidden",   "dt_rank",
                                                "head_dim", "n_kv_heads", "max_positions"};

// Keys without a meaning where another has this value.
struct Idle {
  const char *key, *other, *value;
};
constexpr Idle kIdle[] = {
    {"output_bias", "output", "none"},      {"d_mlp", "mlp", "none"},         {"mlp_bias", "mlp", "none"},
    {"norm_bias", "norm", "rms_norm"},      {"norm_bias", "norm", "none"},    {"norm_eps", "norm", "none"},
    {"max_positions", "positions", "none"}, {"rotary_base", "rotary", "none"}};

bool matters(const JsonValue& section, const JsonValue& member) {
  if (kNoPartOfTheModel.contains(member.key)) return false;
  if (kDerivedFromZero.contains(member.key) && member.is(JsonValue::Kind::integer) && member.integer == 0)
    return false;
  for (const Idle& idle : kIdle) {
    const JsonValue* other = section.find(idle.other);
    if (member.key == idle.key && other && other->string == idle.value) return false;
  }
  return true;
}

std::string shown(const JsonValue* value) { return value ? dump(*value, -1) : "absent"; }

// A key each: `model.norm is "layer_norm", expected "rms_norm"`
std::vector<std::string> differing_keys(const JsonValue& ours, const JsonValue& theirs) {
  std::vector<std::string> list;
  for (const JsonValue& member : ours.items) {
    const JsonValue* other = theirs.find(member.key);
    if (matters(ours, member) && shown(&member) != shown(other))
      list.push_back("model." + member.key + " is " + shown(&member) + ", expected " + shown(other));
  }
  return list;
}

std::vector<std::string> differing_parameters(const OwnModel& own, const std::vector<ForeignRule>& rules) {
  std::vector<std::string> list;
  std::map<std::string, Shape> left = own.shapes();
  for (const ForeignRule& rule : rules) {
    const auto found = left.find(rule.ours);
    const std::string expected = ", expected " + to_string(rule.our_shape);
    if (found == left.end())
      list.push_back("there is no " + rule.ours + expected);
    else if (found->second != rule.our_shape)
      list.push_back(rule.ours + " has shape " + to_string(found->second) + expected);
    left.erase(rule.ours);
  }
  for (const auto& [name, shape] : left) list.push_back(name + " " + to_string(shape) + " has no place");
  return list;
}

struct Attempt {
  const ForeignFormat* format = nullptr;
  ForeignJson config;
  std::vector<ForeignRule> rules;
  std::vector<std::string> misfits;  // none: it fits
};

Attempt attempt(const ForeignFormat& format, const OwnModel& own, const ModelFactory& factory) {
  Attempt a{&format, {}, {}, {}};
  const std::string& architecture = own.text("architecture");
  if (std::find(format.architectures.begin(), format.architectures.end(), architecture) ==
      format.architectures.end()) {
    std::string expected;
    for (const std::string& name : format.architectures)
      expected += (expected.empty() ? "\"" : " or \"") + name + "\"";
    a.misfits.push_back("model.architecture is \"" + architecture + "\", expected " + expected);
    return a;
  }
  a.config = format.config(own);
  try {
    const ForeignLayout layout =
        format.layout(ForeignConfig("config.json", parse_foreign_json(a.config.dump(), "config.json")));
    ModelConfig read_back = model_config(layout.model.dump(), "config.json", factory);
    a.rules = expanded(layout);
    a.misfits = differing_keys(own.section(), write_fields(read_back));
    if (a.misfits.empty()) a.misfits = differing_parameters(own, a.rules);
  } catch (const UnreadableError& refused) {
    a.misfits.push_back(refused.what());
  }
  return a;
}

std::string joined(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& item : list) text += (text.empty() ? "" : "; ") + item;
  return text;
}

const ForeignFormat& format_named(const std::string& name) {
  std::string known;
  for (const ForeignFormat& format : foreign_formats()) {
    if (format.name == name) return format;
    known += (known.empty() ? "" : ", ") + std::string(format.name);
  }
  throw UsageError("--format is \"" + name + "\", expected one of: " + known);
}

Attempt fitting(const std::string& path, const std::string& format, const OwnModel& own,
                const ModelFactory& factory) {
  std::string list;
  for (const ForeignFormat& candidate : foreign_formats()) {
    if (!format.empty() && &candidate != &format_named(format)) continue;
    Attempt a = attempt(candidate, own, factory);
    if (a.misfits.empty()) return a;
    list += "\n  " + std::string(candidate.name) + ": " + joined(a.misfits);
  }
  throw UsageError(path + ": cannot be expressed in " + (format.empty() ? "any format" : "that format") +
                   ":" + list);
}

OwnModel own_model(const LoadedModel& loaded) {
  ModelConfig config = loaded.config.model;
  const ParameterList& parameters = loaded.model->parameters();
  std::map<std::string, Shape> shapes;
  for (size_t i = 0; i < parameters.size(); ++i) shapes[parameters[i].name] = parameters[i].value.shape();
  const int64_t trained = loaded.checkpoint.step > 0 ? loaded.config.training.context_length : 0;
  return OwnModel(write_fields(config), loaded.model->vocabulary(), shapes, trained);
}

std::string dtype_for(const std::string& asked, const LoadedModel& loaded) {
  const std::string own = loaded.model->parameters().dtype() == DType::f64 ? "float64" : "float32";
  if (asked.empty()) return own;
  if (asked != "float32" && asked != "bfloat16" && asked != "float64")
    throw UsageError("--dtype is \"" + asked + "\", expected float32, bfloat16 or float64");
  return asked;
}

// Where readers are known to go wrong.
std::vector<std::string> cautions(const Attempt& a) {
  std::vector<std::string> list;
  if (a.config.value("n_groups", 1) > 1)
    list.push_back("older versions of transformers normalise the " + a.config["n_groups"].dump() +
                   " groups of a mamba2 (model.n_groups) as one, and give other logits");
  if (a.config.contains("time_step_limit"))
    list.push_back("transformers leaves time_step_limit out of account where it decodes token by token");
  return list;
}

}  // namespace

int64_t ForeignFolder::bytes() const {
  int64_t sum = 0;
  for (const Item& item : tensors)
    sum += item.value.size() * int64_t(item.bfloat16 ? 2 : bytes_of(item.value.dtype()));
  return sum;
}

ForeignFolder foreign_folder(const LoadedModel& loaded, const ModelFactory& factory,
                             const ExportOptions& options) {
  if (!options.format.empty()) format_named(options.format);
  ForeignFolder folder;
  folder.dtype = dtype_for(options.dtype, loaded);
  Attempt a = fitting(loaded.path, options.format, own_model(loaded), factory);
  folder.format = a.format->name, folder.hugging_face = a.format->hugging_face;
  folder.cautions = cautions(a);
  folder.config = std::move(a.config);
  folder.config["dtype"] = folder.dtype;
  if (folder.hugging_face) folder.config["torch_dtype"] = folder.dtype;
  if (loaded.tokenizer && loaded.tokenizer->name() != "ids") {  // ids stand for no text: nothing to write
    folder.tokenizer = loaded.tokenizer->name();
    folder.tokenizer_json = hf_tokenizer_json(*loaded.tokenizer);
  }
  const DType stored = folder.dtype == "float64" ? DType::f64 : DType::f32;
  for (const ForeignRule& rule : a.rules) {
    const std::vector<Tensor> parts =
        to_source(loaded.model->parameters().find(rule.ours)->value.to(stored), rule);
    for (size_t i = 0; i < parts.size(); ++i)
      folder.tensors.push_back({rule.parts[i].name, parts[i], folder.dtype == "bfloat16" && !rule.float32});
  }
  return folder;
}

void write_foreign_folder(const ForeignFolder& folder, const std::string& path) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::set<std::string> in_bfloat16;
  for (const ForeignFolder::Item& item : folder.tensors) {
    tensors.emplace_back(item.name, item.value);
    if (item.bfloat16) in_bfloat16.insert(item.name);
  }
  DurableFolder files(path);
  write_safetensors(files.file("model.safetensors"), tensors, {{"format", "pt"}}, in_bfloat16);
  write_durably(files.file("config.json"), folder.config.dump(2) + "\n");
  if (folder.hugging_face)
    write_durably(files.file("generation_config.json"),
                  ForeignJson{{"_from_model_config", true}}.dump(2) + "\n");
  if (!folder.tokenizer_json.empty()) {
    write_durably(files.file("tokenizer.json"), folder.tokenizer_json);
    write_durably(files.file("tokenizer_config.json"), hf_tokenizer_config());
  }
  files.commit();
}

}  // namespace adder
