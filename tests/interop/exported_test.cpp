// What transformers and torch read of us, and what they computed from it (tests/interop/exported, whose
// README says how it was made): the same model exported today is the same bytes, and its logits are theirs.
#include <gtest/gtest.h>

#include <algorithm>

#include "framework/cli/training_run.h"
#include "framework/interop/hf_tokenizer.h"
#include "tests/interop/export_support.h"
#include "tests/support/fixtures.h"

namespace adder {
namespace {

namespace fs = std::filesystem;

std::string root() { return std::string(ADDER_SOURCE_DIR) + "/tests/interop/exported"; }

std::vector<std::string> names() {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(root()))
    if (entry.is_directory()) found.push_back(entry.path().filename().string());
  std::sort(found.begin(), found.end());
  return found;
}

class Exported : public testing::TestWithParam<std::string> {
 protected:
  std::string folder() const { return root() + "/" + GetParam(); }
  static std::string file(const std::string& path) { return read_text_file(path); }

  // The run that run.json describes, as a checkpoint in memory.
  LoadedModel trained() const {
    Config config = load_config(folder() + "/run.json", {}, model_registry());
    config.data.train = {std::string(ADDER_SOURCE_DIR) + "/LICENSE"};
    TrainingRun run =
        prepare_run(config, RunFolder(testing_data::fresh_folder() + "/run"), false, model_registry());
    Trainer trainer(run.config, std::move(run.model), *run.batches);
    for (int64_t i = 0; i < run.config.training.steps; ++i) trainer.step();
    LoadedModel loaded;
    loaded.path = "run";
    loaded.config = run.config, loaded.tokenizer = run.tokenizer;
    loaded.checkpoint.step = trainer.steps_done();
    loaded.model = make_model(run.config.model, run.tokenizer->vocabulary(), DType::f32);
    fill_parameters(loaded.model->parameters(), trainer.snapshot().model, "run");
    return loaded;
  }
};

TEST_P(Exported, TheSameModelIsTheSameBytes) {
  const std::string today = testing_data::fresh_folder() + "/today";
  write_foreign_folder(folder_of(trained()), today);
  int files = 0;
  for (const auto& entry : fs::directory_iterator(today)) {
    const std::string name = entry.path().filename().string();
    EXPECT_TRUE(file(entry.path().string()) == file(folder() + "/" + name)) << name;
    ++files;
  }
  EXPECT_EQ(files, fs::exists(folder() + "/generation_config.json") ? 5 : 4);
}

TEST_P(Exported, TheirLogitsAreOurs) {
  const Hdf5File seen = Hdf5File::open(folder() + "/seen.h5");
  const LoadedModel model = imported(folder());
  EXPECT_LE(fixtures::nmax(logits_of(*model.model, seen.read("input_ids")), seen.read("logits")), 2e-5);
}

TEST_P(Exported, TheirTokensAreOurs) {
  const Hdf5File seen = Hdf5File::open(folder() + "/seen.h5");
  if (!seen.exists("text")) GTEST_SKIP() << "torch has no tokenizers";
  const TokenizerPtr tokenizer = read_hf_tokenizer(folder());
  ASSERT_TRUE(tokenizer);
  const std::vector<int32_t> ours = tokenizer->encode(seen.read_string("text"));
  const Tensor theirs = seen.read("text_ids");
  ASSERT_EQ(theirs.size(), int64_t(ours.size()));
  for (size_t i = 0; i < ours.size(); ++i) EXPECT_EQ(theirs.data<int32_t>()[i], ours[i]);
}

TEST_P(Exported, IsSmall) {
  uintmax_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder())) bytes += entry.file_size();
  EXPECT_LE(bytes, 100'000u);
}

INSTANTIATE_TEST_SUITE_P(Models, Exported, testing::ValuesIn(names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace adder
