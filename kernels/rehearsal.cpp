#include "kernels/rehearsal.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>
#include <stdexcept>

namespace kernels {
namespace {
constexpr size_t kMapped = 1 << 16;  // bytes; less comes from the heap: a process may have only so many mappings
bool active = false;
}  // namespace

Rehearsal::Rehearsal() {
  if (active) throw std::logic_error("[rehearsal] there is one already");
  active = true;
}
Rehearsal::~Rehearsal() { active = false; }
bool rehearsing() { return active; }

void* reserve(size_t bytes) {
  if (bytes < kMapped) {
    void* memory = std::calloc(1, bytes);
    if (!memory) throw std::bad_alloc();
    return memory;
  }
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

void release_reserved(void* memory, size_t bytes) {
  if (bytes < kMapped) std::free(memory);
  else munmap(memory, bytes);
}

}  // namespace kernels
