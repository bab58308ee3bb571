// One colour, dash and marker a name (an architecture, an arm), the same in every figure of a page.
#pragma once
#include <string>
#include <vector>

namespace adder::report {

class Palette {
 public:
  Palette() = default;
  // By their order; more than eight names share colours, but with another marker.
  explicit Palette(std::vector<std::string> names) : names_(std::move(names)) {}

  const std::vector<std::string>& names() const { return names_; }
  bool has(const std::string& name) const;
  int index(const std::string& name) const;         // an Error where the name was not given
  std::string classes(const std::string& name) const;  // for a shape: "s3 c3"
  char marker(const std::string& name) const;

 private:
  std::vector<std::string> names_;
};

// The style sheet's part: colours for day and night, and the dashes.
std::string palette_css(const Palette& palette);

}  // namespace adder::report
