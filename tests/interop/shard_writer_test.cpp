#include "framework/interop/shard_writer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "framework/core/error.h"
#include "framework/data/tokens.h"
#include "tests/data/files.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
using testing_data::fresh_folder;
using testing_data::message_of;
using testing_data::write_file;

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<int32_t> counted(int32_t n) {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < n; ++i) ids.push_back(i);
  return ids;
}

TEST(ShardWriter, SeveralFilesAreOneRow) {
  const std::string folder = fresh_folder();
  ShardOutput output{folder + "/t.tokens"};
  output.tokens_per_file = 4;
  ShardWriter writer(output, byte_tokenizer());
  const auto ids = counted(10);
  writer.document();
  writer.add(std::span(ids).first(5));
  writer.document();
  writer.document();  // nothing in between: one start
  writer.add(std::span(ids).subspan(5));
  EXPECT_EQ(names_in(folder).size(), 3u);  // under temporary names
  for (const std::string& name : names_in(folder)) EXPECT_TRUE(name.ends_with(".adder-tmp")) << name;
  const auto paths = writer.commit();
  EXPECT_EQ(names_in(folder), (std::vector<std::string>{"t-00000.tokens", "t-00001.tokens", "t-00002.tokens"}));
  std::vector<ShardPtr> shards;
  for (const std::string& path : paths) shards.push_back(std::make_shared<const Shard>(path));
  for (const ShardPtr& shard : shards) shard->verify(256);
  const TokenSpan all = tokens_of(shards, Documents::separate);
  ASSERT_EQ(all.size(), 10);
  for (int64_t i = 0; i < 10; ++i) EXPECT_EQ(all[i], i);
  EXPECT_EQ(all.document_starts(0, 10), (std::vector<int64_t>{0, 5}));
  EXPECT_TRUE(shards[2]->document_starts().empty());  // it goes on with a document
  EXPECT_EQ(writer.tokens(), 10);
  EXPECT_EQ(writer.documents(), 2);
}

TEST(ShardWriter, NothingAppearsBeforeTheEnd) {
  const std::string folder = fresh_folder();
  {
    ShardOutput output{folder + "/t.bin"};
    output.format = ShardFormat::llmc, output.tokens_per_file = 3;
    ShardWriter writer(output, byte_tokenizer());
    writer.add(counted(10));
  }  // given up
  EXPECT_EQ(names_in(folder), std::vector<std::string>{});
  {
    ShardWriter writer({folder + "/t.tokens"}, byte_tokenizer());
    EXPECT_HAS(message_of<UnreadableError>([&] { writer.commit(); }), "the input is empty");
  }
  EXPECT_EQ(names_in(folder), std::vector<std::string>{});
}

TEST(ShardWriter, KeepsWhatIsThereUnlessTold) {
  const std::string folder = fresh_folder();
  ShardOutput output{folder + "/t.tokens"};
  output.tokens_per_file = 2;
  const auto write = [&](int32_t n) {
    ShardWriter writer(output, byte_tokenizer());
    writer.add(counted(n));
    writer.commit();
  };
  write(7);
  EXPECT_HAS(message_of<UsageError>([&] { write(3); }), "t-00000.tokens: is there already; --force");
  output.overwrite = true;
  write(3);  // what is left of the longer set would be read with it
  EXPECT_EQ(names_in(folder), (std::vector<std::string>{"t-00000.tokens", "t-00001.tokens"}));
  ShardOutput foreign{folder + "/n.bin"};
  foreign.format = ShardFormat::nanogpt;
  write_file(folder + "/n.bin.tokenizer.json", "{}");
  EXPECT_HAS(message_of<UsageError>([&] { ShardWriter(foreign, byte_tokenizer()); }), "n.bin.tokenizer.json: is there already");
}

TEST(ShardWriter, RefusesWhatAFormatCannotHold) {
  const std::string folder = fresh_folder();
  ShardOutput output{folder + "/t.bin"};
  const auto error = [&](int64_t vocabulary) {
    return message_of<UsageError>([&] { ShardWriter(output, ids_tokenizer(vocabulary)); });
  };
  output.format = ShardFormat::nanogpt;
  EXPECT_HAS(error(65537), "--format nanogpt holds ids of 2 bytes");
  output.path = folder + "/t.tokens";
  EXPECT_HAS(error(9), "known by the name *.bin");
  output.format = ShardFormat::llmc, output.tokens_per_file = int64_t{1} << 31;
  EXPECT_HAS(error(9), "counts at most 2147483647 a file");
  output.tokens_per_file = -1;
  EXPECT_HAS(error(9), "--shard-tokens is -1");
  output.tokens_per_file = 1, output.format = ShardFormat::adder;
  EXPECT_HAS(message_of<UsageError>([&] { ShardWriter(output, byte_tokenizer()).add(std::vector<int32_t>(300)); }),
             "makes more than 256 files");
  output.path = folder + "/absent/t.tokens";
  EXPECT_HAS(message_of<Error>([&] { ShardWriter(output, byte_tokenizer()).add(std::vector<int32_t>(1)); }),
             "cannot write " + folder + "/absent/t-00000.tokens");
  EXPECT_EQ(names_in(folder), std::vector<std::string>{});
}

}  // namespace
}  // namespace adder
