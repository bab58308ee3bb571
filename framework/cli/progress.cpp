#include "framework/cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "framework/cli/output.h"

namespace adder {
namespace {

constexpr double kDecay = 0.95;  // of a step's weight with each later one: about 20 steps count
constexpr auto kRedraw = std::chrono::milliseconds(100);  // a screen needs no more
constexpr int kLongestBar = 40, kShortestBar = 5;

std::string speed(const ProgressState& s) {
  return with_commas(std::llround(s.tokens_per_second)) + " tokens/s";
}
std::string time_left(const ProgressState& s) { return "ETA " + duration(s.seconds_left); }
std::string loss(const ProgressState& s) {
  return "loss " + decimals(s.loss, 4) + (std::isnan(s.floor) ? "" : " (floor " + decimals(s.floor, 4) + ")");
}
std::string counted(const ProgressState& s) { return std::to_string(s.step) + "/" + std::to_string(s.steps); }

}  // namespace

void StepTime::add(double seconds) {
  sum_ = kDecay * sum_ + seconds;
  weight_ = kDecay * weight_ + 1;
}

double StepTime::mean() const { return weight_ > 0 ? sum_ / weight_ : 0; }

std::string progress_line(const ProgressState& s) {
  return "step " + counted(s) + "  " + loss(s) + "  rate " +
         significant(s.learning_rate, 3) + "  " + speed(s) + "  " + time_left(s);
}

std::string progress_bar(const ProgressState& s, int width, bool colour) {
  std::string text = " " + counted(s) + "  " + loss(s);
  for (const std::string& part : {time_left(s), speed(s)})  // ETA first where room is short
    if (int(text.size() + part.size()) + 2 <= width) text += "  " + part;
  const int room = std::min(kLongestBar, width - int(text.size()) - 2);
  if (room < kShortestBar) return text.substr(1, size_t(std::max(0, width)));
  const double share = s.steps > 0 ? double(s.step) / double(s.steps) : 1;
  const int full = std::clamp(int(share * room), 0, room);
  const std::string bar = std::string(size_t(full), '#'), rest = std::string(size_t(room - full), '-');
  return colour ? "[\x1b[32m" + bar + "\x1b[0m" + rest + "]" + text : "[" + bar + rest + "]" + text;
}

Progress::Progress(int64_t steps, int64_t tokens_per_step, int64_t every, bool quiet, double floor)
    : steps_(steps),
      tokens_per_step_(tokens_per_step),
      every_(every),
      quiet_(quiet),
      floor_(floor),
      terminal_(terminal(STDERR_FILENO)) {}

void Progress::step(const StepReport& report) {
  time_.add(report.seconds);
  if (quiet_) return;
  const double mean = time_.mean();
  const ProgressState state{report.step,
                            steps_,
                            report.loss,
                            report.learning_rate,
                            mean > 0 ? double(tokens_per_step_) / mean : 0,
                            double(steps_ - report.step) * mean,
                            floor_};
  const bool last = report.step == steps_;
  if (!terminal_.interactive) {
    if (last || report.step % every_ == 0) adder::note(progress_line(state));
    return;
  }
  if (!last && Clock::now() - last_drawn_ < kRedraw) return;
  last_drawn_ = Clock::now();
  draw(progress_bar(state, terminal_width(STDERR_FILENO) - 1, terminal_.colour));
}

void Progress::note(const std::string& line) {
  clear();
  if (!quiet_) adder::note(line);
}

void Progress::busy(const std::string& what) {
  if (!quiet_ && terminal_.interactive) draw(what);
}

void Progress::clear() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

void Progress::draw(const std::string& text) {
  std::fprintf(stderr, "\r%s\x1b[K", text.c_str());
  drawn_ = true;
}

}  // namespace adder
