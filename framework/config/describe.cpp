// What editors and people read of the same fields() lists: JSON Schema and the key reference.
#include <cctype>
#include <cmath>

#include "framework/config/config.h"
#include "framework/config/tree.h"

namespace adder {

namespace {

const char* type_name(const Field& field) {
  if (std::holds_alternative<int64_t*>(field.value)) return "integer";
  if (std::holds_alternative<double*>(field.value)) return "number";
  if (std::holds_alternative<bool*>(field.value)) return "boolean";
  if (std::holds_alternative<std::string*>(field.value)) return "string";
  return "array";
}

bool is_blank(const JsonValue& value) {
  return value.items.empty() && value.string.empty() &&
         (value.is(JsonValue::Kind::string) || value.is(JsonValue::Kind::array));
}

JsonValue bound(double x) { return x == std::floor(x) ? JsonValue(int64_t(x)) : JsonValue(x); }

void set_range(JsonValue& schema, const Range& range) {
  if (std::isfinite(range.low)) schema.set(range.low_open ? "exclusiveMinimum" : "minimum", bound(range.low));
  if (std::isfinite(range.high))
    schema.set(range.high_open ? "exclusiveMaximum" : "maximum", bound(range.high));
  else if (std::isfinite(range.cap))
    schema.set("maximum", bound(range.cap));
}

JsonValue list_of(const std::vector<std::string>& strings) {
  JsonValue list = JsonValue::array();
  for (const std::string& s : strings) list.push(s);
  return list;
}

JsonValue typed(const char* type) {
  JsonValue schema = JsonValue::object();
  schema.set("type", type);
  return schema;
}

JsonValue schema_of(const Field& field) {
  JsonValue schema = JsonValue::object();
  schema.set("description", field.doc);
  if (std::holds_alternative<std::vector<std::string>*>(field.value)) {
    JsonValue either = JsonValue::array(), list = typed("array");
    list.set("items", typed("string"));
    either.push(typed("string"));
    either.push(list);
    schema.set("anyOf", either);
  } else {
    schema.set("type", type_name(field));
  }
  const bool integers = std::holds_alternative<std::vector<int64_t>*>(field.value);
  if (integers || std::holds_alternative<std::vector<double>*>(field.value)) {
    JsonValue each = typed(integers ? "integer" : "number");
    set_range(each, field.range);
    schema.set("items", each);
    if (field.length) {
      schema.set("minItems", int64_t(field.length));
      schema.set("maxItems", int64_t(field.length));
    }
  } else {
    set_range(schema, field.range);
  }
  if (!field.allowed.empty()) schema.set("enum", list_of(field.allowed));
  if (!is_blank(field.current())) schema.set("default", field.current());
  return schema;
}

JsonValue object_schema(Options& options, const std::string& doc);

class SchemaWriter : public Fields {
 public:
  JsonValue properties = JsonValue::object();

 protected:
  void visit(const Field& field) override { properties.set(field.key, schema_of(field)); }
  void visit_section(const std::string& key, Options& child, const std::string& doc) override {
    properties.set(key, object_schema(child, doc));
  }
  void visit_list(const std::string& key, const std::vector<Options*>& children, const std::string& doc) override {
    JsonValue schema = typed("array");
    schema.set("description", doc);
    if (children.size() == 1) schema.set("items", object_schema(*children[0], ""));
    properties.set(key, schema);
  }
};

JsonValue object_schema(Options& options, const std::string& doc) {
  SchemaWriter writer;
  options.fields(writer);
  JsonValue schema = typed("object");
  if (!doc.empty()) schema.set("description", doc);
  schema.set("additionalProperties", writer.properties.items.empty());
  schema.set("properties", writer.properties);
  return schema;
}

// "if architecture is X then its keys": {if: {properties: {architecture: {const: X}}, …}, then: {…}}.
JsonValue condition(const std::string& name, const JsonValue& own, const std::vector<std::string>& common,
                    const std::string& chooser = "architecture") {
  JsonValue constant = JsonValue::object(), chosen = JsonValue::object(), when = JsonValue::object();
  constant.set("const", name);
  chosen.set(chooser, constant);
  when.set("properties", chosen);
  when.set("required", list_of({chooser}));
  std::vector<std::string> keys = common;
  for (const JsonValue& item : own.items) keys.push_back(item.key);
  JsonValue names = JsonValue::object(), then = JsonValue::object(), rule = JsonValue::object();
  names.set("enum", list_of(keys));
  then.set("properties", own);
  then.set("propertyNames", names);
  rule.set("if", when);
  rule.set("then", then);
  return rule;
}

// The architecture's own keys, and those of every block whose defaults are others for it.
class OwnKeys : public Options {
 public:
  explicit OwnKeys(const Architecture& architecture)
      : options_(architecture.options ? architecture.options() : nullptr) {
    if (architecture.block_defaults) architecture.block_defaults(block_);
  }
  void fields(Fields& f) override {
    if (options_) options_->fields(f);
    Different different(f);
    block_.fields(different);
  }

