// metrics.jsonl: one JSON object a line, "step" first. Numbers round-trip; those that are not finite are strings. A histogram
// is a list: its bins begin at 2 to the power of the first number, and the others are their counts (nn/histogram.h).
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "framework/nn/histogram.h"
#include "framework/training/durable_file.h"

namespace adder {

using Metrics = std::vector<std::pair<std::string, double>>;

std::string metrics_line(int64_t step, const Metrics& metrics, const Histograms& histograms = {});

class MetricsWriter {
 public:
  explicit MetricsWriter(const std::string& path);  // appends; an Error names the path and the reason
  void write(int64_t step, const Metrics& metrics, const Histograms& histograms = {});
  void sync();                                      // lines written so far survive a power cut

 private:
  std::string path_;
  Descriptor file_;
};

}  // namespace adder
