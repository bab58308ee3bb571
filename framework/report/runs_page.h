// The report of several runs beside each other: what they logged in common, on shared axes.
#pragma once
#include <string>
#include <vector>

#include "framework/report/page.h"

namespace adder::report {

// Of each run its loss, in training and validation, and the gradient's norm. Writes report.html, and each figure as an SVG
// file: training_loss.svg, validation_loss.svg, gradient_norm.svg. UnreadableError names the run that is missing or damaged.
void write_runs_report(const std::string& folder, const std::vector<std::string>& runs, const std::string& command);

}  // namespace adder::report
