#include "framework/data/tokenizer.h"

#include <numeric>

#include "framework/core/error.h"
#include "framework/core/random.h"
#include "framework/data/text.h"
#include "framework/data/utf8.h"
#include "tests/data/files.h"

namespace adder {
namespace {

using namespace testing_data;

TokenizerPtr chars_of(const std::string& text) {
  const Text texts[] = {Text::from_string(text)};
  return char_tokenizer(texts);
}

TEST(Utf8, EveryCodePointRoundTrips) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    append_utf8(text, c);
    const Utf8 read = read_utf8(text);
    ASSERT_EQ(read.status, Utf8::complete) << uint32_t(c);
    ASSERT_EQ(read.value, c);
    ASSERT_EQ(size_t(read.length), text.size());
    for (size_t cut = 1; cut < text.size(); ++cut)
      ASSERT_EQ(read_utf8(std::string_view(text).substr(0, cut)).status, Utf8::truncated) << uint32_t(c);
  }
}

TEST(Utf8, RefusesWhatTheStandardRefuses) {
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE2\x28\xA1"})
    EXPECT_EQ(read_utf8(bad).status, Utf8::invalid);
}

TEST(StreamDecoder, OnlyWholeCharactersComeOut) {
  StreamDecoder decoder;
  EXPECT_EQ(decoder.push("a\xC3"), "a");
  EXPECT_EQ(decoder.push("\xA9"), "\u00e9");
  EXPECT_EQ(decoder.push("\xF0\x9F"), "");
  EXPECT_EQ(decoder.push("\x98"), "");
  EXPECT_EQ(decoder.push("\x80z"), "\U0001F600z");
  EXPECT_EQ(decoder.push("\xE2\x82"), "");
  EXPECT_EQ(decoder.push("b"), "\uFFFD" "b");  // the beginning that broke is one replacement
  EXPECT_EQ(decoder.push("\xE2"), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
  EXPECT_EQ(decoder.finish(), "");
}

TEST(StreamDecoder, ReplacesAsUnicodeRecommends) {
  // The example of the Unicode Standard, table 3-8 (U+FFFD for each maximal subpart).
  StreamDecoder decoder;
  EXPECT_EQ(decoder.push("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            "a\uFFFD\uFFFD\uFFFD" "b\uFFFD" "c\uFFFD\uFFFD" "d");
}

TEST(StreamDecoder, OutputDoesNotDependOnTheCuts) {
  const Random random(7, "utf8");
  uint64_t draw = 0;
  const uint8_t pool[] = {'a', 0x80, 0xBF, 0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xED, 0xF0, 0x9F, 0x98, 0xF4, 0xFF};
  for (int trial = 0; trial < 500; ++trial) {
    std::string bytes;
    for (int i = 0; i < 40; ++i) bytes += char(pool[random.below(draw++, sizeof pool)]);
    StreamDecoder whole;
    std::string expected = whole.push(bytes);
    expected += whole.finish();
    StreamDecoder parts;
    std::string found;
    for (size_t at = 0; at < bytes.size();) {
      const size_t n = size_t(random.below(draw++, 5));
      const std::string out = parts.push(std::string_view(bytes).substr(at, n));
      for (std::string_view rest = out; !rest.empty(); rest.remove_prefix(size_t(read_utf8(rest).length)))
        ASSERT_EQ(read_utf8(rest).status, Utf8::complete);
      found += out;
      at += n;
    }
    ASSERT_EQ(found + parts.finish(), expected);
  }
}

TEST(ByteTokenizer, IdsAreBytes) {
  const TokenizerPtr bytes = byte_tokenizer();
  std::string all(256, '\0');
  std::iota(all.begin(), all.end(), '\0');
  const std::vector<int32_t> ids = bytes->encode(all);
  for (int i = 0; i < 256; ++i) EXPECT_EQ(ids[size_t(i)], i);
  EXPECT_EQ(bytes->decode(ids), all);
  EXPECT_EQ(bytes->vocabulary(), 256);
  EXPECT_HAS(message_of<Error>([&] { bytes->decode(256); }), "id 256 lies outside the vocabulary of 256");
  EXPECT_THROW(bytes->decode(-1), Error);
}

TEST(CharTokenizer, SortedCodePoints) {
  const TokenizerPtr chars = chars_of("b\u00e9a\U0001F600b\n");
  EXPECT_EQ(chars->vocabulary(), 5);
  EXPECT_EQ(chars->encode("\nab\u00e9\U0001F600"), (std::vector<int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(chars->decode(std::vector<int32_t>{4, 0, 3}), "\U0001F600\n\u00e9");
  EXPECT_EQ(chars->bytes_of(4), 4);
  EXPECT_EQ(chars->bytes_of(0), 1);
  EXPECT_TRUE(chars->encode("").empty());
}

TEST(CharTokenizer, ErrorsNameTheCharacterAndTheByte) {
  const TokenizerPtr chars = chars_of("\u00e9ab");
  const std::string unknown = message_of<UnreadableError>([&] { chars->encode("\u00e9a\u00fc"); });
  EXPECT_HAS(unknown, "character U+00FC \"\u00fc\" at byte 3 is none of the tokenizer's 3");
  EXPECT_HAS(unknown, "\"byte\"");
  EXPECT_HAS(message_of<UnreadableError>([&] { chars->encode("\x07"); }), "character U+0007 at byte 0");
  EXPECT_HAS(message_of<UnreadableError>([&] { chars->encode("a\xFF"); }), "no UTF-8 at byte 1 (0xFF)");
  const std::string path = write_file(fresh_folder() + "/latin1.txt", "caf\xE9 au lait");
  EXPECT_HAS(message_of<UnreadableError>([&] {
               const Text texts[] = {Text::load({path})};
               char_tokenizer(texts);
             }), path + ": no UTF-8 at byte 3 (0xE9)");
  EXPECT_THROW(chars_of(""), UnreadableError);
}

TEST(Tokenizer, JsonRoundTripAndHash) {
  std::string odd = "\"\\/\n\t\u2028\U0001F600z";
  odd += '\0';
  for (const TokenizerPtr& one : {byte_tokenizer(), chars_of(odd)}) {
    const TokenizerPtr two = Tokenizer::from_json(one->to_json(), "test");
    EXPECT_EQ(two->to_json(), one->to_json());
    EXPECT_EQ(two->hash(), one->hash());
    EXPECT_EQ(two->encode(odd), one->encode(odd));
    EXPECT_EQ(two->decode(two->encode(odd)), odd);
    EXPECT_EQ(one->hash().size(), 16u);
  }
  EXPECT_NE(byte_tokenizer()->hash(), chars_of("ab")->hash());
  EXPECT_NE(chars_of("abc")->hash(), chars_of("ab")->hash());
}

TEST(Tokenizer, PathLoadsJson) {
  const std::string folder = fresh_folder();
  const std::string path = write_file(folder + "/t.json", chars_of("xyz")->to_json());
  EXPECT_EQ(make_tokenizer(path, {})->encode("zx"), (std::vector<int32_t>{2, 0}));
  const auto error = [&](const std::string& content) {
    const std::string bad = write_file(folder + "/bad.json", content);
    const std::string text = message_of<UnreadableError>([&] { load_tokenizer(bad); });
    EXPECT_HAS(text, bad);
    return text;
  };
  EXPECT_HAS(error("{"), "no tokenizer");
  EXPECT_HAS(error("[1]"), "no tokenizer");
  EXPECT_HAS(error(R"({"tokenizer":"word"})"), "tokenizer \"word\", expected");
  EXPECT_HAS(error(R"({"tokenizer":"char"})"), "without its string");
  EXPECT_HAS(error(R"({"tokenizer":"char","characters":""})"), "no characters");
  EXPECT_HAS(error(R"({"tokenizer":"char","characters":"aba"})"), "U+0061 \"a\" at byte 2 is not above");
  EXPECT_HAS(message_of<UnreadableError>([] { make_tokenizer("chars", {}); }),
             "chars: no such file; expected \"byte\"");
}

}  // namespace
}  // namespace adder
