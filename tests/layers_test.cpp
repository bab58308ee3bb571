// The one rule between the folders: an include may only point left.
//   kernels <- framework <- models <- scripts; models use ops, never kernels; tests may see all
//   framework: core <- ops <- nn <- config <- data <- training <- inference <- interop, report, checks <- gradient_lab,
//   measure <- studies <- cli
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>

namespace {

namespace fs = std::filesystem;

// Folders of one rank may not see each other, but for their own files.
const std::map<std::string, int> kRank = {
    {"kernels", 0},             {"framework/core", 1},       {"framework/ops", 2},       {"framework/nn", 3},
    {"framework/config", 4},    {"framework/data", 5},       {"framework/training", 6},  {"framework/inference", 7},
    {"framework/interop", 8},   {"framework/report", 8},     {"framework/checks", 8},    {"framework/gradient_lab", 9},
    {"framework/measure", 9},   {"framework/studies", 10},   {"framework/cli", 11},      {"models", 12},
    {"scripts", 13}};

std::string folder_of(const std::string& file) {
  const size_t first = file.find('/');
  if (first == std::string::npos) return "";
  const std::string top = file.substr(0, first);
  if (top != "framework") return top;
  const size_t second = file.find('/', first + 1);
  return second == std::string::npos ? "framework" : file.substr(0, second);
}

// Empty where `from` may include `to`, else why not.
std::string forbidden(const std::string& from, const std::string& to) {
  const std::string a = folder_of(from), b = folder_of(to);
  if (!kRank.contains(a)) return from + " lies in no known folder";
  if (!kRank.contains(b)) return from + " includes " + to + ", which lies in no known folder";
  if (a == b) return "";
  if (a == "models" && b == "kernels") return from + " includes " + to + ": models use ops, never kernels";
  if (kRank.at(a) <= kRank.at(b)) return from + " includes " + to + ", which stands to its right";
  return "";
}

TEST(Layers, IncludesPointLeft) {
  const fs::path root = ADDER_SOURCE_DIR;
  const std::regex include(R"re(^\s*#\s*include\s+"([^"]+)")re");
  int files = 0, includes = 0;
  for (const char* top : {"kernels", "framework", "models", "scripts"})
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      const std::string kind = entry.path().extension().string();
      if (kind != ".h" && kind != ".cpp" && kind != ".cu" && kind != ".cuh") continue;
      ++files;
      const std::string from = fs::relative(entry.path(), root).generic_string();
      std::ifstream text(entry.path());
      for (std::string line; std::getline(text, line);) {
        std::smatch m;
        if (!std::regex_search(line, m, include) || m[1].str().starts_with("hwy/")) continue;
        ++includes;
        EXPECT_TRUE(fs::exists(root / m[1].str())) << from << " includes \"" << m[1] << "\", which is not a path from the root";
        EXPECT_EQ(forbidden(from, m[1]), "");
      }
    }
  EXPECT_GT(files, 50);
  EXPECT_GT(includes, 100);
}

TEST(Layers, TheRuleItselfTellsRightFromLeft) {
  EXPECT_EQ(forbidden("framework/ops/linear.cpp", "kernels/matmul/matmul.h"), "");
  EXPECT_EQ(forbidden("framework/training/trainer.cpp", "framework/config/config.h"), "");
  EXPECT_NE(forbidden("kernels/matmul/cpu.cpp", "framework/core/tensor.h"), "");
  EXPECT_NE(forbidden("framework/core/tape.cpp", "framework/ops/add.h"), "");
  EXPECT_NE(forbidden("framework/config/config.h", "framework/data/batches.h"), "");
  EXPECT_NE(forbidden("models/mamba.cpp", "kernels/matmul/matmul.h"), "");
  EXPECT_NE(forbidden("framework/cli/train.cpp", "models/registry.h"), "");
}

}  // namespace
