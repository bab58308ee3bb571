#include "framework/data/dataset.h"

#include <cmath>

#include "framework/core/error.h"
#include "framework/data/utf8.h"
#include "tests/data/files.h"

namespace adder {
namespace {

using namespace testing_data;

std::string text_of(const TokenDataset& data, const TokenSpan& split) {
  std::vector<int32_t> ids(size_t(split.size()));
  split.copy(0, split.size(), ids.data());
  return data.tokenizer->decode(ids);
}

TEST(SplitSizes, AsNanoGPT) {
  const SplitSizes shakespeare = split_sizes(1'115'394, 0.1, 0);
  EXPECT_EQ(shakespeare.train, 1'003'854);
  EXPECT_EQ(shakespeare.validation, 111'540);
  EXPECT_EQ(shakespeare.test, 0);
}

TEST(SplitSizes, RoundingOfTheFractionsCostsNoToken) {
  // 1 - 0.9 is 0.09999999999999998 in binary: int(10 * that) would be 0.
  EXPECT_EQ(split_sizes(10, 0.9, 0).train, 1);
  EXPECT_EQ(split_sizes(10, 0.2, 0.1).train, 7);
  EXPECT_EQ(split_sizes(10, 0.2, 0.1).test, 1);
  for (int v = 0; v < 100; ++v)
    for (int t = 0; v + t < 100; ++t)
      for (const int64_t hundreds : {1, 7, 12345, 40'000'000}) {
        const SplitSizes sizes = split_sizes(100 * hundreds, v / 100.0, t / 100.0);
        ASSERT_EQ(sizes.train, (100 - v - t) * hundreds) << v << " " << t;
        ASSERT_EQ(sizes.validation, v * hundreds) << v << " " << t;
        ASSERT_EQ(sizes.test, t * hundreds) << v << " " << t;
      }
}

TEST(SplitSizes, OddTotalsAreCoveredOnce) {
  for (int64_t total = 0; total < 300; ++total)
    for (const double v : {0.0, 0.1, 1.0 / 3})
      for (const double t : {0.0, 0.05, 1.0 / 7}) {
        const SplitSizes sizes = split_sizes(total, v, t);
        ASSERT_EQ(sizes.train + sizes.validation + sizes.test, total);
        ASSERT_GE(sizes.validation, 0);
        ASSERT_GE(sizes.test, 0);
      }
}

TEST(SplitSizes, FractionsOutOfRange) {
  for (const auto& [v, t] : {std::pair{-0.1, 0.0}, {1.0, 0.0}, {0.5, 0.5}, {0.0, -1.0}, {std::nan(""), 0.0}})
    EXPECT_THROW(split_sizes(100, v, t), UsageError) << v << " " << t;
}

TEST(TokenSpan, CrossesPiecesInEveryWidth) {
  const std::string folder = fresh_folder();
  std::string text;
  for (int i = 0; i < 300; ++i) text += i % 2 ? "\u00e9" : std::string(1, char('a' + i % 26));
  write_file(folder + "/1.txt", "abc\u00e9");
  write_file(folder + "/2.txt", text);
  write_file(folder + "/3.txt", "xyz");
  const Text all = Text::load({folder}, "||");
  std::string whole;
  for (const TextPiece& piece : all.pieces()) whole += piece.text;
  const Text texts[] = {all};
  for (const TokenizerPtr& tokenizer : {byte_tokenizer(), char_tokenizer(texts)}) {
    const std::vector<int32_t> expected = tokenizer->encode(whole);
    const TokenSpan span = tokenize(all, *tokenizer);
    ASSERT_EQ(span.size(), int64_t(expected.size()));
    for (int64_t start = 0; start <= span.size(); start += 3)
      for (const int64_t count : {int64_t{0}, int64_t{1}, int64_t{5}, span.size() - start}) {
        if (start + count > span.size()) continue;
        std::vector<int32_t> part(size_t(count), -1);
        span.slice(start, count).copy(0, count, part.data());
        ASSERT_TRUE(std::equal(part.begin(), part.end(), expected.begin() + start)) << start << " " << count;
      }
    EXPECT_EQ(span[4], expected[4]);
    EXPECT_EQ(span.hash(), TokenSpan::from(expected).hash());  // whatever the width and the pieces
    EXPECT_NE(span.hash(), span.slice(1, span.size() - 1).hash());
    EXPECT_THROW(span[span.size()], Error);
    EXPECT_THROW(span.slice(2, span.size() - 1), Error);
  }
}

TEST(TokenSpan, LargeVocabulariesKeepTheirIds) {
  std::string text;
  for (char32_t c = 0x4E00; c < 0x4E00 + 1000; ++c) append_utf8(text, c);
  const Text texts[] = {Text::from_string(text)};
  const TokenizerPtr tokenizer = char_tokenizer(texts);
  ASSERT_EQ(tokenizer->vocabulary(), 1000);
  const TokenSpan span = tokenize(texts[0], *tokenizer);
  for (int64_t i = 0; i < 1000; ++i) ASSERT_EQ(span[i], i);
}

TEST(TokenDataset, SplitsByFractionFromTheEnd) {
  const std::string path = write_file(fresh_folder() + "/t.txt", "abcdefghijklmnopqrst");
  DatasetOptions options{.train = {path}, .validation_fraction = 0.2, .test_fraction = 0.1};
  const TokenDataset data = TokenDataset::load(options);
  EXPECT_EQ(text_of(data, data.train), "abcdefghijklmn");
  EXPECT_EQ(text_of(data, data.validation), "opqr");
  EXPECT_EQ(text_of(data, data.test), "st");
}

TEST(TokenDataset, OwnFilesReplaceFractions) {
  const std::string folder = fresh_folder();
  const std::string train = write_file(folder + "/t.txt", "abcdefghij");
  const std::string validation = write_file(folder + "/v.txt", "xyz");
  DatasetOptions options{
      .train = {train}, .validation = {validation}, .test_fraction = 0.2, .tokenizer = "char"};
  const TokenDataset data = TokenDataset::load(options);
  EXPECT_EQ(data.tokenizer->vocabulary(), 13);  // of both files
  EXPECT_EQ(text_of(data, data.train), "abcdefgh");
  EXPECT_EQ(text_of(data, data.validation), "xyz");
  EXPECT_EQ(text_of(data, data.test), "ij");
  options.test = {train};
  EXPECT_EQ(TokenDataset::load(options).train.size(), 10);
  options.test_fraction = 0, options.test.clear();
  EXPECT_EQ(TokenDataset::load(options).test.size(), 0);
}

TEST(TokenDataset, ErrorsSayLengthsAndWhatToChange) {
  const std::string folder = fresh_folder();
  const std::string path = write_file(folder + "/t.txt", "abcdefghij\u00e9");
  DatasetOptions options{.train = {path}, .validation_fraction = 0, .context_length = 12};
  const auto error = [&] { return message_of<UnreadableError>([&] { TokenDataset::load(options); }); };
  EXPECT_HAS(error(), "data.train has 12 tokens, expected at least training.context_length + 1 = 13");
  options.context_length = 11;
  EXPECT_EQ(TokenDataset::load(options).validation.size(), 0);
  options.context_length = 4, options.validation_fraction = 0.1;
  EXPECT_HAS(error(), "data.validation has 2 tokens, expected at least training.context_length + 1 = 5");
  EXPECT_HAS(error(), "data.validation_fraction");
  options.train = {folder + "/none.txt"};
  EXPECT_HAS(error(), "data.train: " + folder + "/none.txt: no such file");
}

TEST(TokenDataset, GivenTokenizerMustKnowTheText) {
  const std::string path = write_file(fresh_folder() + "/t.txt", "abcab");
  const Text known[] = {Text::from_string("ab")};
  DatasetOptions options{.train = {path}, .validation_fraction = 0};
  EXPECT_HAS(message_of<UnreadableError>([&] { TokenDataset::load(options, char_tokenizer(known)); }),
             path + ": character U+0063 \"c\" at byte 2");
  const Text wider[] = {Text::from_string("abcd")};
  EXPECT_EQ(TokenDataset::load(options, char_tokenizer(wider)).train[2], 2);
}

TEST(TokenDataset, SeparateDocumentsAreMarkedInTokens) {
  const std::string folder = fresh_folder();
  const std::string one = write_file(folder + "/1.txt", "\u00e9ab|cd"), two = write_file(folder + "/2.txt", "ef");
  DatasetOptions options{.train = {one, two}, .validation_fraction = 0, .separator = "|"};
  const auto starts = [&] {
    const TokenDataset data = TokenDataset::load(options);
    return data.train.document_starts(0, data.train.size());
  };
  EXPECT_EQ(starts(), std::vector<int64_t>{});
  const std::string joined = TokenDataset::load(options).train.hash();
  options.documents = Documents::separate;
  EXPECT_EQ(starts(), (std::vector<int64_t>{0, 5, 8}));  // in bytes
  EXPECT_NE(TokenDataset::load(options).train.hash(), joined);
  options.tokenizer = "char";
  EXPECT_EQ(starts(), (std::vector<int64_t>{0, 4, 7}));  // in characters
  options.validation_fraction = 0.4;                     // éab|c d|ef
  const TokenDataset split = TokenDataset::load(options);
  EXPECT_EQ(split.validation.document_starts(0, split.validation.size()), (std::vector<int64_t>{2}));
  const Text known[] = {Text::from_string("\u00e9abc|ef")};
  EXPECT_HAS(message_of<UnreadableError>([&] { TokenDataset::load(options, char_tokenizer(known)); }),
             one + ": character U+0064 \"d\" at byte 6");
}

TEST(TokenDataset, SeparateDocumentsNeedSomethingThatSeparates) {
  const std::string path = write_file(fresh_folder() + "/t.txt", "abcdef");
  DatasetOptions options{.train = {path}, .validation_fraction = 0, .documents = Documents::separate};
  const auto error = [&] { return message_of<UsageError>([&] { TokenDataset::load(options); }); };
  EXPECT_HAS(error(), "data.documents is \"separate\", but data.train is one file and data.separator is empty");
  options.separator = "x";
  EXPECT_HAS(error(), "data.separator does not occur in it");
  options.separator = "d";
  EXPECT_EQ(TokenDataset::load(options).train.document_starts(0, 6), (std::vector<int64_t>{0, 4}));
}

TEST(TokenDataset, TinyShakespeare) {
  const std::string path = std::string(ADDER_SOURCE_DIR) + "/../shared/data/tinyshakespeare.txt";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "../shared/data/tinyshakespeare.txt is absent";
  const TokenDataset data = TokenDataset::load({.train = {path}, .tokenizer = "char", .context_length = 64});
  EXPECT_EQ(data.tokenizer->vocabulary(), 65);
  EXPECT_EQ(data.train.size(), 1'003'854);
  EXPECT_EQ(data.validation.size(), 111'540);
  EXPECT_EQ(data.tokenizer->encode("hii there"),
            (std::vector<int32_t>{46, 47, 47, 1, 58, 46, 43, 56, 43}));  // nanoGPT's
  EXPECT_NE(data.train.hash(), data.validation.hash());
}

}  // namespace
}  // namespace adder
