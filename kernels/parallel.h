// Threads. oneTBB stands behind this header (std::thread in the tsan build, where Debian's oneTBB drowns the
// sanitizer in false reports). Sums are split by their shape; the number of threads may cut only what no number depends on.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace kernels {

// While it lives, this thread's results below 2^-126 (2^-1022 in double) become 0, and so do such inputs.
// Every worker does the same, so a result can't depend on who computed it.
class FlushSubnormals {
 public:
  FlushSubnormals();
  ~FlushSubnormals();
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  unsigned saved_;
};

void set_threads(int count);  // 0: one a core. More than the cores is allowed
int threads();

// A reference to a callable, valid for the call only.
class TaskRef {
 public:
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, TaskRef>>>
  TaskRef(F&& f)  // NOLINT: implicit on purpose
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, int64_t i) { (*static_cast<std::remove_reference_t<F>*>(object))(i); }) {}
  void operator()(int64_t i) const { call_(object_, i); }

 private:
  void* object_;
  void (*call_)(void*, int64_t);
};

// task(i) for i in [0, count), in any order, on any thread. Exceptions reach the caller.
void parallel_for(int64_t count, TaskRef task);

// Splits [0, n) into blocks of `block` and runs task(first, last) on each; small work stays on this thread.
template <class F>
void parallel_blocks(int64_t n, int64_t block, F&& task) {
  const int64_t count = (n + block - 1) / block;
  if (count <= 1) {
    if (n > 0) task(int64_t{0}, n);
    return;
  }
  parallel_for(count, [&](int64_t i) { task(i * block, i * block + block < n ? i * block + block : n); });
}

// Per-thread scratch memory, 64-byte aligned, undefined contents, valid until the end of the task.
// `slot` tells apart buffers that one task holds at the same time.
void* scratch_bytes(size_t bytes, int slot);
template <class T>
T* scratch(size_t count, int slot = 0) {
  return static_cast<T*>(scratch_bytes(count * sizeof(T), slot));
}

}  // namespace kernels