 private:
  class Different : public Fields {
   public:
    explicit Different(Fields& out) : out_(out) { BlockOptions().fields(usual_); }

   protected:
    void visit(const Field& field) override {
      if (dump(*usual_.properties.find(field.key)) != dump(schema_of(field))) out_.pass(field);
    }
    void visit_section(const std::string&, Options&, const std::string&) override {}
    void visit_list(const std::string&, const std::vector<Options*>&, const std::string&) override {}

   private:
    Fields& out_;
    SchemaWriter usual_;
  };
  std::shared_ptr<Options> options_;
  BlockOptions block_;
};

JsonValue own_properties(const Architecture& architecture) {
  SchemaWriter writer;
  OwnKeys(architecture).fields(writer);
  return writer.properties;
}

std::vector<std::string> keys_of(const JsonValue& object) {
  std::vector<std::string> keys;
  for (const JsonValue& item : object.items) keys.push_back(item.key);
  return keys;
}

// For each architecture its keys beside the common ones, as conditions; and the keys of all of them.
struct ArchitectureKeys {
  JsonValue rules = JsonValue::array(), all = JsonValue::object();
  std::vector<std::string> names;
};
ArchitectureKeys architecture_keys(const ModelFactory& factory, const JsonValue& properties, bool blocks_only = false) {
  ArchitectureKeys keys;
  const std::vector<std::string> common = keys_of(properties);
  for (const Architecture& architecture : factory.architectures()) {
    if (blocks_only && architecture.counts) continue;
    keys.names.push_back(architecture.name);
    const JsonValue own = own_properties(architecture);
    for (const JsonValue& item : own.items) {
      if (properties.find(item.key)) continue;
      const JsonValue* known = keys.all.find(item.key);
      // Where two architectures mean different things by a key, only the conditions say what it may be.
      const bool differs = known && dump(*known) != dump(item);
      keys.all.set(item.key, differs ? JsonValue::object() : item);
    }
    keys.rules.push(condition(architecture.name, own,
                              architecture.counts ? std::vector<std::string>{"architecture"} : common));
  }
  return keys;
}

// One entry of model.blocks.
JsonValue block_schema(const ModelFactory& factory) {
  BlockConfig block;
  JsonValue schema = object_schema(block, "one kind of block");
  JsonValue& properties = *schema.find("properties");
  const ArchitectureKeys keys = architecture_keys(factory, properties, true);
  for (const JsonValue& item : keys.all.items) properties.set(item.key, item);
  properties.find("architecture")->set("enum", list_of(keys.names));
  schema.set("required", list_of({"architecture"}));
  schema.set("allOf", keys.rules);
  return schema;
}

// A hybrid has a list of blocks where the others have the keys of their one kind of block.
JsonValue hybrid_condition(const ModelFactory& factory, const JsonValue& properties) {
  SchemaWriter of_block;
  BlockOptions().fields(of_block);
  std::vector<std::string> common = keys_of(properties);
  std::erase_if(common, [&](const std::string& key) { return of_block.properties.find(key) != nullptr; });
  JsonValue own = JsonValue::object(), blocks = typed("array");
  blocks.set("description", "architecture and keys of each block in turn, over and over up to n_layers");
  blocks.set("items", block_schema(factory));
  blocks.set("minItems", 1);
  own.set("blocks", blocks);
  return condition(kHybrid, own, common);
}

// Keys of every architecture, and under which of them each is allowed.
void add_architectures(JsonValue& model, const ModelFactory& factory) {
  JsonValue& properties = *model.find("properties");
  ArchitectureKeys keys = architecture_keys(factory, properties);
  keys.rules.push(hybrid_condition(factory, properties));
  keys.names.push_back(kHybrid);
  for (const JsonValue& item : keys.all.items) properties.set(item.key, item);
  properties.set("blocks", JsonValue::object());
  properties.find("architecture")->set("enum", list_of(keys.names));
  model.set("allOf", keys.rules);
}

// Keys of every task, and under which of them each is allowed.
void add_tasks(JsonValue& section, const ModelFactory& factory) {
  JsonValue& properties = *section.find("properties");
  const std::vector<std::string> common = keys_of(properties);
  JsonValue rules = JsonValue::array();
  std::vector<std::string> names;
  for (const TaskKind& kind : factory.tasks()) {
    SchemaWriter own;
    kind.options()->fields(own);
    rules.push(condition(kind.name, own.properties, common, "name"));
    names.push_back(kind.name);
    // Each task has its own meaning and default of a key: only the conditions say what it may be.
    for (const JsonValue& item : own.properties.items) properties.set(item.key, JsonValue::object());
  }
  names.push_back("");
  properties.find("name")->set("enum", list_of(names));
  section.set("allOf", rules);
}

std::string cell(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '|' ? "\\|" : c == '<' ? "&lt;" : std::string(1, c);
  return out;
}

class MarkdownWriter : public Fields {
 public:
  explicit MarkdownWriter(std::string path) : path_(std::move(path)) {}
  std::string table, sections;

