#include "kernels/parallel.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#ifndef ADDER_TSAN
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#endif

namespace kernels {

#if defined(__x86_64__)
FlushSubnormals::FlushSubnormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040); }  // FTZ | DAZ
FlushSubnormals::~FlushSubnormals() { _mm_setcsr(saved_); }
#else
FlushSubnormals::FlushSubnormals() : saved_(0) {}
FlushSubnormals::~FlushSubnormals() {}
#endif

namespace {

int cores() {
  const unsigned n = std::thread::hardware_concurrency();
  return n ? int(n) : 1;
}

thread_local bool inside_task = false;

struct InsideTask {
  bool saved = inside_task;
  InsideTask() { inside_task = true; }
  ~InsideTask() { inside_task = saved; }
};

#ifdef ADDER_TSAN
int thread_count = cores();
#else
constexpr auto kLinger = std::chrono::microseconds(100);

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// A loop and those who work on it. oneTBB lends the threads: a member is one of its tasks, which works on one loop after another and
// lingers between them. With a task for each loop, finding it took as long as the loops of generating a token do: 10 to 20 % of
// one. A loop never waits for a member that is not there.
class Loop {
 public:
  Loop(int threads, bool linger) : linger_(linger), seats_(size_t(threads)), shares_(size_t(threads)) {}

  // As the loop's owner, of whom there is one at a time: opens it, for tasks that are shared out the same way each time, so that
  // what one op leaves in a core's cache the next op finds there.
  void open(int64_t tasks, const TaskRef& task) {
    wanted_ = int(std::min<int64_t>(int64_t(shares_.size()), tasks)), task_ = &task, failure_ = nullptr;
    for (int i = 0; i < wanted_; ++i) {
      shares_[size_t(i)].next.store(tasks * i / wanted_, std::memory_order_relaxed);
      shares_[size_t(i)].end = tasks * (i + 1) / wanted_;
    }
    left_.store(0, std::memory_order_relaxed);
    door_.store((door_.load(std::memory_order_relaxed) / kCall + 1) * kCall, std::memory_order_release);
  }
  int wanted() const { return wanted_; }
  // Does what there is to do, waits for those who entered, and tells of the first exception.
  void work_and_close() {
    work(0);
    const uint64_t entered = door_.fetch_or(kClosed, std::memory_order_acq_rel) % kClosed;
    while (left_.load(std::memory_order_acquire) < entered) linger_ ? relax() : std::this_thread::yield();
    if (failure_) std::rethrow_exception(failure_);
  }
  // Whether the seat was free; it is taken now.
  bool take(int seat) { return !seats_[size_t(seat)].exchange(true, std::memory_order_acq_rel); }
  // Sends members away, and waits for them: oneTBB forgets a task that has not begun when its arena goes, and what it holds.
  void dismiss() {
    dismissed_.store(true, std::memory_order_relaxed);
    const auto left = [](const std::atomic<bool>& taken) { return !taken.load(std::memory_order_acquire); };
    for (const auto since = std::chrono::steady_clock::now(); std::chrono::steady_clock::now() - since < std::chrono::seconds(1);) {
      if (std::all_of(seats_.begin(), seats_.end(), left)) return;
      std::this_thread::yield();
    }
  }

  // As a member: works on each loop that is open, until none has come for a while.
  void attend(int seat) {
    uint64_t seen = 0;
    for (auto since = std::chrono::steady_clock::now(); !dismissed_.load(std::memory_order_relaxed);) {
      const uint64_t before = seen;
      if (enter(seen)) {
        work(seat % wanted_);
        left_.fetch_add(1, std::memory_order_release);
      }
      if (seen != before) since = std::chrono::steady_clock::now();
      if (!linger_ || std::chrono::steady_clock::now() - since > kLinger) break;
      for (int i = 0; i < 32 && door_.load(std::memory_order_relaxed) / kCall == seen; ++i) relax();
    }
    seats_[size_t(seat)].store(false, std::memory_order_release);
  }

