#include "tests/support/command_line.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace adder::testing_cli {

namespace fs = std::filesystem;

namespace {

constexpr auto kPatience = std::chrono::seconds(60);

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// In the child, between fork and exec.
[[noreturn]] void become(const std::string& folder, const std::string& streams, std::vector<char*>& arguments,
                         const Environment& environment) {
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  const auto redirect = [](const std::string& path, int flags, int to) {
    const int descriptor = open(path.c_str(), flags, 0666);
    if (descriptor < 0 || dup2(descriptor, to) < 0) _exit(126);
  };
  redirect(streams + ".in", O_RDONLY, 0);
  redirect(streams + ".out", O_WRONLY | O_CREAT | O_TRUNC, 1);
  redirect(streams + ".err", O_WRONLY | O_CREAT | O_TRUNC, 2);
  if (chdir(folder.c_str()) != 0) _exit(126);
  execv(ADDER_BINARY, arguments.data());
  _exit(127);
}

}  // namespace

Workspace::Workspace() {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  path_ = testing::TempDir() + "adder_cli_" + info->test_suite_name() + "_" + info->name() + "_" +
          std::to_string(getpid());
  fs::remove_all(path_);
  fs::create_directories(path_);
}

Workspace::~Workspace() {
  if (testing::Test::HasFailure()) return;
  fs::remove_all(path_);
  for (const char* stream : {".in", ".out", ".err"}) fs::remove(path_ + ".stream" + stream);
}

void Workspace::write(const std::string& name, const std::string& text) const {
  fs::create_directories(fs::path(file(name)).parent_path());
  std::ofstream(file(name), std::ios::binary) << text;
}

std::string Workspace::read(const std::string& name) const { return content(file(name)); }
bool Workspace::exists(const std::string& name) const { return fs::exists(file(name)); }

std::vector<std::string> Workspace::entries() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

pid_t Workspace::start(const std::vector<std::string>& arguments, const Environment& environment,
                       const std::string& input) const {
  const std::string streams =
      path_ + ".stream";  // beside the folder, which holds only what the program writes
  // What an earlier program printed must not be taken for this one's.
  for (const char* stream : {".out", ".err"}) fs::remove(streams + stream);
  std::ofstream(streams + ".in", std::ios::binary) << input;
  std::vector<std::string> words = {ADDER_BINARY};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> raw;
  for (std::string& word : words) raw.push_back(word.data());
  raw.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) become(path_, streams, raw, environment);
  return child;
}

Ran Workspace::finish(pid_t child) const {
  Ran ran;
  int status = 0;
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > limit) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      ADD_FAILURE() << "the program took longer than " << kPatience.count() << " s";
      return ran;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ran.out = content(path_ + ".stream.out");
  ran.err = content(path_ + ".stream.err");
  return ran;
}

Ran Workspace::run(const std::vector<std::string>& arguments, const Environment& environment,
                   const std::string& input) const {
  return finish(start(arguments, environment, input));
}

std::string tiny_config(int steps, const std::string& more_data) {
  return R"({
  "name": "tiny",
  "data": {"train": "text.txt", "tokenizer": "char")" +
         more_data + R"(},
  "model": {"architecture": "mamba", "d_model": 8, "n_layers": 2, "d_state": 4},
  "optimizer": {"learning_rate": 0.01},
  "training": {"steps": )" +
         std::to_string(steps) + R"(, "batch_size": 2, "context_length": 16},
  "evaluation": {"every": 0},
  "checkpoint": {"every": 2},
  "logging": {"every": 1}
})";
}

void write_tiny_run(const Workspace& work, int steps, int bytes) {
  const std::string sentence = "In the beginning was a small model, and it learned to write. ";
  std::string text;
  while (int(text.size()) < bytes) text += sentence;
  work.write("text.txt", text);
  work.write("tiny.json", tiny_config(steps));
}

void flip_byte(const std::string& path, int64_t offset) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(offset);
  const char byte = char(file.get() ^ 0x10);
  file.seekp(offset);
  file.put(byte);
}

}  // namespace adder::testing_cli
