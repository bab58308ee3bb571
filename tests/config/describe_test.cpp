#include "tests/config/fake_factory.h"

namespace adder {
namespace {

const FakeFactory factory;

const JsonValue& property(const JsonValue& schema, const std::string& path) {
  const JsonValue* at = &schema;
  for (size_t start = 0; start <= path.size();) {
    const size_t dot = std::min(path.find('.', start), path.size());
    at = at->find("properties");
    if (at) at = at->find(path.substr(start, dot - start));
    if (!at) throw Error("the schema lacks " + path);
    start = dot + 1;
  }
  return *at;
}

TEST(Schema, HoldsEveryKey) {
  const JsonValue schema = parse_json(json_schema(factory), "schema");
  EXPECT_EQ(schema.find("$schema")->string, "http://json-schema.org/draft-07/schema#");
  EXPECT_FALSE(schema.find("additionalProperties")->boolean);
  Config config;
  for (const Architecture& architecture : factory.architectures()) {
    config.model.mixer = architecture.options ? architecture.options() : nullptr;
    for (const std::string& path : key_paths(config)) EXPECT_NO_THROW(property(schema, path)) << path;
  }
  EXPECT_NO_THROW(property(schema, "extends"));
  EXPECT_NO_THROW(property(schema, "$schema"));
}

TEST(Schema, SaysTypeRangeChoiceAndDefault) {
  const JsonValue schema = parse_json(json_schema(factory), "schema");
  const JsonValue& steps = property(schema, "training.steps");
  EXPECT_EQ(dump(steps, -1),
            R"({"description": "optimizer steps", "type": "integer", "minimum": 1, "maximum": 2147483647, "default": 1000})");
  EXPECT_EQ(dump(*property(schema, "optimizer.name").find("enum"), -1), R"(["adamw", "sgd", "lion", "muon"])");
  EXPECT_EQ(property(schema, "model.norm_eps").find("exclusiveMinimum")->integer, 0);
  EXPECT_EQ(property(schema, "optimizer.betas").find("items")->find("exclusiveMaximum")->integer, 1);
  EXPECT_EQ(property(schema, "optimizer.betas").find("minItems")->integer, 2);
  EXPECT_EQ(property(schema, "data.train").find("anyOf")->items.size(), 2u);
  EXPECT_FALSE(property(schema, "training").find("additionalProperties")->boolean);
}

TEST(Schema, KeysDependOnTheArchitecture) {
  const JsonValue schema = parse_json(json_schema(factory), "schema");
  const JsonValue& model = property(schema, "model");
  EXPECT_EQ(dump(*property(schema, "model.architecture").find("enum"), -1),
            R"(["mamba", "attention", "mean", "hybrid"])");
  const auto& rules = model.find("allOf")->items;
  ASSERT_EQ(rules.size(), 4u);
  EXPECT_EQ(rules[0].find("if")->find("properties")->find("architecture")->find("const")->string, "mamba");
  const JsonValue& then = *rules[1].find("then");
  EXPECT_EQ(then.find("properties")->find("d_state")->find("type")->string, "number");
  const std::string names = dump(*then.find("propertyNames")->find("enum"), -1);
  EXPECT_HAS(names, "\"n_heads\"");
  EXPECT_HAS(names, "\"d_model\"");
  EXPECT_FALSE(has(names, "\"d_conv\"")) << names;
  EXPECT_TRUE(property(schema, "model.d_state").items.empty());  // two types: the conditions decide
}

TEST(Schema, AHybridHasBlocksInPlaceOfTheKeysOfOneBlock) {
  const JsonValue schema = parse_json(json_schema(factory), "schema");
  const JsonValue& hybrid = property(schema, "model").find("allOf")->items.back();
  EXPECT_EQ(hybrid.find("if")->find("properties")->find("architecture")->find("const")->string, "hybrid");
  const std::string names = dump(*hybrid.find("then")->find("propertyNames")->find("enum"), -1);
  EXPECT_HAS(names, "\"blocks\"");
  EXPECT_HAS(names, "\"n_layers\"");
  EXPECT_FALSE(has(names, "\"mlp\"")) << names;
  const JsonValue& item = *hybrid.find("then")->find("properties")->find("blocks")->find("items");
  EXPECT_EQ(dump(*item.find("properties")->find("architecture")->find("enum"), -1),
            R"(["mamba", "attention", "mean"])");
  EXPECT_EQ(item.find("allOf")->items.size(), 3u);
}

TEST(Schema, TellsADefaultThatIsAnotherForAnArchitecture) {
  const JsonValue schema = parse_json(json_schema(factory), "schema");
  const JsonValue& then = *property(schema, "model").find("allOf")->items[1].find("then");
  EXPECT_EQ(then.find("properties")->find("mlp")->find("default")->string, "swiglu");
  EXPECT_HAS(markdown_reference(factory), "| `\"swiglu\"` |");
}

TEST(Reference, TellsEveryKeyWithItsDefault) {
  const std::string text = markdown_reference(factory);
  EXPECT_HAS(text, "| `steps` | an integer of at least 1 | `1000` | optimizer steps |");
  EXPECT_HAS(text, "## `optimizer`");
  EXPECT_HAS(text, "## `model`, architecture `mamba`");
  EXPECT_HAS(text, "| `dt_rank` |");
  Config config;
  for (const std::string& path : key_paths(config)) {
    const std::string leaf = path.substr(path.rfind('.') == std::string::npos ? 0 : path.rfind('.') + 1);
    EXPECT_TRUE(has(text, "`" + leaf + "`") || has(text, "## `" + path + "`")) << path;
  }
}

}  // namespace
}  // namespace adder
