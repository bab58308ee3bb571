// Several models probed on the same measures: their lag profiles on one logarithmic axis.
#pragma once
#include "framework/gradient_lab/probe_report.h"

namespace adder::lab {

struct Compared {
  std::string name;  // "shakespeare_lstm"; told apart by the caller
  Probe probe;
  ProbeSubject subject;
};

// An Error where they differ in lags: then there is no common axis.
void require_comparable(const std::vector<Compared>& models);

//   /embedding (model, lag): log10 of the mean over the probes of |d loss_t / d e_{t-lag}|; /model, /lag: their axes;
//   /memory_length (model): tokens
void write_comparison_file(const std::string& path, const std::vector<Compared>& models, const std::string& command);
void write_comparison_page(const std::string& path, const std::vector<Compared>& models, const std::string& command);
void write_comparison_figure(const std::string& path, const std::vector<Compared>& models);  // an SVG: the profiles on one axis

}  // namespace adder::lab
