#include "framework/interop/foreign_model.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/interop/safetensors.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Tensors = std::map<std::string, Tensor>;

constexpr int64_t V = 11, D = 8, E = 16, N = 4, K = 3, R = 2, kLayers = 2;

Tensor numbered(const Shape& shape, double start) {
  const Tensor t = Tensor::empty(shape);
  for (int64_t i = 0; i < t.size(); ++i) t.data<float>()[i] = float(start + double(i) / 16);
  return t;
}

Tensors mamba_tensors(bool bias) {
  Tensors t;
  double start = 1;
  const auto add = [&](const std::string& name, const Shape& shape) { t[name] = numbered(shape, start++); };
  add("backbone.embeddings.weight", {V, D});
  for (int64_t i = 0; i < kLayers; ++i) {
    const std::string block = "backbone.layers." + std::to_string(i) + ".";
    add(block + "norm.weight", {D});
    add(block + "mixer.in_proj.weight", {2 * E, D});
    add(block + "mixer.conv1d.weight", {E, 1, K});
    add(block + "mixer.conv1d.bias", {E});
    add(block + "mixer.x_proj.weight", {R + 2 * N, E});
    add(block + "mixer.dt_proj.weight", {E, R});
    add(block + "mixer.dt_proj.bias", {E});
    add(block + "mixer.A_log", {E, N});
    add(block + "mixer.D", {E});
    add(block + "mixer.out_proj.weight", {D, E});
    if (bias) add(block + "mixer.in_proj.bias", {2 * E});
    if (bias) add(block + "mixer.out_proj.bias", {D});
  }
  add("backbone.norm_f.weight", {D});
  return t;
}

json mamba_config() {
  return {{"model_type", "mamba"},
          {"vocab_size", V},
          {"hidden_size", D},
          {"num_hidden_layers", kLayers},
          {"state_size", N},
          {"conv_kernel", K},
          {"expand", 2},
          {"intermediate_size", E},
          {"time_step_rank", R},
          {"use_bias", false},
          {"use_conv_bias", true},
          {"hidden_act", "silu"},
          {"layer_norm_epsilon", 1e-6},
          {"tie_word_embeddings", true}};
}

std::string write_folder(const std::string& config, const Tensors& tensors) {
  const std::string folder =
      testing::TempDir() + testing::UnitTest::GetInstance()->current_test_info()->name();
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::ofstream(folder + "/config.json") << config;
  write_safetensors(folder + "/model.safetensors", {tensors.begin(), tensors.end()});
  return folder;
}

ForeignModel import(const std::function<void(json&, Tensors&)>& change = nullptr, bool bias = false) {
  json config = mamba_config();
  Tensors tensors = mamba_tensors(bias);
  if (change) change(config, tensors);
  return read_foreign_model(write_folder(config.dump(), tensors));
}

testing::AssertionResult refuses(const std::function<void(json&, Tensors&)>& change,
                                 const std::vector<std::string>& parts) {
  try {
    import(change);
  } catch (const UnreadableError& error) {
    for (const std::string& part : parts)
      if (std::string(error.what()).find(part) == std::string::npos)
        return testing::AssertionFailure() << "\"" << error.what() << "\" lacks \"" << part << "\"";
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "was accepted";
}

const ForeignTensor* find(const ForeignModel& model, const std::string& ours) {
  for (const ForeignTensor& tensor : model.tensors)
    if (tensor.ours == ours) return &tensor;
  return nullptr;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.raw(), b.raw(), size_t(a.size()) * bytes_of(a.dtype())) == 0;
}

TEST(HuggingFace, MambaComesOverWithNamesShapesAndConfig) {
  const ForeignModel model = import();
  EXPECT_EQ(model.model_type, "mamba");
  EXPECT_EQ(model.vocabulary, V);
  const json ours = json::parse(model.model_json);
  EXPECT_EQ(ours, (json{{"architecture", "mamba"},
                        {"d_model", D},
                        {"n_layers", kLayers},
                        {"d_state", N},
                        {"d_conv", K},
                        {"expand", 2},
                        {"dt_rank", R},
                        {"bias", false},
                        {"conv_bias", true},
                        {"tie_embeddings", true},
                        {"norm_eps", 1e-6}}));
  EXPECT_EQ(model.tensors.size(), 2u + 10u * kLayers);
  EXPECT_EQ(model.tensors.front().ours, "embedding.weight");
  EXPECT_EQ(model.tensors.back().ours, "norm.weight");
  const Tensors source = mamba_tensors(false);
  const ForeignTensor* conv = find(model, "blocks.1.mixer.conv1d.weight");
  ASSERT_TRUE(conv);
  ASSERT_EQ(conv->parts.size(), 1u);
  EXPECT_EQ(conv->parts[0].name, "backbone.layers.1.mixer.conv1d.weight");
  EXPECT_EQ(conv->value.shape(), (Shape{E, K}));
  EXPECT_EQ(conv->parts[0].shape, (Shape{E, 1, K}));
  for (const ForeignTensor& tensor : model.tensors)
    EXPECT_TRUE(same_bits(to_source(tensor.value, tensor)[0], source.at(tensor.parts[0].name))) << tensor.ours;
}

