// adder data: from text to shards to a run; what is shown; what is refused; and Ctrl-C.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/command_line.h"

namespace adder {
namespace {

namespace fs = std::filesystem;
using namespace testing_cli;
using nlohmann::json;

json json_of(const Ran& ran) {
  EXPECT_EQ(ran.code, 0) << ran.err;
  return json::parse(ran.out, nullptr, false);
}

TEST(CliData, PrepareAndShow) {
  Workspace work;
  work.write("corpus/a.txt", "one two\n\nthree");
  work.write("corpus/sub/b.txt", "four");
  const Ran ran = work.run({"data", "prepare", "corpus", "--separator", "\n\n", "--tokenizer", "char", "--out", "t.tokens"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  for (const char* said : {"t.tokens (adder)", "20 of 1 byte", "documents", "\"char\" (11 ids, hash "}) EXPECT_TRUE(has(ran.out, said));
  const json shown = json_of(work.run({"data", "show", "t.tokens", "--tokens", "7", "--json"}));
  EXPECT_EQ(shown["format"], "adder");
  EXPECT_EQ(shown["dtype"], "u8");
  EXPECT_EQ(shown["tokens"], 20);
  EXPECT_EQ(shown["documents"], 3);
  EXPECT_EQ(shown["checksum"], "ok");
  EXPECT_EQ(shown["text"], "one two");
  EXPECT_EQ(shown["ids"].size(), 7u);
  EXPECT_EQ(shown["tokenizer"]["name"], "char");
  const Ran text = work.run({"data", "show", "t.tokens"});
  for (const char* said : {"20, u8", "hash", "\"one two\\n\\nthree", "ok"}) EXPECT_TRUE(has(text.out, said));
  // The same again gives the same bytes.
  ASSERT_EQ(work.run({"data", "prepare", "corpus", "--separator", "\n\n", "--tokenizer", "char", "--out", "u.tokens"}).code, 0);
  EXPECT_EQ(work.read("u.tokens"), work.read("t.tokens"));
  EXPECT_EQ(work.entries(), (std::vector<std::string>{"corpus", "t.tokens", "u.tokens"}));
}

TEST(CliData, JsonLinesAndStdin) {
  Workspace work;
  work.write("d.jsonl", "{\"text\": \"caf\\u00e9\", \"id\": 1}\n{\"text\": \"two\\nlines\"}\n");
  const json first = json_of(work.run({"data", "prepare", "d.jsonl", "--out", "a.tokens", "--json"}));
  EXPECT_EQ(first["documents"], 2);
  EXPECT_EQ(first["tokens"], 5 + 9);
  work.write("e.txt", "{\"body\": \"abc\"}\n");
  EXPECT_EQ(json_of(work.run({"data", "prepare", "e.txt", "--key", "body", "--out", "b.tokens", "--json"}))["tokens"], 3);
  const json piped = json_of(work.run({"data", "prepare", "-", "--out", "c.tokens", "--json"}, {}, "from a pipe"));
  EXPECT_EQ(piped["tokens"], 11);
  const json lines =
      json_of(work.run({"data", "prepare", "-", "--key", "text", "--out", "e.tokens", "--json"}, {}, work.read("d.jsonl")));
  EXPECT_EQ(lines["documents"], 2);
  EXPECT_EQ(work.read("e.tokens"), work.read("a.tokens"));
  EXPECT_EQ(json_of(work.run({"data", "prepare", "-", "--separator", "|", "--out", "f.tokens", "--json"}, {}, "a|b"))["documents"], 2);
  work.write("gap.jsonl", "{\"text\": \"a\"}\n{\"text\": \"\"}\n");
  EXPECT_TRUE(has(work.run({"data", "prepare", "gap.jsonl", "--out", "g.tokens"}).err, "1 of 2 documents are empty"));

  const auto refused = [&](const std::string& jsonl, const std::string& word, const std::string& key = "text") {
    work.write("bad.jsonl", jsonl);
    const Ran ran = work.run({"data", "prepare", "bad.jsonl", "--key", key, "--out", "bad.tokens"});
    EXPECT_EQ(ran.code, 3) << ran.err;
    EXPECT_TRUE(has(ran.err, word));
    EXPECT_FALSE(work.exists("bad.tokens"));
  };
  refused("{\"text\": \"a\"}\n\n{\"text\": \"b\"}\n", "bad.jsonl:2: is no JSON object");
  refused("{\"text\": \"a\"}\n{\"text\": 3}\n", "bad.jsonl:2: has no string \"text\"; found the members text");
  refused("{\"body\": \"a\"}\n", "bad.jsonl:1: has no string \"text\"; found the members body; --key");
  refused("{\"text\": \"a\"\n", "bad.jsonl:1: is no JSON object");
}

// A run on shards is the run on the text that they were made of, to the bit.
TEST(CliData, TrainingOnShards) {
  Workspace work;
  write_tiny_run(work);
  ASSERT_EQ(work.run({"data", "prepare", "text.txt", "--tokenizer", "char", "--shard-tokens", "1100", "--out", "s/t.tokens"}).code, 1);
  fs::create_directory(work.file("s"));
  ASSERT_EQ(work.run({"data", "prepare", "text.txt", "--tokenizer", "char", "--shard-tokens", "1100", "--out", "s/t.tokens"}).code, 0);
  ASSERT_EQ(work.run({"train", "tiny.json", "--out", "text", "--quiet"}).code, 0);
  const std::string metrics = work.read("text/metrics.jsonl");
  const std::string of_text = "text.txt\", \"tokenizer\": \"char\"";
  work.write("tiny.json", tiny_config(6).replace(tiny_config(6).find(of_text), of_text.size(), "s/*.tokens\""));
  const Ran ran = work.run({"train", "tiny.json", "--out", "shards"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto losses = [](const std::string& text) {
    std::vector<std::string> found;
    for (size_t at = text.find("loss\":"); at != std::string::npos; at = text.find("loss\":", at + 1))
      found.push_back(text.substr(at, text.find(',', at) - at));
    return found;
  };
  EXPECT_EQ(losses(work.read("shards/metrics.jsonl")), losses(metrics));
  EXPECT_EQ(work.run({"train", "tiny.json", "--out", "shards", "--resume"}).code, 0);

  // Other tokens: refused before anything is written, by both names.
  work.write("byte.txt", work.read("text.txt"));
  ASSERT_EQ(work.run({"data", "prepare", "byte.txt", "--out", "byte.tokens"}).code, 0);
  const Ran eval = work.run({"eval", "shards", "--data", "byte.tokens"});
  EXPECT_EQ(eval.code, 2) << eval.err;
  for (const char* said : {"byte.tokens was made by the tokenizer \"byte\" (256 ids, hash ", "shards/checkpoints", "\"char\" ("})
    EXPECT_TRUE(has(eval.err, said));
  EXPECT_EQ(work.run({"eval", "shards", "--data", "s/t-00001.tokens"}).code, 0);
  const auto refused = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"train", "tiny.json", "--set", "data.train=byte.tokens"};
    words.insert(words.end(), more.begin(), more.end());
    const Ran refusal = work.run(words);
    EXPECT_EQ(refusal.code, 2) << refusal.err;
    EXPECT_TRUE(has(refusal.err, "\"byte\" (256 ids, hash "));
    EXPECT_TRUE(has(refusal.err, "\"char\" ("));
    EXPECT_FALSE(work.exists("new"));
  };
  refused({"--out", "new", "--set", "initialize.from=shards"});
  refused({"--out", "new", "--set", "initialize.from=shards", "--set", "data.tokenizer=byte"});
  work.write("config.json", work.read("tiny.json"));
  const std::string before = work.read("shards/metrics.jsonl");
  fs::rename(work.file("byte.tokens"), work.file("s/t-00000.tokens"));
  for (const char* rest : {"s/t-00001.tokens", "s/t-00002.tokens"}) fs::remove(work.file(rest));
  const Ran resumed = work.run({"train", "tiny.json", "--out", "shards", "--resume", "--set", "training.steps=9"});
  EXPECT_EQ(resumed.code, 2) << resumed.err;
  EXPECT_TRUE(has(resumed.err, "\"byte\" (256 ids, hash "));
  EXPECT_EQ(work.read("shards/metrics.jsonl"), before);
}

TEST(CliData, ForeignFormatsInAndOut) {
  Workspace work;
  work.write("t.txt", "to be or not to be");
  ASSERT_EQ(work.run({"data", "prepare", "t.txt", "--tokenizer", "char", "--out", "t.tokens"}).code, 0);
  ASSERT_EQ(work.run({"data", "prepare", "t.tokens", "--format", "nanogpt", "--out", "n.bin"}).code, 0);
  EXPECT_EQ(work.read("n.bin").size(), 36u);
  EXPECT_TRUE(has(work.read("n.bin.tokenizer.json"), "\"char\""));
  ASSERT_EQ(work.run({"data", "prepare", "n.bin", "--format", "llmc", "--out", "l.bin"}).code, 0);
  EXPECT_EQ(work.read("l.bin").size(), 1024 + 36u);
  ASSERT_EQ(work.run({"data", "prepare", "l.bin", "--out", "again.tokens"}).code, 0);
  EXPECT_EQ(work.read("again.tokens"), work.read("t.tokens"));
  EXPECT_EQ(json_of(work.run({"data", "show", "l.bin", "--json"}))["text"], "to be or not to be");
  fs::remove(work.file("n.bin.tokenizer.json"));
  const Ran no_text = work.run({"data", "show", "n.bin", "--tokenizer", "char"});
  EXPECT_EQ(no_text.code, 2);
  EXPECT_TRUE(has(no_text.err, "--tokenizer is \"char\", which is made from a text"));
  const json bare = json_of(work.run({"data", "show", "n.bin", "--json"}));
  EXPECT_TRUE(bare["tokenizer"].is_null());
  EXPECT_TRUE(bare["checksum"].is_null());
  const Ran cut = work.run({"data", "prepare", "t.tokens", "--separator", " ", "--out", "x.tokens"});
  EXPECT_EQ(cut.code, 2);
  EXPECT_TRUE(has(cut.err, "--separator stands between documents of text, but t.tokens is a token shard"));
  const Ran none = work.run({"data", "prepare", "n.bin", "--out", "x.tokens"});
  EXPECT_EQ(none.code, 2);
  EXPECT_TRUE(has(none.err, "n.bin.tokenizer.json, or set --tokenizer"));
  ASSERT_EQ(work.run({"data", "prepare", "n.bin", "--tokenizer", "ids:50257", "--out", "x.tokens"}).code, 0);
  const Ran small = work.run({"data", "prepare", "n.bin", "--tokenizer", "ids:3", "--out", "y.tokens"});
  EXPECT_EQ(small.code, 3);
  EXPECT_TRUE(has(small.err, "expected 0 to 2"));
  work.write("many.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n");
  const Ran warned = work.run({"data", "prepare", "many.jsonl", "--format", "nanogpt", "--out", "m.bin"});
  EXPECT_EQ(warned.code, 0);
  EXPECT_TRUE(has(warned.err, "doesn't mark documents"));
}

TEST(CliData, Refusals) {
  Workspace work;
  work.write("t.txt", "text");
  work.write("empty.txt", "");
  const auto refused = [&](const std::vector<std::string>& words, int code, const std::string& said) {
    std::vector<std::string> all = {"data"};
    all.insert(all.end(), words.begin(), words.end());
    const Ran ran = work.run(all);
    EXPECT_EQ(ran.code, code) << ran.err;
    EXPECT_TRUE(has(ran.err, said));
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(work.entries(), (std::vector<std::string>{"empty.txt", "t.txt"}));
  };
  refused({}, 2, "see `adder data --help`");
  refused({"prepare", "t.txt", "--out", "a.tokens", "--tokeniser", "byte"}, 2, "did you mean --tokenizer?; see `adder data prepare --help`");
  refused({"prepare", "t.txt"}, 2, "--out");
  refused({"prepare", "absent.txt", "--out", "a.tokens"}, 3, "absent.txt: no such file");
  refused({"prepare", "empty.txt", "--out", "a.tokens"}, 3, "empty.txt");
  refused({"prepare", "-", "--out", "a.tokens"}, 3, "no text");
  refused({"prepare", "-", "t.txt", "--out", "a.tokens"}, 2, "the only SOURCE");
  refused({"prepare", "t.txt", "--out", "a.bin", "--format", "npy"}, 2, "--format is \"npy\"");
  refused({"prepare", "t.txt", "--out", "a.tokens", "--tokenizer", "bpe"}, 3, "--tokenizer: bpe: no such file");
  refused({"prepare", "t.txt", "--out", "a.tokens", "--tokenizer", "ids:x"}, 2, "--tokenizer is \"ids:x\"");
  refused({"prepare", "t.txt", "--out", ".", "--force"}, 2, ".: is a folder");
  refused({"prepare", "t.txt", "--out", "t.txt"}, 2, "t.txt: is there already; --force");
  refused({"show", "t.txt", "--tokenizer", "char"}, 3, "t.txt: is no token shard");
  refused({"show", "empty.txt"}, 3, "empty.txt: is empty, expected a token shard");
  refused({"show", "t.txt"}, 3, "t.txt: is no token shard");
  refused({"show", "absent.tokens"}, 3, "absent.tokens");
}

TEST(CliData, InterruptionLeavesNothing) {
  Workspace work;
  std::string lines;
  for (int i = 0; i < 300000; ++i) lines += "some words on a line that go on for a while, and then end there\n";
  work.write("big.txt", lines);
  const pid_t child = work.start({"data", "prepare", "big.txt", "--tokenizer", "char", "--out", "big.tokens"});
  // The signal comes as soon as the temporary file is there; a quick machine may have finished by then.
  for (int i = 0; i < 20000 && work.entries().size() < 2; ++i) std::this_thread::sleep_for(std::chrono::microseconds(100));
  kill(child, SIGINT);
  const Ran ran = work.finish(child);
  if (ran.code == 0) {
    EXPECT_EQ(work.entries(), (std::vector<std::string>{"big.tokens", "big.txt"}));
  } else {
    EXPECT_EQ(ran.code, 130) << ran.err;
    EXPECT_TRUE(has(ran.err, "nothing was written"));
    EXPECT_EQ(work.entries(), std::vector<std::string>{"big.txt"});
  }
}

}  // namespace
}  // namespace adder
