#include "kernels/device.h"

#include <cstdlib>
#include <new>
#include <stdexcept>

namespace kernels {
namespace {
void require_cpu(Device device) {
  if (device != Device::cpu) throw std::runtime_error("[device] this build has no CUDA; set \"device\": \"cpu\"");
}
}  // namespace

const char* name(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }
bool available(Device device) { return device == Device::cpu; }

void* allocate(Device device, size_t bytes) {
  require_cpu(device);
  void* memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!memory) throw std::bad_alloc();
  return memory;
}

void release(Device device, void* memory) {
  require_cpu(device);
  std::free(memory);
}

}  // namespace kernels
