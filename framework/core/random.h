// Counter-based random numbers: a number is a pure function of (seed, stream, index), whatever the thread,
// the order of the calls or the history. Philox4x32-10 (Salmon et al., SC 2011) by Random123.
#pragma once
#include <cstdint>
#include <string_view>

namespace adder {

// What a stream is for: a purpose ("init", "dropout", "order", "sample"), and up to two numbers such as layer and step.
class Random {
 public:
  Random(uint64_t seed, std::string_view purpose, uint64_t a = 0, uint64_t b = 0);

  uint32_t bits(uint64_t index) const;                       // 32 uniform bits
  uint64_t bits64(uint64_t index) const;                     // 64 uniform bits
  double uniform(uint64_t index) const;                      // [0, 1), 53 bits
  double normal(uint64_t index) const;                       // N(0, 1), Box-Muller
  uint64_t below(uint64_t index, uint64_t bound) const;      // [0, bound); bias below 2^-64 * bound

  // Philox's key, and the half of its counter that is the same for all of the stream, for a kernel that draws many (kernels/dropout).
  const uint32_t* key() const { return key_; }
  const uint32_t* counter() const { return stream_; }

 private:
  uint32_t key_[2];
  uint32_t stream_[2];
};

}  // namespace adder
