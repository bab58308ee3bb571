// A bfloat16 number as it is stored: the upper half of a float's bits.
#pragma once
#include <bit>
#include <cstdint>

namespace kernels {

struct BFloat16 {
  uint16_t bits;

  BFloat16() = default;
  // The nearest, of two as near the even one; below 2^-126 a zero of x's sign, as products of bfloat16 take their operands
  // (matmul/bf16.h). NaN stays NaN.
  explicit BFloat16(float x) : bits(rounded(std::bit_cast<uint32_t>(x))) {}
  operator float() const { return std::bit_cast<float>(uint32_t(bits) << 16); }  // exact

 private:
  static uint16_t rounded(uint32_t x) {
    const uint32_t exponent = x & 0x7f800000u;
    const uint32_t near = x + 0x7fffu + (x >> 16 & 1);
    const bool nan = exponent == 0x7f800000u && (x & 0x007fffffu) != 0;
    return uint16_t((exponent == 0 ? x & 0x80000000u : nan ? x | 0x00400000u : near) >> 16);
  }
};

}  // namespace kernels