 private:
  // door_: the loop's number, whether it is closed, and how many members have entered.
  static constexpr uint64_t kClosed = uint64_t(1) << 16, kCall = kClosed << 1;
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  // `seen` becomes the loop's number, whether or not it was open any more.
  bool enter(uint64_t& seen) {
    uint64_t door = door_.load(std::memory_order_acquire);
    while (door / kCall != seen) {
      if (door & kClosed) return seen = door / kCall, false;
      if (door_.compare_exchange_weak(door, door + 1, std::memory_order_acquire)) return seen = door / kCall, true;
    }
    return false;
  }

  // One's own share, then what the others have left.
  void work(int self) {
    const FlushSubnormals flush;
    const InsideTask inside;
    try {
      for (int i = 0; i < wanted_; ++i) {
        Share& share = shares_[size_t((self + i) % wanted_)];
        for (int64_t t; (t = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) (*task_)(t);
      }
    } catch (...) {
      const std::lock_guard lock(failing_);
      if (!failure_) failure_ = std::current_exception();
    }
  }

  const bool linger_;
  std::vector<std::atomic<bool>> seats_;
  std::vector<Share> shares_;
  int wanted_ = 0;
  const TaskRef* task_ = nullptr;
  alignas(64) std::atomic<uint64_t> door_{kClosed};
  alignas(64) std::atomic<uint64_t> left_{0};
  std::atomic<bool> dismissed_{false};
  std::mutex failing_;
  std::exception_ptr failure_;
};

class Team {
 public:
  explicit Team(int count)
      : count_(count), control_(tbb::global_control::max_allowed_parallelism, size_t(count)), arena_(count),
        loop_(std::make_shared<Loop>(count, count <= cores())) {}
  ~Team() { loop_->dismiss(); }
  int count() const { return count_; }

  // False where another thread's loop is in work: nothing was done.
  bool run(int64_t tasks, const TaskRef& task) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return false;
    loop_->open(tasks, task);
    for (int seat = 1; seat < loop_->wanted(); ++seat)
      if (loop_->take(seat)) arena_.enqueue([loop = loop_, seat] { loop->attend(seat); });
    loop_->work_and_close();
    return true;
  }

 private:
  const int count_;
  const tbb::global_control control_;  // without it oneTBB never runs more threads than cores
  tbb::task_arena arena_;
  const std::shared_ptr<Loop> loop_;   // the last member's, where it is slow to leave
  std::mutex mutex_;
};

std::unique_ptr<Team>& team() {
  static auto instance = std::make_unique<Team>(cores());
  return instance;
}
#endif

}  // namespace

#ifdef ADDER_TSAN
void set_threads(int count) { thread_count = count > 0 ? count : cores(); }
int threads() { return thread_count; }

void parallel_for(int64_t count, TaskRef task) {
  const int workers = int(std::min<int64_t>(thread_count, count));
  if (workers <= 1 || inside_task) {
    for (int64_t i = 0; i < count; ++i) task(i);
    return;
  }
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    const FlushSubnormals flush;
    const InsideTask inside;
    try {
      for (int64_t i; (i = next++) < count;) task(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  for (int w = 1; w < workers; ++w) others.emplace_back(work);
  work();
  for (auto& t : others) t.join();
  if (failure) std::rethrow_exception(failure);
}
#else
void set_threads(int count) {
  const int wanted = count > 0 ? count : cores();
  if (team()->count() == wanted) return;
  team().reset();
  team() = std::make_unique<Team>(wanted);
}
int threads() { return team()->count(); }

void parallel_for(int64_t count, TaskRef task) {
  if (count > 1 && !inside_task && threads() > 1 && team()->run(count, task)) return;
  for (int64_t i = 0; i < count; ++i) task(i);
}
#endif

void* scratch_bytes(size_t bytes, int slot) {
  constexpr int kSlots = 12;
  struct Buffer {
    void* memory = nullptr;
    size_t size = 0;
    ~Buffer() { std::free(memory); }
  };
  thread_local std::array<Buffer, kSlots> buffers;
  Buffer& b = buffers.at(size_t(slot));
  if (b.size < bytes) {
    std::free(b.memory);
    b.size = 0;
    const size_t size = (bytes + bytes / 4 + 63) / 64 * 64;
    b.memory = std::aligned_alloc(64, size);
    if (!b.memory) throw std::bad_alloc();
    b.size = size;
  }
  return b.memory;
}

}  // namespace kernels
