#include "framework/training/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"

namespace adder {
namespace {
nlohmann::ordered_json value_of(double x) {
  if (std::isnan(x)) return "nan";
  if (std::isinf(x)) return x > 0 ? "inf" : "-inf";
  if (x == std::floor(x) && std::abs(x) < 0x1p53) return int64_t(x);
  return x;
}
}  // namespace

std::string metrics_line(int64_t step, const Metrics& metrics, const Histograms& histograms) {
  nlohmann::ordered_json line;
  line["step"] = step;
  for (const auto& [name, value] : metrics) line[name] = value_of(value);
  for (const auto& [name, histogram] : histograms) line[name] = histogram.packed();
  return line.dump() + "\n";
}

MetricsWriter::MetricsWriter(const std::string& path)
    : path_(path), file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (!file_.open()) throw Error("cannot write " + path_ + ": " + errno_text());
}

void MetricsWriter::write(int64_t step, const Metrics& metrics, const Histograms& histograms) {
  append(file_, path_, metrics_line(step, metrics, histograms));
}

void MetricsWriter::sync() { adder::sync(file_, path_); }

}  // namespace adder
