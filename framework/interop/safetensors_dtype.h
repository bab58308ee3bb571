// The dtypes that a safetensors file may name, and their widths.
#pragma once
#include <string>

namespace adder {

struct SafetensorsDtype {
  const char* name;
  int bits;
};

inline constexpr SafetensorsDtype kSafetensorsDtypes[] = {
    {"BOOL", 8},    {"U8", 8},      {"I8", 8},      {"U16", 16},    {"I16", 16},    {"U32", 32}, {"I32", 32},
    {"U64", 64},    {"I64", 64},    {"F16", 16},    {"BF16", 16},   {"F32", 32},    {"F64", 64}, {"C64", 64},
    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},
};

// Bits of one element; 0 for an unknown dtype.
inline int safetensors_bits(const std::string& dtype) {
  for (const SafetensorsDtype& known : kSafetensorsDtypes)
    if (dtype == known.name) return known.bits;
  return 0;
}

inline std::string safetensors_dtypes() {
  std::string list;
  for (const SafetensorsDtype& known : kSafetensorsDtypes)
    list += (list.empty() ? "" : ", ") + std::string(known.name);
  return list;
}

}  // namespace adder
