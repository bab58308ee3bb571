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
  const std::string line = metrics_line(step, metrics, histograms);
  size_t done = 0;
  while (done < line.size()) {
    const ssize_t n = ::write(file_.get(), line.data() + done, line.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error("cannot write " + path_ + ": " + errno_text());
    done += size_t(n);
  }
}

void MetricsWriter::sync() {
  if (::fsync(file_.get()) != 0) throw Error("cannot write " + path_ + ": " + errno_text());
}

}  // namespace adder
