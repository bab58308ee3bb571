// What transformers and torch read of us, and what they computed from it (tests/interop/exported, whose
// README says how it was made): read back and exported anew it is the same bytes, and its logits are theirs.
#include <gtest/gtest.h>

#include <algorithm>

#include "framework/config/config.h"
#include "framework/interop/hf_tokenizer.h"
#include "framework/training/durable_file.h"
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

// Those whose format holds a tokenizer; torch's does not.
std::vector<std::string> names_with_tokens() {
  std::vector<std::string> found = names();
  std::erase_if(found, [](const std::string& name) {
    return !Hdf5File::open(root() + "/" + name + "/seen.h5").exists("text");
  });
  return found;
}

class Exported : public testing::TestWithParam<std::string> {
 protected:
  std::string folder() const { return root() + "/" + GetParam(); }
  static std::string file(const std::string& path) { return read_text_file(path); }

  // The model in the folder, come back; how it was trained is in run.json alone.
  LoadedModel returned() const {
    LoadedModel loaded = imported(folder());
    loaded.config.training = load_config(folder() + "/run.json", {}, model_registry()).training;
    loaded.checkpoint.step = loaded.config.training.steps;
    loaded.tokenizer = read_hf_tokenizer(folder());
    return loaded;
  }
};

TEST_P(Exported, ComesBackAndGoesOutAsTheSameBytes) {
  const std::string anew = testing_data::fresh_folder() + "/anew";
  write_foreign_folder(folder_of(returned()), anew);
  int files = 0;
  for (const auto& entry : fs::directory_iterator(anew)) {
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

class ExportedTokens : public Exported {};

TEST_P(ExportedTokens, AreOurs) {
  const Hdf5File seen = Hdf5File::open(folder() + "/seen.h5");
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
INSTANTIATE_TEST_SUITE_P(Models, ExportedTokens, testing::ValuesIn(names_with_tokens()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace adder
