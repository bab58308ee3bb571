// Blocks listed one by one: model.architecture "hybrid".
#include "tests/config/fake_factory.h"

namespace adder {
namespace {

const FakeFactory factory;

Config parse(const std::string& model, const std::vector<std::string>& overrides = {}) {
  return parse_config(R"({"data": {"train": "x.txt"}, "model": )" + model + "}", "c.json", overrides, factory);
}
std::string error(const std::string& model, const std::vector<std::string>& overrides = {}) {
  return usage_error([&] { parse(model, overrides); });
}

constexpr char kTwo[] = R"({"architecture": "hybrid", "blocks": [{"architecture": "mamba", "d_state": 3},
                            {"architecture": "attention", "n_heads": 2, "mlp": "gelu"}]})";

TEST(Hybrid, EveryBlockHasItsOwnArchitectureAndKeys) {
  const Config config = parse(kTwo);
  ASSERT_EQ(config.model.blocks.size(), 2u);
  EXPECT_EQ(config.model.n_layers, 2);
  const BlockConfig &mamba = config.model.block(0), &attention = config.model.block(1);
  EXPECT_EQ(mamba.architecture, "mamba");
  EXPECT_EQ(mamba.mlp, "none");
  EXPECT_EQ(dynamic_cast<const FakeMambaOptions&>(*mamba.mixer).d_state, 3);
  EXPECT_EQ(dynamic_cast<const FakeAttentionOptions&>(*attention.mixer).n_heads, 2);
  EXPECT_EQ(attention.mlp, "gelu");
}

TEST(Hybrid, TheListRepeats) {
  const Config config = parse(kTwo, {"model.n_layers=6"});
  EXPECT_EQ(config.model.n_layers, 6);
  EXPECT_EQ(config.model.block(4).architecture, "mamba");
  EXPECT_EQ(config.model.block(5).architecture, "attention");
  EXPECT_HAS(error(kTwo, {"model.n_layers=3"}), "model.n_layers is 3, expected a multiple of the 2 entries");
}

TEST(Hybrid, ABlockHasTheDefaultsOfItsArchitecture) {
  const Config config = parse(R"({"architecture": "hybrid", "blocks": [{"architecture": "attention"}]})");
  EXPECT_EQ(config.model.block(0).mlp, "swiglu");
  EXPECT_EQ(parse(R"({"architecture": "attention"})").model.mlp, "swiglu");
  EXPECT_EQ(parse(R"({"architecture": "attention", "mlp": "none"})").model.mlp, "none");
}

TEST(Hybrid, TheResolvedConfigReadsBack) {
  const std::string once = to_json(parse(kTwo, {"model.n_layers=4"}));
  EXPECT_EQ(to_json(parse_config(once, "again.json", {}, factory)), once);
}

TEST(Hybrid, SaysWhatIsWrongAndWhere) {
  EXPECT_HAS(error(R"({"architecture": "hybrid"})"), "model.blocks: expected a list of at least one block");
  EXPECT_HAS(error(R"({"architecture": "hybrid", "blocks": []})"), "expected a list of at least one block");
  EXPECT_HAS(error(R"({"architecture": "hybrid", "blocks": ["mamba"]})"), "model.blocks[0]: expected an object");
  EXPECT_HAS(error(R"({"architecture": "hybrid", "blocks": [{"d_state": 3}]})"),
             "model.blocks[0].architecture is missing");
  EXPECT_HAS(error(R"({"architecture": "hybrid", "blocks": [{"architecture": "mambo"}]})"),
             "model.blocks[0].architecture: unknown architecture \"mambo\"; did you mean \"mamba\"?");
  EXPECT_HAS(error(R"({"architecture": "hybrid", "blocks": [{"architecture": "mamba", "n_heads": 3}]})"),
             "model.blocks[0].n_heads belongs to the architecture attention");
  EXPECT_HAS(error(R"({"architecture": "hybrid", "blocks": [{"architecture": "mamba", "d_stat": 3}]})"),
             "did you mean model.blocks[0].d_state?");
  EXPECT_HAS(error(R"({"architecture": "hybrid", "mlp": "gelu", "blocks": [{"architecture": "mamba"}]})"),
             "model.mlp belongs into the entries of model.blocks");
  EXPECT_HAS(error(R"({"architecture": "mamba", "blocks": [{"architecture": "mamba"}]})"),
             "model.blocks belongs to the architecture hybrid");
  EXPECT_HAS(error(R"({"architecture": "hybrid", "blocks": [{"architecture": "hybrid"}]})"),
             "model.blocks[0].architecture: unknown architecture \"hybrid\"");
}

TEST(Positions, LearnedOnesCoverTheContext) {
  const std::string model = R"({"architecture": "mean", "positions": "learned"})";
  EXPECT_EQ(parse(model, {"training.context_length=32"}).model.max_positions, 32);
  EXPECT_EQ(parse(model, {"model.max_positions=300"}).model.max_positions, 300);
  EXPECT_HAS(error(model, {"model.max_positions=100"}),
             "model.max_positions is 100, expected at least training.context_length, 256");
}

}  // namespace
}  // namespace adder
