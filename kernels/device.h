// Where memory lives and arithmetic happens. CUDA joins here: a device is a name, memory and copies.
#pragma once
#include <cstddef>

namespace kernels {

enum class Device { cpu, cuda };

const char* name(Device device);
bool available(Device device);  // built in, and present on this machine

// 64-byte aligned; throws std::bad_alloc. Contents are undefined.
void* allocate(Device device, size_t bytes);
void release(Device device, void* memory);

}  // namespace kernels
