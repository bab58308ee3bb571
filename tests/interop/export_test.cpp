// The way out is the way in: what is exported comes back to the bit, and so does what was imported. What a
// format cannot say is refused by the names of the keys.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "framework/core/error.h"
#include "framework/interop/export_model.h"
#include "framework/interop/safetensors.h"
#include "tests/interop/export_support.h"
#include "tests/models/parity_folders.h"

namespace adder {
namespace {

namespace fs = std::filesystem;

std::string refusal(const std::string& model, const std::string& format = "") {
  return testing_data::message_of<UsageError>([&] { folder_of(loaded_model(model), {.format = format}); });
}

TEST(Export, WhatComesBackIsTheModel) {
  const std::string root = testing_data::fresh_folder();
  int number = 0;
  for (const DType dtype : {DType::f32, DType::f64})
    for (const ExportCase& c : export_cases()) {
      const LoadedModel before = loaded_model(c.model, dtype);
      const ForeignFolder folder = folder_of(before);
      EXPECT_EQ(folder.format, c.format) << c.model;
      EXPECT_EQ(folder.dtype, name(dtype));
      const std::string path = root + "/" + std::to_string(number++);
      write_foreign_folder(folder, path);
      const LoadedModel after = imported(path, dtype);
      const ParameterList &a = before.model->parameters(), &b = after.model->parameters();
      ASSERT_EQ(a.size(), b.size()) << c.model;
      for (size_t i = 0; i < a.size(); ++i) {
        EXPECT_EQ(a[i].name, b[i].name);
        EXPECT_TRUE(bits(a[i].value) == bits(b[i].value)) << c.model << ", " << a[i].name;
      }
      const Tensor ids = index_input({2, 11}, 5, kExportVocabulary);
      EXPECT_TRUE(bits(logits_of(*before.model, ids)) == bits(logits_of(*after.model, ids))) << c.model;
    }
}

// Every folder that can be exported again: its tensors, by their names.
TEST(Export, WhatWasImportedGoesOutAsItCame) {
  SKIP_WITHOUT_SHARED();
  int exported = 0;
  for (const std::string& name : parity::names()) {
    const std::string folder = fixtures::root() + "/" + name;
    if (!name.starts_with("hf/") && name != "native/rnn_tanh" && name != "native/lstm" &&
        name != "native/gru")
      continue;
    const ForeignFolder back = folder_of(imported(folder));
    const SafetensorsFile file(folder + "/model.safetensors");
    EXPECT_EQ(back.tensors.size(), file.entries().size()) << name;
    for (const ForeignFolder::Item& item : back.tensors) {
      ASSERT_TRUE(file.find(item.name)) << name << ": " << item.name;
      const Tensor theirs = file.load(item.name);
      EXPECT_EQ(item.value.shape(), theirs.shape()) << item.name;
      EXPECT_TRUE(bits(item.value) == bits(theirs)) << item.name;
    }
    ++exported;
  }
  EXPECT_EQ(exported, 7);
}

TEST(Export, AConfigSaysWhatBothVersionsOfTransformersRead) {
  const ForeignFolder llama = folder_of(loaded_model(export_cases()[6].model));
  EXPECT_EQ(llama.config["model_type"], "llama");
  EXPECT_EQ(llama.config["architectures"], ForeignJson({"LlamaForCausalLM"}));
  EXPECT_EQ(llama.config["dtype"], "float32");
  EXPECT_EQ(llama.config["torch_dtype"], "float32");
  EXPECT_EQ(llama.config["rope_theta"], 500.0);
  EXPECT_EQ(llama.config["rope_parameters"], (ForeignJson{{"rope_theta", 500.0}, {"rope_type", "default"}}));
  EXPECT_EQ(llama.config["num_key_value_heads"], 2);
  EXPECT_FALSE(llama.config.contains("max_position_embeddings"));  // it was never trained
  EXPECT_TRUE(llama.config["eos_token_id"].is_null());
  const ForeignFolder torch = folder_of(loaded_model(export_cases()[8].model));
  EXPECT_EQ(torch.config["arch"], "rnn_tanh");
  EXPECT_FALSE(torch.hugging_face);
}

TEST(Export, CautionsWhereReadersGoWrong) {
  EXPECT_EQ(folder_of(loaded_model(export_cases()[2].model)).cautions.size(), 2u);  // groups, and a limit
  EXPECT_EQ(folder_of(loaded_model(export_cases()[0].model)).cautions.size(), 0u);
}

// ---- refusals ---------------------------------------------------------------------------------------------

struct Misfit {
  std::string format, model;
  std::vector<std::string> said;
};

TEST(Export, NamesEveryKeyThatAFormatCannotExpress) {
  const std::string
      mamba = R"("architecture": "mamba", "d_model": 8, "n_layers": 1)",
      gpt2 = R"("architecture": "attention", "d_model": 12, "n_layers": 1, "n_heads": 3, "rotary": "none",
      "bias": true, "positions": "learned", "max_positions": 16, "norm": "layer_norm", "mlp": "gelu_tanh",
      "mlp_bias": true)",
      llama = R"("architecture": "attention", "d_model": 8, "n_layers": 1, "n_heads": 2)",
      gru = R"("architecture": "gru", "d_model": 8, "n_layers": 1, "norm": "none", "residual": false)";
  const std::vector<Misfit> list = {
      {"mamba",
       mamba + R"(, "selective": ["delta", "B"], "transitions": "signed")",
       {R"(model.selective is ["delta", "B"], expected ["delta", "B", "C"])",
        R"(model.transitions is "signed", expected "positive")"}},
      {"mamba", mamba + R"(, "selective": [])", {"model.selective is []"}},
      {"mamba",
       mamba + R"(, "norm": "layer_norm", "output": "glu", "residual": false)",
       {R"(model.norm is "layer_norm", expected "rms_norm")", R"(model.output is "glu", expected "none")",
        "model.residual is false, expected true"}},
      {"mamba",
       mamba + R"(, "mlp": "swiglu", "head_bias": true, "positions": "learned", "max_positions": 9)",
       {R"(model.mlp is "swiglu")", "model.head_bias is true", R"(model.positions is "learned")"}},
      {"mamba2", mamba, {R"(model.architecture is "mamba", expected "mamba2")"}},
      {"gpt2",
       gpt2 + R"(, "qk_norm": true, "window": 4, "n_kv_heads": 1, "head_dim": 6)",
       {"model.qk_norm is true", "model.window is 4, expected 0", "model.n_kv_heads is 1, expected 3",
        "model.head_dim is 6, expected 4"}},
      {"gpt2", gpt2 + R"(, "norm_bias": false)", {"model.norm_bias is false, expected true"}},
      {"gpt2",
       llama,
       {R"(model.rotary is "half", expected "none")", R"(model.norm is "rms_norm")",
        R"(model.positions is "none")", R"(model.mlp is "swiglu")", "model.bias is false"}},
      {"llama",
       llama + R"(, "rotary": "interleaved", "window": 8)",
       {R"(model.rotary is "interleaved", expected "half")", "model.window is 8, expected 0"}},
      {"llama",
       llama + R"(, "mlp": "gelu", "activation": "gelu")",
       {R"(model.mlp is "gelu")", R"(model.activation)"}},
      {"torch", gru + R"(, "d_hidden": 5)", {"model.d_hidden is 5, expected 8"}},
      {"torch",
       R"("architecture": "gru", "d_model": 8, "n_layers": 1)",
       {R"(model.norm is "rms_norm", expected "none")", "model.residual is true, expected false"}},
      {"torch", mamba, {R"(expected "rnn" or "lstm" or "gru")"}},
      {"",
       R"("architecture": "hybrid", "blocks": [{"architecture": "mamba"}])",
       {"cannot be expressed in any format", R"(mamba: model.architecture is "hybrid")",
        "\n  gpt2: ", "\n  torch: "}},
      {"",
       llama + R"(, "window": 3)",
       {"\n  gpt2: model.rotary is ", "\n  llama: model.window is 3, expected 0\n", "mamba2: "}},
      {"pickle", mamba, {"--format is \"pickle\", expected one of: mamba, mamba2, gpt2, llama, torch"}}};
  for (const Misfit& misfit : list)
    for (const std::string& said : misfit.said) EXPECT_HAS(refusal(misfit.model, misfit.format), said);
}

TEST(Export, WhatIsNoPartOfTheModelIsNoHindrance) {
  EXPECT_EQ(folder_of(loaded_model(R"("architecture": "mamba", "d_model": 8, "n_layers": 1, "dropout": 0.2,
      "embedding_init": 1, "dt_max": 0.2, "norm_bias": false, "output_bias": false, "d_mlp": 3)"))
                .format,
            "mamba");
  const std::string gru =
      R"("architecture": "gru", "d_model": 8, "n_layers": 1, "norm": "none", "residual": false)";
  EXPECT_EQ(folder_of(loaded_model(gru + R"(, "fused": false, "initialization": "orthogonal")")).format,
            "torch");
  EXPECT_EQ(folder_of(loaded_model(gru + R"(, "recurrence": "deer", "deer_tolerance": 1e-3)")).format,
            "torch");
}

// ---- numbers ----------------------------------------------------------------------------------------------

TEST(Export, BFloat16RoundsToTheNearestAndLeavesTheStateSpaceAlone) {
  const LoadedModel loaded = loaded_model(export_cases()[0].model);
  const ForeignFolder folder = folder_of(loaded, {.dtype = "bfloat16"});
  const std::string path = testing_data::fresh_folder() + "/out";
  write_foreign_folder(folder, path);
  const SafetensorsFile file(path + "/model.safetensors");
  int kept = 0;
  for (const ForeignFolder::Item& item : folder.tensors) {
    const bool state_space =
        item.name.ends_with("A_log") || item.name.ends_with(".D") || item.name.ends_with("dt_proj.bias");
    EXPECT_EQ(file.find(item.name)->dtype, state_space ? "F32" : "BF16") << item.name;
    const Tensor stored = file.load(item.name);
    kept += state_space;
    for (int64_t i = 0; i < stored.size(); ++i) {
      const double exact = item.value.item(i), ulp = std::ldexp(1.0, std::ilogb(exact) - 7);
      EXPECT_LE(std::abs(stored.item(i) - exact), state_space ? 0 : ulp / 2) << item.name;
    }
  }
  EXPECT_EQ(kept, 6);
  EXPECT_EQ(folder.config["torch_dtype"], "bfloat16");
  EXPECT_LT(folder.bytes(), folder_of(loaded).bytes());
}

TEST(Export, BFloat16OfHalvesInfinityAndNaN) {
  const std::string path = testing_data::fresh_folder() + "/x.safetensors";
  const float tie_down = std::bit_cast<float>(0x3f808000u), tie_up = std::bit_cast<float>(0x3f818000u),
              odd_nan = std::bit_cast<float>(0x7f800001u);
  write_safetensors(path, {{"x", Tensor::from<float>({5}, {tie_down, tie_up, 3e38f, INFINITY, odd_nan})}}, {},
                    {"x"});
  const Tensor x = SafetensorsFile(path).load("x");
  EXPECT_EQ(x.item(0), 1.0);
  EXPECT_EQ(x.item(1), double(std::bit_cast<float>(0x3f820000u)));
  EXPECT_TRUE(std::isfinite(x.item(2)));
  EXPECT_TRUE(std::isinf(x.item(3)));
  EXPECT_TRUE(std::isnan(x.item(4)));
}

TEST(Export, ADTypeMayBeChosen) {
  const LoadedModel wide = loaded_model(export_cases()[0].model, DType::f64);
  EXPECT_EQ(folder_of(wide, {.dtype = "float32"}).tensors[0].value.dtype(), DType::f32);
  EXPECT_EQ(folder_of(loaded_model(export_cases()[0].model), {.dtype = "float64"}).tensors[0].value.dtype(),
            DType::f64);
  EXPECT_HAS(testing_data::message_of<UsageError>([&] { folder_of(wide, {.dtype = "int8"}); }),
             "--dtype is \"int8\"");
}

// ---- the folder -------------------------------------------------------------------------------------------

TEST(Export, OnlyIntoAFolderThatIsNewOrEmpty) {
  const std::string root = testing_data::fresh_folder();
  const ForeignFolder folder = folder_of(loaded_model(export_cases()[0].model));
  const auto refused = [&](const std::string& path) {
    return testing_data::message_of<UsageError>([&] { write_foreign_folder(folder, path); });
  };
  fs::create_directories(root + "/empty");
  write_foreign_folder(folder, root + "/empty/");
  EXPECT_TRUE(fs::exists(root + "/empty/config.json"));
  EXPECT_HAS(refused(root + "/empty"), "is not empty");
  testing_data::write_file(root + "/file", "x");
  EXPECT_HAS(refused(root + "/file"), "is a file");
  EXPECT_HAS(refused(root + "/no/such"), "there is no folder");
  for (const auto& entry : fs::directory_iterator(root))
    EXPECT_EQ(entry.path().string().find("adder-tmp"), std::string::npos) << entry.path();
}

TEST(Export, NothingStaysOfAFolderThatCouldNotBeWritten) {
  const std::string root = testing_data::fresh_folder();
  ForeignFolder folder = folder_of(loaded_model(export_cases()[0].model));
  folder.tensors.push_back(folder.tensors[0]);  // two of one name
  EXPECT_THROW(write_foreign_folder(folder, root + "/out"), Error);
  EXPECT_TRUE(fs::is_empty(root));
}

}  // namespace
}  // namespace adder
