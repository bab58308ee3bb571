// Runs the real program as a person would: a folder, a command line, an environment; what comes back is text
// and an exit code.
#pragma once
#include <gtest/gtest.h>
#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace adder::testing_cli {

struct Ran {
  int code = -1;  // 128 + the signal where one ended it; -1 where it was ended for taking too long
  std::string out, err;
};

using Environment = std::vector<std::pair<std::string, std::string>>;

// A folder of the running test's own, empty at the start, removed at the end unless the test failed; the program is
// started in it.
class Workspace {
 public:
  Workspace();
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  void write(const std::string& name, const std::string& content) const;
  std::string read(const std::string& name) const;  // "" where there is no such file
  bool exists(const std::string& name) const;
  std::vector<std::string> entries() const;  // names at the top, sorted

  Ran run(const std::vector<std::string>& arguments, const Environment& environment = {},
          const std::string& input = "") const;  // stdin is /dev/null where `input` is empty
  // The same in two halves, for signals in between.
  pid_t start(const std::vector<std::string>& arguments, const Environment& environment = {},
              const std::string& input = "") const;
  Ran finish(pid_t child) const;

 private:
  std::string path_;
};

// text.txt (about `bytes` of it) and tiny.json: a Mamba of some thousand parameters that trains in a moment.
void write_tiny_run(const Workspace& work, int steps = 6, int bytes = 3000);
std::string tiny_config(int steps, const std::string& more_data = "");

// A byte of a file, turned over.
void flip_byte(const std::string& path, int64_t offset);

inline testing::AssertionResult has(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << part << "\" is not in:\n" << text;
}

}  // namespace adder::testing_cli
