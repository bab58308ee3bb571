// norm_position "post": x = norm(x + mixer(x)), x = norm(x + mlp(x)), and no norm before the head.
#include <gtest/gtest.h>

#include <map>

#include "framework/checks/check_model.h"
#include "framework/config/config.h"
#include "framework/core/error.h"
#include "framework/ops/add.h"
#include "framework/ops/rms_norm.h"
#include "models/mlp.h"
#include "tests/models/model_support.h"
#include "tests/support/check.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 13;

ModelConfig config_of(const std::string& architecture, const std::string& more) {
  const std::string text = R"({"model": {"architecture": ")" + architecture + R"(", "n_layers": 1, "d_model": 16)" + more + "}}";
  return parse_config(text, architecture, {}, model_registry(), Use::stored).model;
}

std::map<std::string, Tensor> streams(Model& model, const Tensor& ids) {
  std::map<std::string, Tensor> seen;
  Pass pass;
  State state;
  model.forward(pass, {ids, {}}, state, [&](const std::string& name, Var& x) { seen[name] = x.value(); });
  return seen;
}

std::vector<std::string> block_architectures() {
  std::vector<std::string> names;
  for (const Architecture& a : model_registry().architectures())
    if (!a.counts) names.push_back(a.name);
  return names;
}

// A model without norms, whose mixer has the same weights, gives x + mixer(x); the norm after it is one op.
TEST(PostNorm, IsTheNormOfTheSum) {
  const Tensor ids = index_input({2, 9}, 1, kVocabulary);
  for (const std::string& name : block_architectures()) {
    const auto without = make_model(config_of(name, R"(, "mlp": "none", "norm": "none")"), kVocabulary, DType::f64);
    const auto post = make_model(config_of(name, R"(, "mlp": "none", "norm_position": "post")"), kVocabulary, DType::f64);
    const Tensor weight = post->parameters().find("blocks.0.norm.weight")->value;
    weight.add(normal_input(weight.shape(), 5, 0.3));
    const auto sums = streams(*without, ids), found = streams(*post, ids);
    EXPECT_EQ(bits(found.at("layers.0")), bits(ops::rms_norm(sums.at("layers.0"), weight).value())) << name;
    EXPECT_FALSE(found.contains("final")) << name;
    EXPECT_EQ(post->parameters().find("norm.weight"), nullptr) << name;
  }
}

TEST(PostNorm, FollowsTheMlpToo) {
  const ModelConfig with_mlp = config_of("rnn", R"(, "mlp": "gelu", "norm_position": "post")");
  const auto model = make_model(with_mlp, kVocabulary, DType::f64);
  shake(*model);
  const auto mixed = make_model(config_of("rnn", R"(, "norm_position": "post")"), kVocabulary, DType::f64);
  for (size_t i = 0; i < mixed->parameters().size(); ++i)
    mixed->parameters()[i].value.copy_from(model->parameters().find(mixed->parameters()[i].name)->value);
  ParameterList own(1, DType::f64);
  Mlp mlp(with_mlp, with_mlp, ParameterScope(own).in("blocks.0").in("mlp"));
  for (size_t i = 0; i < own.size(); ++i) own[i].value.copy_from(model->parameters().find(own[i].name)->value);

  const Tensor ids = index_input({2, 5}, 1, kVocabulary);
  const Var y = streams(*mixed, ids).at("layers.0");
  Pass pass;
  const Var norm_weight = model->parameters().find("blocks.0.mlp_norm.weight")->value;
  const Var want = ops::rms_norm(ops::add(y, mlp.forward(pass, y)), norm_weight);
  EXPECT_EQ(bits(streams(*model, ids).at("layers.0")), bits(want.value()));
}

TEST(PostNorm, KeepsEveryPromiseInEveryArchitecture) {
  for (const std::string& name : block_architectures()) {
    ModelConfig config = config_of(name, R"(, "norm_position": "post")");
    config.n_layers = 2;
    const ModelReport report = check_model(model_registry(), config, kVocabulary,
                                           {.memory_length = 256, .only = {"chunks", "documents", "ragged", "resume", "gradients"}});
    EXPECT_TRUE(report.ok()) << name << "\n" << report.text();
  }
}

TEST(PostNorm, NeedsANorm) {
  const std::string said = message_of([] { config_of("rnn", R"(, "norm_position": "post", "norm": "none")"); });
  EXPECT_NE(said.find("model.norm_position is \"post\", but model.norm is \"none\""), std::string::npos) << said;
}

}  // namespace
}  // namespace adder
