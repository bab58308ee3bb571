#include "framework/report/palette.h"

#include <algorithm>

#include "framework/core/error.h"

namespace adder::report {
namespace {

// Okabe and Ito's colours (2008), distinct to the colour-blind; by day darkened where white would swallow them (contrast
// of at least 3 : 1), by night as they are.
struct Style {
  const char *day, *night, *dash;
};
constexpr Style kStyles[] = {
    {"#0072b2", "#56b4e9", ""},         {"#d55e00", "#ff8a3c", "7 3"},
    {"#00805c", "#2fd3a6", "2 2"},      {"#a8518a", "#e29fc6", "9 3 2 3"},
    {"#111111", "#eeeeee", "5 2 1 2"},  {"#946300", "#e69f00", "1 3"},
    {"#2a7fb0", "#8fd0f5", "12 3"},     {"#6b6b6b", "#a8a8a8", "4 4"},
};
constexpr int kCount = int(sizeof kStyles / sizeof kStyles[0]);
constexpr char kMarkers[] = "os^dvx+*";

}  // namespace

bool Palette::has(const std::string& name) const { return std::find(names_.begin(), names_.end(), name) != names_.end(); }

int Palette::index(const std::string& name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) throw Error("[report] no style was given to \"" + name + "\"");
  return int(found - names_.begin());
}

std::string Palette::classes(const std::string& name) const {
  const int i = index(name);
  return "s" + std::to_string(i) + " c" + std::to_string(i % kCount);
}

char Palette::marker(const std::string& name) const {
  const int i = index(name);
  return kMarkers[(i + i / kCount) % kCount];
}

std::string palette_css(const Palette& palette) {
  std::string day, night, rules;
  for (int i = 0; i < kCount; ++i) {
    const std::string n = std::to_string(i);
    day += "--c" + n + ":" + kStyles[i].day + ";";
    night += "--c" + n + ":" + kStyles[i].night + ";";
    rules += ".c" + n + "{--colour:var(--c" + n + ");--dash:" + (*kStyles[i].dash ? kStyles[i].dash : "none") + "}";
  }
  for (size_t i = 0; i < palette.names().size(); ++i) {
    const std::string n = std::to_string(i);
    rules += "body:has(#show" + n + ":not(:checked)) svg .s" + n + "{display:none}";
  }
  return ":root{" + day + "}@media (prefers-color-scheme:dark){:root{" + night + "}}" + rules;
}

}  // namespace adder::report