 protected:
  void visit(const Field& field) override {
    const JsonValue value = field.current();
    const std::string standard = is_blank(value) ? "" : "`" + dump(value, -1) + "`";
    table += "| `" + field.key + "` | " + cell(field.expected()) + " | " + standard + " | " +
             cell(field.doc) + " |\n";
  }
  void visit_section(const std::string& key, Options& child, const std::string& doc) override;
  void visit_list(const std::string& key, const std::vector<Options*>&, const std::string& doc) override {
    table += "| `" + key + "` | a list of objects | | " + cell(doc) + " |\n";
  }

 private:
  std::string path_;  // of the section, with a dot at its end
};

std::string capitalised(std::string text) {
  if (!text.empty()) text[0] = char(std::toupper(uint8_t(text[0])));
  return text;
}

std::string section_text(const std::string& title, const std::string& doc, Options& options,
                         const std::string& path = "") {
  MarkdownWriter writer(path);
  options.fields(writer);
  std::string text = "## " + title + "\n\n" + (doc.empty() ? "" : capitalised(doc) + ".\n\n");
  if (!writer.table.empty())
    text += "| key | value | default | meaning |\n|---|---|---|---|\n" + writer.table + "\n";
  return text + writer.sections;
}

void MarkdownWriter::visit_section(const std::string& key, Options& child, const std::string& doc) {
  sections += section_text("`" + path_ + key + "`", doc, child, path_ + key + ".");
}

std::string hybrid_text() {
  return "## `model`, architecture `hybrid`\n\n`blocks` lists the blocks in turn, over and over until there are "
         "`n_layers` (a multiple of\ntheir number; by default that number). Each entry has an `architecture`, its keys "
         "and those that stand around\na mixer (`activation`, `output`, `mlp`, …), which then are not keys of `model`:\n\n"
         "```\n\"model\": {\"architecture\": \"hybrid\", \"n_layers\": 4,\n"
         "          \"blocks\": [{\"architecture\": \"mamba\"}, {\"architecture\": \"attention\", \"n_heads\": 4}]}\n```\n";
}

}  // namespace

std::string json_schema(Options& options, const std::string& title) {
  JsonValue schema = JsonValue::object(), path = typed("string");
  schema.set("$schema", "http://json-schema.org/draft-07/schema#");
  schema.set("title", title);
  const JsonValue root = object_schema(options, "");
  for (const JsonValue& item : root.items) schema.set(item.key, item);
  path.set("description", "the schema of this file, for editors; not read");
  schema.find("properties")->set("$schema", path);
  return dump(schema) + "\n";
}

std::string json_schema(const ModelFactory& factory) {
  Config config;
  JsonValue schema = JsonValue::object();
  schema.set("$schema", "http://json-schema.org/draft-07/schema#");
  schema.set("title", "Adder config");
  const JsonValue root = object_schema(config, "");
  for (const JsonValue& item : root.items) schema.set(item.key, item);
  JsonValue& properties = *schema.find("properties");
  JsonValue path = typed("string");
  path.set("description", "the schema of this file, for editors; not read");
  properties.set("$schema", path);
  path.set("description", "a config file that this one builds on, relative to this one");
  properties.set("extends", path);
  add_architectures(*properties.find("model"), factory);
  add_tasks(*properties.find("data")->find("properties")->find("task"), factory);
  return dump(schema) + "\n";
}

std::string markdown_reference(const ModelFactory& factory) {
  Config config;
  std::string text = "# Config keys\n\n";
  text +=
      "A config is JSON; comments are allowed. `\"extends\": \"base.json\"` builds on another file, relative "
      "to this one:\n";
  text += "objects merge key by key, anything else replaces. `--set key.path=value` overrides both.\n\n";
  text += section_text("Top level", "", config);
  for (const Architecture& architecture : factory.architectures()) {
    OwnKeys own(architecture);
    text += section_text("`model`, architecture `" + architecture.name + "`", architecture.doc, own);
  }
  text += hybrid_text();
  for (const TaskKind& kind : factory.tasks())
    text += "\n" + section_text("`data.task`, task `" + kind.name + "`", kind.doc, *kind.options());
  return text;
}

}  // namespace adder
