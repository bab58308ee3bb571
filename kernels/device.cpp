#include "kernels/device.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <stdexcept>

namespace kernels {
namespace {
constexpr size_t kLine = 64, kHugePage = 2 << 20;
constexpr size_t kSmall = kHugePage / 8;  // what is left over at a page's end is never more
#ifdef ADDER_ASAN
constexpr bool kSharing = false;  // each buffer by itself, so that the sanitizer sees its bounds
#else
constexpr bool kSharing = true;
#endif

void* aligned(size_t alignment, size_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, bytes)) throw std::bad_alloc();
  return memory;
}

// A page that small buffers are taken out of, one after the other; it goes when the last of them does. Its first line is
// this header, so none of them begins where the page does.
class SharedPage {
 public:
  static void* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const size_t size = (bytes / kLine + 1) * kLine;  // of none, too: no two begin at one place
    if (!open_ || open_->used_ + size > kHugePage) renew();
    char* memory = reinterpret_cast<char*>(open_) + open_->used_;
    open_->used_ += size;
    ++open_->buffers_;
    return memory;
  }
  static SharedPage* of(void* memory) {
    return reinterpret_cast<SharedPage*>(reinterpret_cast<uintptr_t>(memory) / kHugePage * kHugePage);
  }
  void give_back() {
    const std::lock_guard lock(mutex_);
    if (--buffers_ == 0 && this != open_) std::free(this);
  }

 private:
  static void renew() {
    void* memory = aligned(kHugePage, kHugePage);
    madvise(memory, kHugePage, MADV_HUGEPAGE);
    if (open_ && open_->buffers_ == 0) std::free(open_);
    open_ = new (memory) SharedPage;
  }

  size_t used_ = kLine, buffers_ = 0;
  inline static std::mutex mutex_;
  inline static SharedPage* open_ = nullptr;
};

void require_cpu(Device device) {
  if (device != Device::cpu) throw std::runtime_error("[device] this build has no CUDA; set \"device\": \"cpu\"");
}
}  // namespace

const char* name(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }
bool available(Device device) { return device == Device::cpu; }

// Buffers lie in pages of 2 MB: of the time of a training step, 2 to 8 % went into the page tables of 4 KB pages. Large ones
// begin at such a page, small ones share one.
void* allocate(Device device, size_t bytes) {
  require_cpu(device);
  if (kSharing && bytes <= kSmall) return SharedPage::take(bytes);
  void* memory = aligned(bytes <= kSmall ? kLine : kHugePage, bytes);
  madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);  // a wish: refused, the pages stay small
  return memory;
}

void release(Device device, void* memory) {
  require_cpu(device);
  SharedPage* page = SharedPage::of(memory);
  if (kSharing && page != memory) page->give_back();
  else std::free(memory);
}

}  // namespace kernels
