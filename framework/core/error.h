// Errors that reach the user. The exit code says whose fault it is; the text says where, what was found,
// what was expected and what to do.
#pragma once
#include <stdexcept>
#include <string>

namespace adder {

enum ExitCode : int {
  kOk = 0, kFailure = 1, kUsage = 2, kUnreadable = 3, kDiverged = 4, kCheckFailed = 5, kInterrupted = 130, kTerminated = 143
};

class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& what, int exit_code = kFailure) : std::runtime_error(what), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

// Wrong command line or config: exit 2.
struct UsageError : Error { explicit UsageError(const std::string& what) : Error(what, kUsage) {} };
// Data, checkpoint or foreign file that can't be read: exit 3.
struct UnreadableError : Error { explicit UnreadableError(const std::string& what) : Error(what, kUnreadable) {} };
// A run whose numbers are no longer finite: exit 4.
struct DivergedError : Error { explicit DivergedError(const std::string& what) : Error(what, kDiverged) {} };

}  // namespace adder
