#include "framework/cli/study_progress.h"

#include <unistd.h>

#include <cstdio>

#include "framework/cli/output.h"

namespace adder {

StudyProgress::StudyProgress(const std::vector<studies::Job>& jobs, bool quiet)
    : count_(jobs.size()), quiet_(quiet), terminal_(terminal(STDERR_FILENO)) {
  for (const studies::Job& job : jobs) total_ += job.weight;
}

void StudyProgress::begin(const studies::Job& job) {
  name_ = job.name, weight_ = job.weight;
  at(0);
}

void StudyProgress::at(double share) {
  constexpr auto kRedraw = std::chrono::milliseconds(100);
  if (quiet_ || !terminal_.interactive || Clock::now() - last_drawn_ < kRedraw) return;
  last_drawn_ = Clock::now();
  const double done = done_ + share * weight_;
  const std::string text = "run " + std::to_string(ended_ + 1) + "/" + std::to_string(count_) + "  " + name_ + "  " + decimals(100 * share, 0) + " %" + left(done);
  std::fprintf(stderr, "\r%s\x1b[K", text.substr(0, size_t(terminal_width(STDERR_FILENO) - 1)).c_str());
  drawn_ = true;
}

void StudyProgress::end(const studies::Job& job, const std::string& how) {
  ++ended_, done_ += job.weight;
  clear();
  if (!quiet_) note(std::to_string(ended_) + "/" + std::to_string(count_) + "  " + job.name + "  " + how + left(done_));
}

void StudyProgress::clear() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

std::string StudyProgress::left(double done) const {
  if (done <= 0 || done >= total_) return "";
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  return "  ETA " + duration(seconds * (total_ - done) / done);
}

}  // namespace adder
