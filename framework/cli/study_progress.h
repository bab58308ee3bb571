// How a study shows itself: a bar over all of its runs on a terminal, a line as each run ends elsewhere.
#pragma once
#include <chrono>
#include <string>

#include "framework/cli/terminal.h"
#include "framework/studies/job.h"

namespace adder {

class StudyProgress {
 public:
  StudyProgress(const std::vector<studies::Job>& jobs, bool quiet);
  ~StudyProgress() { clear(); }

  void begin(const studies::Job& job);
  void at(double share);  // of the job that was begun
  void end(const studies::Job& job, const std::string& how);
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  std::string left(double done) const;

  double total_ = 0, done_ = 0, weight_ = 0;
  size_t count_, ended_ = 0;
  std::string name_;
  bool quiet_, drawn_ = false;
  Terminal terminal_;
  Clock::time_point start_ = Clock::now(), last_drawn_{};
};

}  // namespace adder
