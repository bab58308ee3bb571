#include "framework/core/profile.h"

namespace adder {
namespace {
double seconds_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}
}  // namespace

Cost& Cost::operator+=(const Cost& c) {
  seconds += c.seconds, flops += c.flops, bytes += c.bytes, exps += c.exps, bf16_flops += c.bf16_flops, calls += c.calls;
  return *this;
}

void Profile::begin_step() {
  if (steps_ == 1 && !warm_) rows_.clear(), seconds_ = 0, steps_ = 0, warm_ = true;
  began_ = last_ = Clock::now();
}

void Profile::end_step() {
  forward("other");
  seconds_ += seconds_between(began_, last_);
  ++steps_;
}

Cost Profile::total() const {
  Cost sum;
  for (const Row& r : rows_) sum += r.forward, sum += r.backward;
  return sum;
}

void Profile::lap(const char* name, const Cost& work, bool backward) {
  const auto now = Clock::now();
  Cost cost = work;
  cost.seconds = seconds_between(last_, now), ++cost.calls;  // -1: part of a call that is counted elsewhere
  last_ = now;
  Row& r = row(name);
  (backward ? r.backward : r.forward) += cost;
}

Profile::Row& Profile::row(const char* name) {
  for (Row& r : rows_)
    if (r.name == name) return r;
  rows_.push_back({name, {}, {}});
  return rows_.back();
}

}  // namespace adder
