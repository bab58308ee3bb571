// Token shards: what is read back, what training sees, and files that lie.
#include "framework/data/shard.h"

#include <gtest/gtest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "framework/core/error.h"
#include "framework/data/dataset.h"
#include "framework/data/hash.h"
#include "framework/data/token_files.h"
#include "framework/interop/shard_writer.h"
#include "tests/data/files.h"

namespace adder {
namespace {

using testing_data::fresh_folder;
using testing_data::message_of;
using testing_data::write_file;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// `ids` as a shard; documents start where `starts` says.
std::string write_shard(const std::string& path, const std::vector<int32_t>& ids, const TokenizerPtr& tokenizer,
                        const std::vector<int64_t>& starts = {0}, ShardFormat format = ShardFormat::adder) {
  ShardOutput output{path};
  output.format = format, output.overwrite = true;
  ShardWriter writer(output, tokenizer);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (std::find(starts.begin(), starts.end(), int64_t(i)) != starts.end()) writer.document();
    writer.add(std::span(&ids[i], 1));
  }
  writer.commit();
  return path;
}

std::vector<int32_t> all_of(const TokenSpan& tokens) {
  std::vector<int32_t> ids(size_t(tokens.size()));
  tokens.copy(0, tokens.size(), ids.data());
  return ids;
}

TokenSpan tokens_in(const std::string& path, Documents documents = Documents::separate) {
  return tokens_of({std::make_shared<const Shard>(path)}, documents);
}

TEST(Shard, EveryFormatAndWidthReadsBack) {
  const std::string folder = fresh_folder();
  const std::vector<int32_t> small = {0, 255, 3, 3, 77}, middle = {0, 65535, 4096}, large = {70000, 0, 99999};
  const auto check = [&](const std::string& name, ShardFormat format, const std::vector<int32_t>& ids,
                         int64_t vocabulary, int width) {
    SCOPED_TRACE(name);
    const std::string path = write_shard(folder + "/" + name, ids, ids_tokenizer(vocabulary), {0, 2}, format);
    const Shard shard(path);
    EXPECT_EQ(shard.format(), format);
    EXPECT_EQ(shard.width(), width);
    EXPECT_EQ(shard.size(), int64_t(ids.size()));
    ASSERT_TRUE(shard.tokenizer());
    EXPECT_EQ(shard.tokenizer()->hash(), ids_tokenizer(vocabulary)->hash());
    EXPECT_EQ(shard.checksum().has_value(), format == ShardFormat::adder);
    shard.verify(vocabulary);
    EXPECT_EQ(all_of(tokens_in(path)), ids);
    const std::vector<int64_t> starts = tokens_in(path).document_starts(0, int64_t(ids.size()));
    EXPECT_EQ(starts, format == ShardFormat::adder ? (std::vector<int64_t>{0, 2}) : std::vector<int64_t>{0});
    EXPECT_FALSE(tokens_in(path, Documents::joined).documents_marked());
  };
  check("a.tokens", ShardFormat::adder, small, 256, 1);
  check("b.tokens", ShardFormat::adder, middle, 65536, 2);
  check("c.tokens", ShardFormat::adder, large, 100000, 4);
  check("d.bin", ShardFormat::nanogpt, middle, 65536, 2);
  check("e.bin", ShardFormat::llmc, middle, 65536, 2);
  check("f.bin", ShardFormat::llmc, large, 100000, 4);
}

TEST(Shard, BytesAreTheFormatsOwn) {
  const std::string folder = fresh_folder();
  const auto tokenizer = ids_tokenizer(50257);
  const std::string nano = read_file(write_shard(folder + "/n.bin", {1, 258}, tokenizer, {0}, ShardFormat::nanogpt));
  EXPECT_EQ(nano, std::string("\1\0\2\1", 4));
  const std::string llmc = read_file(write_shard(folder + "/l.bin", {1, 258}, tokenizer, {0}, ShardFormat::llmc));
  ASSERT_EQ(llmc.size(), 1024 + 4u);
  int32_t header[256];
  std::memcpy(header, llmc.data(), sizeof header);
  EXPECT_EQ(header[0], 20240520);
  EXPECT_EQ(header[1], 1);
  EXPECT_EQ(header[2], 2);
  for (int i = 3; i < 256; ++i) ASSERT_EQ(header[i], 0);
  EXPECT_EQ(llmc.substr(1024), nano);
  write_shard(folder + "/w.bin", {70000}, ids_tokenizer(128256), {0}, ShardFormat::llmc);
  const std::string wide = read_file(folder + "/w.bin");
  std::memcpy(header, wide.data(), sizeof header);
  EXPECT_EQ(header[0], 20240801);
  EXPECT_EQ(header[1], 7);
  EXPECT_EQ(wide.size(), 1024 + 4u);
  const std::string ours = read_file(write_shard(folder + "/a.tokens", {1, 2, 3}, byte_tokenizer(), {0, 2}));
  EXPECT_EQ(ours, read_file(write_shard(folder + "/b.tokens", {1, 2, 3}, byte_tokenizer(), {0, 2})));
  EXPECT_EQ(ours.size() % 8, 0u);
  EXPECT_EQ(ours.substr(512, 20), R"({"tokenizer":"byte"})");
}

// ---- as training data -------------------------------------------------------------------------------------

constexpr char kText[] = "first citizen\n\nsecond citizen\n\nthird one speaks";

// Prepared as `adder data prepare` does.
std::string prepare(const Text& text, const TokenizerPtr& tokenizer, const std::string& path, int64_t per_file = 0) {
  ShardOutput output{path};
  output.tokens_per_file = per_file;
  ShardWriter writer(output, tokenizer);
  encode(text, *tokenizer, Documents::separate,
         {[&] { writer.document(); }, [&](const std::vector<int32_t>& ids) { writer.add(ids); }});
  return writer.commit().front();
}

TEST(ShardData, IsTheTextThatItWasMadeOf) {
  const std::string folder = fresh_folder();
  const std::string path = write_file(folder + "/t.txt", kText);
  for (const char* documents : {"joined", "separate"})
    for (const char* name : {"byte", "char"}) {
      SCOPED_TRACE(std::string(documents) + " " + name);
      DatasetOptions options{.train = {path}, .separator = "\n\n", .tokenizer = name};
      options.documents = documents == std::string("joined") ? Documents::joined : Documents::separate;
      const TokenDataset text = TokenDataset::load(options);
      std::filesystem::remove_all(folder + "/s");
      std::filesystem::create_directories(folder + "/s");
      prepare(Text::load({path}, "\n\n"), text.tokenizer, folder + "/s/x.tokens", 7);  // in pieces
      for (const std::string& source : {folder + "/s", folder + "/s/x-*.tokens"}) {
        options.train = {source};
        options.tokenizer = "auto", options.separator = "";
        const TokenDataset shards = TokenDataset::load(options);
        EXPECT_EQ(shards.tokenizer->hash(), text.tokenizer->hash());
        EXPECT_EQ(shards.train.hash(), text.train.hash());
        EXPECT_EQ(shards.validation.hash(), text.validation.hash());
      }
    }
}

TEST(ShardData, AnotherTokenizerIsRefusedByBothNames) {
  const std::string folder = fresh_folder();
  const std::string one = write_shard(folder + "/1.tokens", {1, 2, 3, 4}, ids_tokenizer(9));
  const std::string two = write_shard(folder + "/2.tokens", {1, 2, 3, 4}, ids_tokenizer(10));
  DatasetOptions options{.train = {one}, .validation_fraction = 0};
  const auto error = [&](const TokenizerPtr& given = nullptr) {
    return message_of<UsageError>([&] { TokenDataset::load(options, given); });
  };
  const std::string nine = ids_tokenizer(9)->text(), ten = ids_tokenizer(10)->text();
  for (const std::string& spec : {std::string("auto"), std::string("ids:9")}) {
    options.tokenizer = spec;
    EXPECT_EQ(TokenDataset::load(options).train.size(), 4);
  }
  options.tokenizer = "ids:10";
  EXPECT_HAS(error(), one + " was made by the tokenizer " + nine + ", but that of data.tokenizer is " + ten);
  options.tokenizer = "byte";
  EXPECT_HAS(error(), byte_tokenizer()->text());
  options.tokenizer = "char";
  EXPECT_HAS(error(), "data.tokenizer is \"char\", but " + one);
  options.tokenizer = "auto", options.tokenizer_owner = "runs/x";
  EXPECT_HAS(error(ids_tokenizer(10)), one + " was made by the tokenizer " + nine + ", but that of runs/x is " + ten);
  options.train = {one, two};
  EXPECT_HAS(error(), two + " was made by the tokenizer " + ten + ", but that of " + one + " is " + nine);
  options.train = {one}, options.validation = {two};
  EXPECT_HAS(error(), "data.validation: " + two);
}

TEST(ShardData, ForeignShardsNeedATokenizer) {
  const std::string folder = fresh_folder();
  const std::string path = write_file(folder + "/train.bin", std::string("\5\0\6\0\7\0\1\0", 8));
  DatasetOptions options{.train = {path}, .validation_fraction = 0};
  const auto error = [&] { return message_of<UsageError>([&] { TokenDataset::load(options); }); };
  EXPECT_HAS(error(), "names no tokenizer; put its JSON beside it as " + path + ".tokenizer.json");
  EXPECT_HAS(error(), "ids:50257");
  options.tokenizer = "ids:8";
  EXPECT_EQ(all_of(TokenDataset::load(options).train), (std::vector<int32_t>{5, 6, 7, 1}));
  options.tokenizer = "ids:7";
  EXPECT_HAS(message_of<UnreadableError>([&] { TokenDataset::load(options); }),
             "data.train: " + path + ": token 2 is 7, expected 0 to 6");
  options.tokenizer = "auto", options.train = {folder};  // with the tokenizer beside it, which is no text of its own
  write_file(path + ".tokenizer.json", ids_tokenizer(50257)->to_json());
  EXPECT_EQ(TokenDataset::load(options).tokenizer->vocabulary(), 50257);
  options.documents = Documents::separate;
  EXPECT_HAS(error(), "the shards of data.train are one document");
  options.documents = Documents::joined, options.separator = "|";
  EXPECT_HAS(error(), "data.separator stands between documents of text, but " + path + " is a token shard");
}

TEST(ShardData, WhatAKilledWriterLeftIsNoData) {
  const std::string folder = fresh_folder();
  write_shard(folder + "/a.tokens", {1, 2, 3}, byte_tokenizer());
  write_file(folder + "/b.tokens.123.adder-tmp", std::string(600, '\0'));
  for (const std::string& source : {folder, folder + "/*"})
    EXPECT_EQ(TokenFiles::open({source}, "", "data.train").shards().size(), 1u);
}

TEST(ShardData, TextAndShardsDoNotMix) {
  const std::string folder = fresh_folder();
  const std::string shard = write_shard(folder + "/a.tokens", {1, 2, 3}, byte_tokenizer());
  const std::string text = write_file(folder + "/b.txt", "abc");
  EXPECT_HAS(message_of<UnreadableError>([&] { TokenFiles::open({folder}, "", "data.train"); }),
             "data.train: " + shard + " is a token shard, " + text + " is not");
  DatasetOptions options{.train = {shard}, .validation = {text}};  // but another split may be text
  EXPECT_EQ(TokenDataset::load(options).validation.size(), 3);
}

// ---- more than 2^31 tokens --------------------------------------------------------------------------------

void set_size(const std::string& path, uint64_t bytes) { std::filesystem::resize_file(path, bytes); }

void write_at(const std::string& path, uint64_t offset, const std::string& bytes) {
  const int file = ::open(path.c_str(), O_WRONLY);
  ASSERT_EQ(::pwrite(file, bytes.data(), bytes.size(), off_t(offset)), ssize_t(bytes.size()));
  ::close(file);
}

// Holes in a file cost nothing: the tokens there are zeros.
TEST(Shard, CountsBeyondThirtyTwoBits) {
  const std::string folder = fresh_folder();
  constexpr uint64_t kMany = (uint64_t{1} << 32) + 10;
  const std::string nano = write_file(folder + "/big.bin", "");
  set_size(nano, 2 * kMany);
  write_at(nano, 2 * (kMany - 3), std::string("\7\0\10\0\11\0", 6));
  const TokenSpan tokens = tokens_in(nano);
  ASSERT_EQ(tokens.size(), int64_t(kMany));
  EXPECT_EQ(all_of(tokens.slice(int64_t(kMany) - 4, 4)), (std::vector<int32_t>{0, 7, 8, 9}));
  EXPECT_EQ(split_sizes(tokens.size(), 0.1, 0).validation, 429496731);

  const std::string ours = write_shard(folder + "/big.tokens", {1}, byte_tokenizer());
  ShardHeader h;
  h.width = 1, h.tokens = kMany, h.documents = 2, h.tokenizer_bytes = byte_tokenizer()->to_json().size();
  h.tokenizer_hash = byte_tokenizer()->hash();
  const ShardHeader::Parts parts = h.parts(ours);
  h.total = parts.end;
  set_size(ours, h.total);
  const ShardHeaderBytes bytes = encode(h);
  write_at(ours, 0, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  write_at(ours, parts.tokens, std::string(1, '\0'));
  write_at(ours, parts.tokens + kMany - 1, "\5");
  const uint64_t starts[] = {0, kMany - 2};
  write_at(ours, parts.starts, std::string(reinterpret_cast<const char*>(starts), sizeof starts));
  const Shard shard(ours);  // not verified: that would read it all
  EXPECT_EQ(shard.size(), int64_t(kMany));
  EXPECT_EQ(tokens_in(ours)[int64_t(kMany) - 1], 5);
  EXPECT_EQ(tokens_in(ours).document_starts(int64_t(kMany) - 5, 5), std::vector<int64_t>{3});
}

// ---- files that lie ---------------------------------------------------------------------------------------

class HostileShard : public testing::Test {
 protected:
  void SetUp() override {
    path = write_shard(fresh_folder() + "/a.tokens", {1, 2, 3, 4, 5, 250}, byte_tokenizer(), {0, 2, 4});
    good = read_file(path);
    std::memcpy(header.data(), good.data(), header.size());
  }
  std::string error() {
    return message_of<UnreadableError>([&] { Shard(path).verify(256); });
  }
  // The file with another number in its header, whose own checksum is right.
  template <class T>
  std::string with(size_t at, T value) {
    std::string bad = good;
    std::memcpy(bad.data() + at, &value, sizeof value);
    const std::string_view text = std::string_view(bad).substr(0, 504);
    ContentHash hash;
    hash.add(text.data(), text.size());
    const uint64_t own = hash.value();
    std::memcpy(bad.data() + 504, &own, sizeof own);
    write_file(path, bad);
    return error();
  }
  std::string changed(size_t at) {
    std::string bad = good;
    bad[at] = char(bad[at] ^ 0x10);
    write_file(path, bad);
    return error();
  }
  std::string path, good;
  ShardHeaderBytes header;
};

TEST_F(HostileShard, Truncated) {
  for (const size_t size : {good.size() - 1, good.size() - 30, size_t{513}, size_t{512}, size_t{100}, size_t{9}, size_t{3}}) {
    write_file(path, good.substr(0, size));
    EXPECT_HAS(error(), path + ": is truncated: found " + std::to_string(size) + " bytes, expected ") << size;
  }
  write_file(path, good + "x");
  EXPECT_HAS(error(), "something was appended: found " + std::to_string(good.size() + 1));
}

TEST_F(HostileShard, ChangedBytes) {
  EXPECT_HAS(changed(1), "the checksum of its header of 512 bytes does not hold");   // the magic
  EXPECT_HAS(changed(33), "the checksum of its header of 512 bytes does not hold");  // the count
  EXPECT_HAS(changed(505), "the checksum of its header of 512 bytes does not hold");
  EXPECT_HAS(changed(515), "no tokenizer");  // its JSON
  EXPECT_HAS(changed(537), "the checksum of its data does not hold");
  EXPECT_HAS(changed(good.size() - 24), "document 0 starts at token 16");
}

TEST_F(HostileShard, HeadersThatPromiseTooMuch) {
  EXPECT_HAS(with(8, uint32_t{9}), "format 9, this adder reads 1");
  EXPECT_HAS(with(24, uint32_t{3}), "tokens of 3 bytes, expected 1, 2 or 4");
  EXPECT_HAS(with(24, uint32_t{0}), "tokens of 0 bytes");
  EXPECT_HAS(with(24, uint32_t{4}), "its parts end at byte");
  for (const uint64_t many : {uint64_t{1} << 63, ~uint64_t{0}, (uint64_t{1} << 61) + 3})
    EXPECT_HAS(with(40, many), "more than a file can hold");  // documents
  for (const uint64_t many : {uint64_t{1} << 63, ~uint64_t{0}, (uint64_t{1} << 63) - 100})
    EXPECT_HAS(with(48, many), "more than a file can hold");  // bytes of the tokenizer
  EXPECT_HAS(with(32, ~uint64_t{0}), "more than a file can hold");  // tokens
  EXPECT_HAS(with(32, uint64_t{600}), "its parts end at byte");
  EXPECT_HAS(with(16, uint64_t{5000}), "the header says 5000 bytes");
  EXPECT_HAS(with(64, uint64_t{0}), "the header says hash");
}

TEST_F(HostileShard, DocumentsOutOfOrder) {
  const auto starts = [&](const std::vector<uint64_t>& list) {
    std::string bad = good;
    std::memcpy(bad.data() + good.size() - 24, list.data(), 24);
    write_file(path, bad);
    return error();
  };
  EXPECT_HAS(starts({0, 4, 2}), "document 2 starts at token 2, not after the one before, 4");
  EXPECT_HAS(starts({0, 2, 2}), "document 2 starts at token 2, not after");
  EXPECT_HAS(starts({0, 2, 6}), "document 2 starts at token 6, expected less than the 6 tokens");
  EXPECT_HAS(starts({~uint64_t{0}, 2, 3}), "expected less than the 6 tokens");
}

TEST_F(HostileShard, IdsBeyondTheVocabulary) {
  EXPECT_HAS(message_of<UnreadableError>([&] { Shard(path).verify(250); }),
             path + ": token 5 is 250, expected 0 to 249");
  const std::string wide = write_shard(path, {70000, 9}, ids_tokenizer(100000));
  EXPECT_HAS(message_of<UnreadableError>([&] { Shard(wide).verify(50257); }), "token 0 is 70000");
}

TEST_F(HostileShard, ForeignHeaders) {
  const std::string file = path + ".bin";
  const auto llmc = [&](std::vector<int32_t> start, size_t bytes) {
    start.resize(256);
    std::string text(reinterpret_cast<const char*>(start.data()), 1024);
    text.resize(bytes, '\0');
    write_file(file, text);
    return message_of<UnreadableError>([&] { Shard{file}; });
  };
  EXPECT_HAS(llmc({20240520, 1, 5}, 1024 + 8), "is truncated: found 1032 bytes, expected 1034 for its 5 tokens");
  EXPECT_HAS(llmc({20240520, 1, 5}, 1024 + 12), "something was appended");
  EXPECT_HAS(llmc({20240520, 1, 5}, 500), "llm.c's header of 1024");
  EXPECT_HAS(llmc({20240520, 7, 5}, 1034), "version 7, expected 1");
  EXPECT_HAS(llmc({20240801, 7, 5}, 1034), "expected 1044");
  EXPECT_HAS(llmc({20240801, 7, -5}, 1034), "says -5 tokens");
  write_file(file, "abc");
  EXPECT_HAS(message_of<UnreadableError>([&] { Shard{file}; }), "3 bytes, expected an even number");
  write_file(file, "");
  EXPECT_HAS(message_of<UnreadableError>([&] { Shard{file}; }), "is empty");
  write_file(path, "just a text");
  EXPECT_HAS(message_of<UnreadableError>([&] { Shard{path}; }), "is no token shard");
  EXPECT_FALSE(Shard::format_of(path).has_value());
}

}  // namespace
}  // namespace adder
