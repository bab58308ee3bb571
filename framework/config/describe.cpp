// What editors and people read of the same fields() lists: JSON Schema and the key reference.
#include <cctype>
#include <cmath>

#include "framework/config/config.h"

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
  if (std::holds_alternative<std::vector<double>*>(field.value)) {
    JsonValue each = typed("number");
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
};

JsonValue object_schema(Options& options, const std::string& doc) {
  SchemaWriter writer;
  options.fields(writer);
  JsonValue schema = typed("object");
  if (!doc.empty()) schema.set("description", doc);
  schema.set("additionalProperties", false);
  schema.set("properties", writer.properties);
  return schema;
}

// "if architecture is X then its keys": {if: {properties: {architecture: {const: X}}, …}, then: {…}}.
JsonValue condition(const std::string& name, const JsonValue& own, const std::vector<std::string>& common) {
  JsonValue constant = JsonValue::object(), architecture = JsonValue::object(), when = JsonValue::object();
  constant.set("const", name);
  architecture.set("architecture", constant);
  when.set("properties", architecture);
  when.set("required", list_of({"architecture"}));
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

// Keys of every architecture, and under which of them each is allowed.
void add_architectures(JsonValue& model, const ModelFactory& factory) {
  JsonValue& properties = *model.find("properties");
  std::vector<std::string> common, names;
  for (const JsonValue& item : properties.items) common.push_back(item.key);
  JsonValue rules = JsonValue::array(), all = JsonValue::object();
  for (const Architecture& architecture : factory.architectures()) {
    names.push_back(architecture.name);
    SchemaWriter writer;
    if (architecture.options) architecture.options()->fields(writer);
    for (const JsonValue& item : writer.properties.items) {
      const JsonValue* known = all.find(item.key);
      // Where two architectures mean different things by a key, only the conditions say what it may be.
      const bool differs = known && dump(*known) != dump(item);
      all.set(item.key, differs ? JsonValue::object() : item);
    }
    rules.push(condition(architecture.name, writer.properties, common));
  }
  for (const JsonValue& item : all.items) properties.set(item.key, item);
  properties.find("architecture")->set("enum", list_of(names));
  if (!rules.items.empty()) model.set("allOf", rules);
}

std::string cell(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '|' ? "\\|" : c == '<' ? "&lt;" : std::string(1, c);
  return out;
}

class MarkdownWriter : public Fields {
 public:
  std::string table, sections;

 protected:
  void visit(const Field& field) override {
    const JsonValue value = field.current();
    const std::string standard = is_blank(value) ? "" : "`" + dump(value, -1) + "`";
    table += "| `" + field.key + "` | " + cell(field.expected()) + " | " + standard + " | " +
             cell(field.doc) + " |\n";
  }
  void visit_section(const std::string& key, Options& child, const std::string& doc) override;
};

std::string capitalised(std::string text) {
  if (!text.empty()) text[0] = char(std::toupper(uint8_t(text[0])));
  return text;
}

std::string section_text(const std::string& title, const std::string& doc, Options& options) {
  MarkdownWriter writer;
  options.fields(writer);
  std::string text = "## " + title + "\n\n" + (doc.empty() ? "" : capitalised(doc) + ".\n\n");
  if (!writer.table.empty())
    text += "| key | value | default | meaning |\n|---|---|---|---|\n" + writer.table + "\n";
  return text + writer.sections;
}

void MarkdownWriter::visit_section(const std::string& key, Options& child, const std::string& doc) {
  sections += section_text("`" + key + "`", doc, child);
}

}  // namespace

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
  for (const Architecture& architecture : factory.architectures())
    if (architecture.options)
      text += section_text("`model`, architecture `" + architecture.name + "`", architecture.doc,
                           *architecture.options());
  return text;
}

}  // namespace adder