TEST(ForeignModel, NamesSurviveTheCheckpointsText) {
  const ForeignModel model = import();
  const std::vector<SourceTensor> names = parse_source_json(source_json(model));
  ASSERT_EQ(names.size(), model.tensors.size());
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(names[i].ours, model.tensors[i].ours);
    ASSERT_EQ(names[i].parts.size(), 1u);
    EXPECT_EQ(names[i].parts[0].name, model.tensors[i].parts[0].name);
    EXPECT_EQ(names[i].parts[0].shape, model.tensors[i].parts[0].shape);
    EXPECT_EQ(names[i].transposed, model.tensors[i].transposed);
  }
  EXPECT_THROW(parse_source_json("{}"), UnreadableError);
  EXPECT_THROW(parse_source_json("{"), UnreadableError);
}

TEST(ForeignModel, TransposedSourcesAreTurned) {
  const SourceTensor layout{"w", {{"c_attn.weight", {3, 2}}}, true};
  const Tensor ours = Tensor::from<float>({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  const Tensor theirs = to_source(ours, layout).at(0);
  EXPECT_TRUE(same_bits(theirs, Tensor::from<float>({3, 2}, std::vector<float>{1, 4, 2, 5, 3, 6})));
  EXPECT_TRUE(same_bits(from_source({theirs}, layout, {2, 3}), ours));
  EXPECT_THROW(to_source(Tensor::zeros({2, 2}), layout), Error);
}

TEST(HuggingFace, AcceptsTheSpellingsThatExist) {
  const auto rename = [](Tensors& t, const std::string& from, const std::string& to) {
    t[to] = t.at(from);
    t.erase(from);
  };
  EXPECT_TRUE(find(import([&](json&, Tensors& t) {
                     rename(t, "backbone.embeddings.weight", "backbone.embedding.weight");
                   }),
                   "embedding.weight"));
  EXPECT_NO_THROW(import([](json& c, Tensors&) { c.erase("intermediate_size"); }));
  EXPECT_NO_THROW(import([](json& c, Tensors&) { c["hidden_act"] = nullptr; }));
  const auto rank_one = [](json& c, Tensors& t) {  // ceil(8 / 16) = 1
    c["time_step_rank"] = "auto";
    for (auto& [name, value] : t) {
      if (name.ends_with("x_proj.weight")) value = numbered({1 + 2 * N, E}, 0);
      if (name.ends_with("dt_proj.weight")) value = numbered({E, 1}, 0);
    }
  };
  EXPECT_EQ(json::parse(import(rank_one).model_json)["dt_rank"], 1);
  EXPECT_TRUE(
      find(import([](json& c, Tensors&) { c["use_bias"] = true; }, true), "blocks.0.mixer.in_proj.bias"));
  const auto untied = [](json& c, Tensors& t) {
    c["tie_word_embeddings"] = false;
    t["lm_head.weight"] = numbered({V, D}, 9);
  };
  EXPECT_EQ(find(import(untied), "head.weight")->parts[0].name, "lm_head.weight");
  const auto copied = [](json& c, Tensors& t) {
    c.erase("tie_word_embeddings");  // true unless said otherwise
    t["lm_head.weight"] = t.at("backbone.embeddings.weight");
  };
  EXPECT_FALSE(find(import(copied), "head.weight"));
}

TEST(ForeignModel, BareInfinityAndFloatObjectsDoNotMatter) {
  std::string text = mamba_config().dump();
  text.pop_back();
  text += R"(,"a":Infinity,"b":[-Infinity,NaN],"c":{"__float__":"Infinity"},"d":"say \"Infinity\" NaN"})";
  EXPECT_EQ(read_foreign_model(write_folder(text, mamba_tensors(false))).tensors.size(), 2u + 10u * kLayers);
}

