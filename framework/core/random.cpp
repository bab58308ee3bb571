#include "framework/core/random.h"

#include <Random123/philox.h>
#include <xxhash.h>

#include <cmath>
#include <numbers>

namespace adder {
namespace {

r123::Philox4x32::ctr_type philox(const uint32_t key[2], const uint32_t stream[2], uint64_t index) {
  const r123::Philox4x32::ctr_type counter{{uint32_t(index), uint32_t(index >> 32), stream[0], stream[1]}};
  const r123::Philox4x32::key_type k{{key[0], key[1]}};
  return r123::Philox4x32{}(counter, k);
}

uint64_t join(uint32_t low, uint32_t high) { return uint64_t(high) << 32 | low; }
double unit(uint64_t x) { return double(x >> 11) * 0x1p-53; }

}  // namespace

Random::Random(uint64_t seed, std::string_view purpose, uint64_t a, uint64_t b) {
  key_[0] = uint32_t(seed), key_[1] = uint32_t(seed >> 32);
  const uint64_t numbers[2] = {a, b};
  const uint64_t named = XXH3_64bits(purpose.data(), purpose.size());
  const uint64_t stream = XXH3_64bits_withSeed(numbers, sizeof numbers, named);
  stream_[0] = uint32_t(stream), stream_[1] = uint32_t(stream >> 32);
}

uint32_t Random::bits(uint64_t index) const { return philox(key_, stream_, index)[0]; }

uint64_t Random::bits64(uint64_t index) const {
  const auto r = philox(key_, stream_, index);
  return join(r[0], r[1]);
}

double Random::uniform(uint64_t index) const { return unit(bits64(index)); }

double Random::normal(uint64_t index) const {
  const auto r = philox(key_, stream_, index);
  const double u = 1.0 - unit(join(r[0], r[1]));  // (0, 1], so that the logarithm is finite
  const double angle = 2 * std::numbers::pi * unit(join(r[2], r[3]));
  return std::sqrt(-2 * std::log(u)) * std::cos(angle);
}

uint64_t Random::below(uint64_t index, uint64_t bound) const {
  return uint64_t((__uint128_t(bits64(index)) * bound) >> 64);
}

}  // namespace adder
