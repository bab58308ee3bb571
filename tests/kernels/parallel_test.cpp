// parallel_for: each task once, whoever works, whoever else calls, and whatever is thrown.
#include "kernels/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace kernels {
namespace {

struct Threads {
  int before = threads();
  explicit Threads(int count) { set_threads(count); }
  ~Threads() { set_threads(before); }
};

void expect_each_once(int64_t count) {
  std::vector<std::atomic<int>> runs(static_cast<size_t>(count));
  parallel_for(count, [&](int64_t i) { ++runs[size_t(i)]; });
  for (int64_t i = 0; i < count; ++i) ASSERT_EQ(runs[size_t(i)], 1) << "task " << i << " of " << count;
}

TEST(ParallelFor, EachTaskOnceOnAnyNumberOfThreads) {
  for (const int count : {1, 2, 3, 5, 2}) {
    const Threads some(count);
    for (int round = 0; round < 500; ++round) expect_each_once(round % 23);
  }
}

// Members have left by then, or are about to.
TEST(ParallelFor, AfterAPause) {
  const Threads two(2);
  for (int pause = 0; pause < 30; ++pause) {
    std::this_thread::sleep_for(std::chrono::microseconds(10 * pause));
    expect_each_once(7);
  }
}

TEST(ParallelFor, TheCallerGetsWhatATaskThrows) {
  const Threads three(3);
  for (int64_t bad = 0; bad < 40; ++bad) {
    const auto fails = [&](int64_t i) {
      if (i == bad) throw std::runtime_error("task " + std::to_string(i));
    };
    try {
      parallel_for(40, fails);
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& e) {
      EXPECT_EQ(e.what(), "task " + std::to_string(bad));
    }
    expect_each_once(40);
  }
}

TEST(ParallelFor, InsideATaskItRunsThere) {
  const Threads two(2);
  parallel_for(8, [&](int64_t) {
    const auto here = std::this_thread::get_id();
    parallel_for(5, [&](int64_t) { EXPECT_EQ(std::this_thread::get_id(), here); });
  });
}

TEST(ParallelFor, SeveralCallersAtOnce) {
  const Threads two(2);
  std::atomic<int64_t> sum{0};
  const auto call = [&] {
    for (int round = 0; round < 300; ++round) parallel_for(8, [&](int64_t i) { sum += i; });
  };
  std::thread one(call), other(call);
  one.join(), other.join();
  EXPECT_EQ(sum, 2 * 300 * 28);
}

}  // namespace
}  // namespace kernels
