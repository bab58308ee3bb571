// A kernel by its name on every device: the one place that knows whether CUDA was built.
//   KERNEL(selective_scan_fwd, float)(tensor.device(), args);
#pragma once
#include <stdexcept>
#include <string>

#include "kernels/device.h"
#include "kernels/parallel.h"
#include "kernels/rehearsal.h"
#include "kernels/simd_target.h"

namespace kernels {

template <class Args>
struct Kernel {
  const char* name;
  void (*cpu)(const Args&);
  void (*cuda)(const Args&);

  void operator()(Device device, const Args& args) const {
    auto* run = device == Device::cpu ? cpu : cuda;
    if (!run)
      throw std::runtime_error(std::string("[") + name + "] no CUDA kernel in this build; set \"device\": \"cpu\"");
    if (rehearsing()) return;
    simd_target();  // the environment's choice, before the first kernel runs
    const FlushSubnormals flush;
    run(args);
  }
};

template <class Args>
Kernel<Args> make_kernel(const char* name, void (*cpu)(const Args&), void (*cuda)(const Args&) = nullptr) {
  return {name, cpu, cuda};
}

}  // namespace kernels

#define KERNEL(op, T) kernels::make_kernel(#op, &kernels::cpu::op<T>)
