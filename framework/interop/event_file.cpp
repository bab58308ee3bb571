#include "framework/interop/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "framework/core/error.h"

namespace adder {
namespace {

// ---- protocol buffers: a field is its number and kind, then its value ------------------------------

std::string varint(uint64_t x) {
  std::string bytes;
  for (; x >= 128; x >>= 7) bytes += char(x | 128);
  return bytes + char(x);
}

template <class T>
std::string little_endian(T x) {
  std::string bytes(sizeof x, '\0');
  std::memcpy(bytes.data(), &x, sizeof x);
  return bytes;
}

enum Kind { kVarint = 0, kDouble = 1, kBytes = 2, kFloat = 5 };

std::string key(int field, Kind kind) { return varint(uint64_t(field << 3 | kind)); }
std::string integer(int field, int64_t x) { return key(field, kVarint) + varint(uint64_t(x)); }
std::string real(int field, double x) { return key(field, kDouble) + little_endian(x); }
std::string real32(int field, float x) { return key(field, kFloat) + little_endian(x); }
std::string bytes(int field, const std::string& x) { return key(field, kBytes) + varint(x.size()) + x; }

std::string event(double time, int64_t step, const std::string& what) {
  return real(1, time) + (step ? integer(2, step) : "") + what;
}

// HistogramProto: 1 min, 2 max, 3 num, 4 sum, 5 sum of squares, 6 upper edges, 7 counts. A bin's values count as its middle.
std::string histogram_bytes(const Histogram& h) {
  std::string edges, counts;
  double number = 0, sum = 0, squares = 0, least = 0, most = 0;
  for (int i = 0; i < Histogram::kBins; ++i) {
    const double n = double(h.counts[size_t(i)]), middle = 1.5 * Histogram::edge(i);
    if (n == 0) continue;
    if (number == 0 && i > 0) least = Histogram::edge(i), edges += little_endian(least), counts += little_endian(0.0);
    most = Histogram::edge(i + 1);
    number += n, sum += n * middle, squares += n * middle * middle;
  }
  for (int i = 0; i < Histogram::kBins; ++i)
    if (const double edge = Histogram::edge(i + 1); edge > least && edge <= most)
      edges += little_endian(edge), counts += little_endian(double(h.counts[size_t(i)]));
  return real(1, least) + real(2, most) + real(3, number) + real(4, sum) + real(5, squares) + bytes(6, edges) + bytes(7, counts);
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// CRC-32C (Castagnoli), the reflected polynomial, a byte at a time.
uint32_t crc32c(const std::string& text) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      t[i] = i;
      for (int bit = 0; bit < 8; ++bit) t[i] = t[i] & 1 ? t[i] >> 1 ^ 0x82F63B78u : t[i] >> 1;
    }
    return t;
  }();
  uint32_t crc = ~0u;
  for (const char c : text) crc = crc >> 8 ^ table[(crc ^ uint8_t(c)) & 255];
  return ~crc;
}

}  // namespace

uint32_t masked_crc32c(const std::string& text) {
  const uint32_t crc = crc32c(text);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

std::string event_record(const std::string& event) {
  const std::string length = little_endian(uint64_t(event.size()));
  return length + little_endian(masked_crc32c(length)) + event + little_endian(masked_crc32c(event));
}

EventFile::EventFile(const std::string& folder, int64_t first_step) {
  const double time = now();
  for (int n = 0; !file_.open(); ++n) {
    char name[80];
    std::snprintf(name, sizeof name, "/events.out.tfevents.%010lld.adder.%d.%d", static_cast<long long>(time), int(getpid()), n);
    path_ = folder + name;
    file_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644));
    if (!file_.open() && errno != EEXIST) throw Error("cannot write " + path_ + ": " + errno_text());
  }
  record(event(time, 0, bytes(3, "brain.Event:2")));
  record(event(time, first_step, bytes(7, integer(1, 1))));  // SessionLog: START
}

void EventFile::write(int64_t step, const Metrics& metrics, const Histograms& histograms) {
  std::string summary;
  for (const auto& [name, value] : metrics) summary += bytes(1, bytes(1, name) + real32(2, float(value)));
  for (const auto& [name, histogram] : histograms)
    if (histogram.total() > 0) summary += bytes(1, bytes(1, name) + bytes(5, histogram_bytes(histogram)));
  record(event(now(), step, bytes(5, summary)));
}

void EventFile::record(const std::string& event) { append(file_, path_, event_record(event)); }
void EventFile::sync() { adder::sync(file_, path_); }

}  // namespace adder
