// Our tokenizers as tokenizer.json and back. That the tokenizers library gives the same ids is held by
// exported_test.cpp.
#include "framework/interop/hf_tokenizer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/data/text.h"
#include "tests/data/files.h"

namespace adder {
namespace {

using nlohmann::json;
using testing_data::fresh_folder;
using testing_data::write_file;

TokenizerPtr characters(const std::string& text) {
  return Tokenizer::from_json(json{{"tokenizer", "char"}, {"characters", text}}.dump(), "test");
}

TokenizerPtr read_back(const std::string& text) {
  const std::string folder = fresh_folder();
  write_file(folder + "/tokenizer.json", text);
  return read_hf_tokenizer(folder);
}

TEST(HfTokenizer, ComesBack) {
  for (const TokenizerPtr& tokenizer : {byte_tokenizer(), characters("\n !\"abcßä→😀"), characters("x")}) {
    const TokenizerPtr back = read_back(hf_tokenizer_json(*tokenizer));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->to_json(), tokenizer->to_json());
  }
  EXPECT_EQ(read_hf_tokenizer(fresh_folder()), nullptr);
}

TEST(HfTokenizer, BytesAreWrittenInGpt2sAlphabet) {
  const json vocabulary = json::parse(hf_tokenizer_json(*byte_tokenizer()))["model"]["vocab"];
  EXPECT_EQ(vocabulary.size(), 256u);
  EXPECT_EQ(vocabulary["A"], 65);
  EXPECT_EQ(vocabulary["Ġ"], 32);
  EXPECT_EQ(vocabulary["Ċ"], 10);
  EXPECT_EQ(vocabulary["Ā"], 0);
  EXPECT_EQ(vocabulary["ÿ"], 255);
  EXPECT_EQ(vocabulary["Ń"], 173);
}

TEST(HfTokenizer, AnyOtherIsNotOurs) {
  json bytes = json::parse(hf_tokenizer_json(*byte_tokenizer()));
  bytes["model"]["merges"] = json::array({json::array({"a", "b"})});
  EXPECT_EQ(read_back(bytes.dump()), nullptr);
  json words = json::parse(hf_tokenizer_json(*characters("abc")));
  words["model"]["vocab"] = {{"a", 0}, {"bc", 1}};
  EXPECT_EQ(read_back(words.dump()), nullptr);
  words["model"]["vocab"] = {{"a", 0}, {"b", 7}};
  EXPECT_EQ(read_back(words.dump()), nullptr);
  for (const char* text :
       {"{", "[]", "{\"model\": 3}", "{\"model\": {\"vocab\": 3}}", "{\"model\": {\"vocab\": {}}}"})
    EXPECT_EQ(read_back(text), nullptr) << text;
}

}  // namespace
}  // namespace adder
