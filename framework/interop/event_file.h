// TensorBoard's event files, written without TensorFlow. A record is
//   u64 length | u32 masked CRC-32C of the length | Event | u32 masked CRC-32C of it,   little-endian
// and an Event is a protocol buffer: {1 wall time, 2 step, 3 version | 5 summary | 7 session log}.
#pragma once
#include "framework/training/metrics.h"

namespace adder {

class EventFile {
 public:
  // A new file in `folder`, events.out.tfevents.<seconds>.adder.<pid>.<n>. It begins with a session log of `first_step`:
  // what older files there hold from that step on is void, so that a resumed run shows no step twice. An Error names the
  // file and the reason.
  EventFile(const std::string& folder, int64_t first_step);
  // Scalars in float32, histograms as TensorBoard's own (of |x|, their bins). Each call is one record.
  void write(int64_t step, const Metrics& metrics, const Histograms& histograms = {});
  void sync();  // what was written so far survives a power cut
  const std::string& path() const { return path_; }

 private:
  void record(const std::string& event);

  std::string path_;
  Descriptor file_;
};

// For tests: the checksum of a record, and the record around an event.
uint32_t masked_crc32c(const std::string& bytes);
std::string event_record(const std::string& event);

}  // namespace adder
