#include "kernels/parallel.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#ifndef ADDER_TSAN
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
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
struct Pool {
  int count;
  tbb::global_control control;  // without it oneTBB never runs more threads than cores
  tbb::task_arena arena;
  explicit Pool(int n) : count(n), control(tbb::global_control::max_allowed_parallelism, size_t(n)), arena(n) {}
};
std::unique_ptr<Pool>& pool() {
  static auto instance = std::make_unique<Pool>(cores());
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
  if (pool()->count == wanted) return;
  pool().reset();
  pool() = std::make_unique<Pool>(wanted);
}
int threads() { return pool()->count; }

void parallel_for(int64_t count, TaskRef task) {
  if (count <= 1 || inside_task || pool()->count == 1) {
    for (int64_t i = 0; i < count; ++i) task(i);
    return;
  }
  pool()->arena.execute([&] {
    tbb::parallel_for(
        int64_t{0}, count,
        [&](int64_t i) {
          const FlushSubnormals flush;
          const InsideTask inside;
          task(i);
        },
        tbb::simple_partitioner{});
  });
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