TEST(HuggingFace, RefusesWhatDoesNotFit) {
  using C = json&;
  using T = Tensors&;
  EXPECT_TRUE(
      refuses([](C, T t) { t.erase("backbone.layers.1.mixer.D"); },
              {"model.safetensors", "\"backbone.layers.1.mixer.D\" is missing", "[16]", "config.json"}));
  EXPECT_TRUE(refuses(
      [](C, T t) {
        t["extra.weight"] = Tensor::zeros({2, 3});
      },
      {"model.safetensors", "\"extra.weight\" [2, 3]"}));
  EXPECT_TRUE(refuses(
      [](C, T t) {
        t["backbone.layers.0.mixer.A_log"] = Tensor::zeros({E, 5});
      },
      {"\"backbone.layers.0.mixer.A_log\" has shape [16, 5], expected [16, 4]"}));
  EXPECT_TRUE(
      refuses([](C, T t) { t["backbone.norm_f.weight"] = Tensor::zeros({D}, DType::i32); }, {"dtype I32"}));
  EXPECT_TRUE(refuses(
      [](C, T t) {
        t["lm_head.weight"] = Tensor::zeros({V, D});
      },
      {"\"lm_head.weight\" differs from \"backbone.embeddings.weight\"", "tie_word_embeddings"}));
  EXPECT_TRUE(refuses(
      [](C, T t) {
        t["backbone.embedding.weight"] = Tensor::zeros({V, D});
      },
      {"two spellings"}));
  EXPECT_TRUE(refuses([](C c, T) { c["tie_word_embeddings"] = false; }, {"\"lm_head.weight\" is missing"}));
  EXPECT_TRUE(
      refuses([](C c, T) { c["model_type"] = "bert"; }, {"config.json", "\"bert\"", "imported: \"mamba\""}));
  EXPECT_TRUE(refuses([](C c, T) { c.erase("model_type"); }, {"\"model_type\" is missing"}));
  EXPECT_TRUE(refuses([](C c, T) { c["intermediate_size"] = 20; }, {"\"intermediate_size\" is 20", "= 16"}));
  EXPECT_TRUE(
      refuses([](C c, T) { c["hidden_act"] = "gelu"; }, {"\"hidden_act\" is \"gelu\", expected \"silu\""}));
  EXPECT_TRUE(
      refuses([](C c, T) { c["hidden_size"] = "many"; }, {"\"hidden_size\" is \"many\"", "whole number"}));
  EXPECT_TRUE(refuses([](C c, T) { c["hidden_size"] = -8; }, {"\"hidden_size\" is -8"}));
  EXPECT_TRUE(refuses([](C c, T) { c["state_size"] = 1e18; }, {"\"state_size\" is 1e+18"}));
  EXPECT_TRUE(refuses([](C c, T) { c.erase("vocab_size"); }, {"\"vocab_size\" is missing"}));
  EXPECT_TRUE(refuses([](C c, T) { c["num_hidden_layers"] = 900'000; }, {"900000 blocks"}));
  EXPECT_TRUE(refuses([](C c, T) { c["use_bias"] = 1; }, {"\"use_bias\" is 1, expected true or false"}));
  EXPECT_TRUE(refuses([](C c, T) { c["time_step_rank"] = "big"; }, {"\"time_step_rank\" is \"big\""}));
  EXPECT_TRUE(refuses([](C c, T) { c["time_step_rank"] = 3; },
                      {"x_proj.weight\" has shape [10, 16], expected [11, 16]"}));
  EXPECT_TRUE(refuses([](C c, T) { c["hidden_act"] = 3; }, {"\"hidden_act\" is 3, expected a string"}));
  EXPECT_TRUE(refuses([](C c, T) { c["layer_norm_epsilon"] = 0; }, {"\"layer_norm_epsilon\" is 0"}));
  EXPECT_TRUE(refuses([](C c, T) { c = json::array(); }, {"expected a JSON object"}));
  EXPECT_THROW(read_foreign_model(write_folder("{\"model_type\":", {})), UnreadableError);
  EXPECT_THROW(read_foreign_model("no/such/folder"), UnreadableError);
}

TEST(ForeignModel, TellsItsFoldersFromOthers) {
  EXPECT_TRUE(is_foreign_folder(write_folder("{}", {})));
  EXPECT_FALSE(is_foreign_folder(testing::TempDir() + "nowhere"));
}

// One parameter of ours that is several tensors of theirs, one below the other.
TEST(ForeignModel, RowsOfSeveralTensorsFollowOneAnother) {
  const SourceTensor layout{"qkv", {{"q", {2, 2}}, {"k", {1, 2}}}};
  const Tensor q = Tensor::from<float>({2, 2}, std::vector<float>{1, 2, 3, 4});
  const Tensor k = Tensor::from<float>({1, 2}, std::vector<float>{5, 6});
  const Tensor ours = from_source({q, k}, layout, {3, 2});
  EXPECT_TRUE(same_bits(ours, Tensor::from<float>({3, 2}, std::vector<float>{1, 2, 3, 4, 5, 6})));
  const std::vector<Tensor> back = to_source(ours, layout);
  ASSERT_EQ(back.size(), 2u);
  EXPECT_TRUE(same_bits(back[0], q));
  EXPECT_TRUE(same_bits(back[1], k));
  EXPECT_THROW(to_source(q, layout), Error);
}

}  // namespace
}  // namespace adder
