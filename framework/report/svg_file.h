// A figure as a file of its own, for a README or a paper: the page's colours by day and by night go with it.
#pragma once
#include <string>

#include "framework/report/figure.h"

namespace adder::report {

// Complete SVG 1.1 with its style sheet; the same bytes each time.
std::string standalone_svg(const Figure& figure, const Palette& palette = Palette());

// Writes it beside, and renames.
void write_svg(const std::string& path, const Figure& figure, const Palette& palette = Palette());

}  // namespace adder::report
