#include "framework/data/text.h"

#include "framework/core/error.h"
#include "tests/data/files.h"

namespace adder {
namespace {

using namespace testing_data;

std::string joined(const Text& text) {
  std::string all;
  for (const TextPiece& piece : text.pieces()) all += piece.text;
  EXPECT_EQ(int64_t(all.size()), text.size());
  return all;
}

struct TextTest : testing::Test {
  std::string folder = fresh_folder();
  void SetUp() override {
    write_file(folder + "/b.txt", "B");
    write_file(folder + "/a.txt", "A");
    write_file(folder + "/sub/c.txt", "C");
    write_file(folder + "/empty.txt", "");
    write_file(folder + "/.hidden", "H");
    write_file(folder + "/.git/x.txt", "G");
    write_file(folder + "/odd[1].txt", "O");
  }
};

TEST_F(TextTest, FilesFoldersAndGlobs) {
  EXPECT_EQ(joined(Text::load({folder + "/b.txt", folder + "/a.txt"})), "BA");  // the order given
  EXPECT_EQ(joined(Text::load({folder})), "ABOC");                              // sorted by path
  EXPECT_EQ(joined(Text::load({folder + "/?.txt"})), "AB");
  EXPECT_EQ(joined(Text::load({folder + "/s*"})), "C");                         // a glob that finds a folder
  EXPECT_EQ(joined(Text::load({folder + "/odd[1].txt"})), "O");                 // a name that looks like a glob
}

TEST_F(TextTest, SeparatorStandsBetweenFilesThatHoldText) {
  const Text text = Text::load({folder + "/a.txt", folder + "/empty.txt", folder + "/b.txt"}, "--");
  EXPECT_EQ(joined(text), "A--B");
  EXPECT_EQ(text.file_count(), 2);
  EXPECT_EQ(text.pieces()[0].file, folder + "/a.txt");
  EXPECT_EQ(text.pieces()[1].file, "");
}

TEST_F(TextTest, MapOutlivesTheLoader) {
  std::string_view view;
  Text copy;
  {
    const Text text = Text::load({folder + "/a.txt"});
    copy = text;
    view = copy.pieces()[0].text;
  }
  EXPECT_EQ(view, "A");
}

TEST(DocumentStarts, AreAfterSeparatorsAndAtFiles) {
  const std::string folder = fresh_folder();
  int count = 0;
  const auto starts = [&](const std::vector<std::string>& texts, const std::string& separator) {
    std::vector<std::string> files;
    for (const std::string& text : texts)
      files.push_back(write_file(folder + "/" + std::to_string(count++) + ".txt", text));
    return Text::load(files, separator).document_starts();
  };
  using Starts = std::vector<int64_t>;
  EXPECT_EQ(starts({"abc"}, ""), (Starts{0}));
  EXPECT_EQ(starts({"abc", "de", "f"}, ""), (Starts{0, 3, 5}));
  EXPECT_EQ(starts({"abc", "de"}, "##"), (Starts{0, 5}));
  EXPECT_EQ(starts({"a##bc##d"}, "##"), (Starts{0, 3, 7}));
  EXPECT_EQ(starts({"a##b", "c##d"}, "##"), (Starts{0, 3, 6, 9}));
  EXPECT_EQ(starts({"a##"}, "##"), (Starts{0}));               // nothing follows it
  EXPECT_EQ(starts({"a####b"}, "##"), (Starts{0, 5}));         // an empty document is none
  EXPECT_EQ(starts({"##a"}, "##"), (Starts{2}));
  EXPECT_EQ(starts({"a##", "##b"}, "##"), (Starts{0, 7}));     // three in a row
  EXPECT_EQ(starts({"a###b"}, "##"), (Starts{0, 3}));
}

TEST_F(TextTest, ErrorsNameThePath) {
  const auto error = [&](const std::vector<std::string>& sources) {
    return message_of<UnreadableError>([&] { Text::load(sources, "", "data.validation"); });
  };
  EXPECT_EQ(error({folder + "/a.txt", folder + "/no.txt"}),
            "data.validation: " + folder + "/no.txt: no such file or folder");
  EXPECT_HAS(error({folder + "/*.md"}), "/*.md: no file matches");
  EXPECT_HAS(error({folder + "/empty.txt"}), "/empty.txt: holds no text (0 bytes)");
  std::filesystem::create_directories(folder + "/void");
  EXPECT_HAS(error({folder + "/void"}), "/void: folder holds no file");
  EXPECT_HAS(error({"/dev/null"}), "/dev/null: expected a regular file");
  EXPECT_HAS(error({folder + "/a.txt/x"}), "a.txt/x: ");
  EXPECT_HAS(error({}), "names no file");
}

TEST_F(TextTest, ErrorsBelowDataSayWhatMakesTheText) {
  const auto error = [](const std::string& source) {
    return message_of<UnreadableError>([&] { Text::load({source}); });
  };
  const std::string before = std::filesystem::current_path();
  std::filesystem::current_path(folder);
  EXPECT_HAS(error("data/bible.txt"), "`scripts/quickstart`");
  EXPECT_HAS(error("./data/shakespeare.txt"), "`scripts/fetch-data shakespeare` makes it");
  EXPECT_HAS(error("data/*.txt"), "`scripts/fetch-data");
  EXPECT_EQ(error("other/x.txt").find("scripts/"), std::string::npos);
  std::filesystem::current_path(before);
}

}  // namespace
}  // namespace adder
