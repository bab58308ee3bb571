// Packed weights, and what is kept beside them: the same bits as without, and nothing that outlives them.
#include "framework/inference/packed_weights.h"

#include <gtest/gtest.h>

#include "framework/config/config.h"
#include "framework/nn/of_parameters.h"
#include "tests/models/model_support.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 13, kLength = 6;

std::vector<std::string> settings_of(const std::string& name) {
  return name == "s4d_real" ? std::vector<std::string>{"model.diagonal=\"real\""} : std::vector<std::string>{};
}

Config config_of(const std::string& name, const std::string& precision) {
  const std::string architecture = name.substr(0, name.find("_real"));
  return parse_config(R"({"data": {"train": "random"}, "precision": ")" + precision + R"(", "model": {"architecture": ")" + architecture +
                          R"(", "d_model": 24, "n_layers": 2}})",
                      "test", settings_of(name), model_registry());
}

// Logits, one token after another.
std::string steps(Model& model) {
  std::string all;
  State state;
  for (int64_t t = 0; t < kLength; ++t)
    all += bits(logits_of(model, Tensor::from<int32_t>({1, 1}, {int32_t(5 * t % kVocabulary)}), state));
  return all;
}

void expect_same_bits(const std::string& name, const std::string& precision) {
  const Config config = config_of(name, precision);
  const auto model = model_registry().make(config.model, kVocabulary, 1, config.dtype());
  for (int round = 0; round < 2; ++round) {  // weights change in between
    shake(*model);
    const std::string without = steps(*model);
    {
      const PackedWeights packed(model->parameters());
      EXPECT_EQ(steps(*model), without) << name << ", " << precision;
      EXPECT_EQ(steps(*model), without) << name << ", " << precision << ", again";
    }
    EXPECT_EQ(steps(*model), without) << name << ", " << precision << ", afterwards";
  }
}

TEST(PackedWeights, TheSameBitsInEveryArchitecture) {
  std::vector<std::string> names = {"s4d_real"};
  for (const Architecture& a : model_registry().architectures())
    if (!a.counts) names.push_back(a.name);
  for (const std::string& name : names)
    for (const char* precision : {"float32", "float64"}) expect_same_bits(name, precision);
}

struct Counted {
  ParameterList list{1, DType::f32};
  Parameter& weight = ParameterScope(list).add("weight", {2, 2}, init::constant(3));
  OfParameters<Var> square;
  int computed = 0;

  double operator()(Tape* tape = nullptr) {
    Pass pass{.tape = tape};
    const Var y = square(pass, weight, [&] { return ++computed, Var(Tensor::full({1}, weight.value.item(0) * weight.value.item(0))); });
    return y.value().item();
  }
};

TEST(OfParameters, OnceWhileWeightsArePackedAndAnewOtherwise) {
  Counted of;
  EXPECT_EQ(of(), 9);
  EXPECT_EQ(of(), 9);
  EXPECT_EQ(of.computed, 2);
  {
    const PackedWeights packed(of.list);
    EXPECT_EQ(of(), 9);
    EXPECT_EQ(of(), 9);
    EXPECT_EQ(of.computed, 3);
    Tape tape;
    EXPECT_EQ(of(&tape), 9);
    EXPECT_EQ(of.computed, 4);
  }
  of.weight.value.fill(2);
  EXPECT_EQ(of(), 4);
  const PackedWeights packed(of.list);
  EXPECT_EQ(of(), 4);
  EXPECT_EQ(of(), 4);
  EXPECT_EQ(of.computed, 6);
}

}  // namespace
}  // namespace adder
