// Runs a program as a person would and tells how it ended.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

namespace adder {

struct Ended {
  int exit_code = -1;    // -1: it was killed
  int signal = 0;        // that killed it; 0: none
  std::string out, err;
};

// A running child. Its stdin is empty; stdout and stderr go to files below testing::TempDir().
class Process {
 public:
  Process(const std::vector<std::string>& command, const std::vector<std::string>& environment = {});
  ~Process();  // kills what still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void signal(int number) const;
  Ended wait(double seconds = 120);  // kills it after that time and fails the test
  std::string err_so_far() const;

 private:
  pid_t pid_;
  std::string out_, err_;
};

Ended run_program(const std::vector<std::string>& command, const std::vector<std::string>& environment = {});
// The program under test with these arguments.
Ended run_adder(std::vector<std::string> arguments, const std::vector<std::string>& environment = {});

std::string fresh_folder(const std::string& name);  // below testing::TempDir(), empty
void write_text(const std::string& path, const std::string& text);

}  // namespace adder
