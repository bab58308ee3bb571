#include "kernels/simd_target.h"

#include <hwy/highway.h>

#include <cstdlib>
#include <stdexcept>

namespace kernels {
namespace {

struct Target {
  const char* name;
  int64_t bit;
};
constexpr Target kTargets[] = {{"avx512", HWY_AVX3}, {"avx2", HWY_AVX2}, {"scalar", HWY_STATIC_TARGET}};

int64_t supported() {
  static const int64_t bits = hwy::SupportedTargets();
  return bits | HWY_STATIC_TARGET;
}

std::string& current() {
  static std::string name;
  return name;
}

void choose(int64_t bit) {
  supported();
  hwy::SetSupportedTargetsForTest(bit);
  hwy::GetChosenTarget().Update(bit);
}

}  // namespace

std::vector<std::string> simd_targets() {
  std::vector<std::string> names;
  for (const Target& t : kTargets)
    if (supported() & t.bit) names.push_back(t.name);
  return names;
}

std::vector<std::string> built_simd_targets() {
  std::vector<std::string> names;
  for (const Target& t : kTargets) names.push_back(t.name);
  return names;
}

const std::string& simd_target() {
  if (current().empty()) {
    const char* wanted = std::getenv("ADDER_SIMD");
    set_simd_target(wanted ? wanted : "");
  }
  return current();
}

void set_simd_target(const std::string& name) {
  const auto names = simd_targets();
  const std::string wanted = name.empty() ? names[0] : name;
  for (const Target& t : kTargets)
    if (wanted == t.name && (supported() & t.bit)) {
      choose(t.bit);
      current() = wanted;
      return;
    }
  std::string list;
  for (const auto& n : names) list += (list.empty() ? "" : ", ") + n;
  throw std::invalid_argument("[simd] target \"" + name + "\" is not available here; this machine runs " + list);
}

}  // namespace kernels
