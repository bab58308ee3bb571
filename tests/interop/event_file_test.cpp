// TensorBoard's records, byte by byte, and what a run's file holds.
#include "framework/interop/event_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/data/files.h"

namespace adder {
namespace {

using testing_data::fresh_folder;

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes += char(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

template <class T>
T number_at(const std::string& text, size_t at) {
  T value;
  std::memcpy(&value, text.data() + at, sizeof value);
  return value;
}

// The events of a file; each record's checksums are held.
std::vector<std::string> events_of(const std::string& file) {
  std::vector<std::string> events;
  for (size_t at = 0; at < file.size();) {
    const size_t length = size_t(number_at<uint64_t>(file, at));
    EXPECT_EQ(number_at<uint32_t>(file, at + 8), masked_crc32c(file.substr(at, 8)));
    events.push_back(file.substr(at + 12, length));
    EXPECT_EQ(number_at<uint32_t>(file, at + 12 + length), masked_crc32c(events.back()));
    at += length + 16;
  }
  return events;
}

// A protocol buffer's fields: number, and value as bytes.
std::vector<std::pair<int, std::string>> fields(const std::string& message) {
  size_t at = 0;
  const auto varint = [&] {
    uint64_t x = 0;
    for (int shift = 0;; shift += 7) {
      const uint8_t byte = uint8_t(message.at(at++));
      x |= uint64_t(byte & 127) << shift;
      if (byte < 128) return x;
    }
  };
  std::vector<std::pair<int, std::string>> list;
  while (at < message.size()) {
    const uint64_t key = varint();
    const size_t fixed = (key & 7) == 1 ? 8 : (key & 7) == 5 ? 4 : 0;
    if ((key & 7) == 0) {
      const uint64_t value = varint();
      list.emplace_back(int(key >> 3), std::string(reinterpret_cast<const char*>(&value), 8));
      continue;
    }
    const size_t size = fixed ? fixed : size_t(varint());
    list.emplace_back(int(key >> 3), message.substr(at, size));
    at += size;
  }
  return list;
}

std::string field(const std::string& message, int number) {
  for (const auto& [n, value] : fields(message))
    if (n == number) return value;
  return "";
}

// As TensorFlow writes them: a file's first record, and a scalar's.
TEST(EventFile, RecordsAreTensorFlows) {
  EXPECT_EQ(masked_crc32c("123456789"), 0xc78ab0e5u);
  for (const char* hex : {"1800000000000000a37f4b220900000040fc54d9411a0d627261696e2e4576656e743a32eced8f9d",
                          "200000000000000029eda9500900004040fc54d94110012a130a110a0a747261696e2f6c6f7373150000204035305392"}) {
    const std::string record = from_hex(hex);
    EXPECT_EQ(event_record(record.substr(12, record.size() - 16)), record);
  }
}

TEST(EventFile, HoldsScalarsAndHistograms) {
  Histogram h;
  for (const double x : {0.75, -0.75, 3.0, 0.0}) h.add(x);
  EventFile events(fresh_folder(), 7);
  events.write(7, {{"train/loss", 2.5}, {"health/nothing", std::nan("")}}, {{"health/histogram/gradient/head", h}});
  const std::vector<std::string> list = events_of(read_text_file(events.path()));
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(field(list[0], 3), "brain.Event:2");
  EXPECT_EQ(number_at<int64_t>(field(list[1], 2), 0), 7) << "older files are void from this step on";
  EXPECT_EQ(number_at<int64_t>(field(field(list[1], 7), 1), 0), 1);
  EXPECT_EQ(number_at<int64_t>(field(list[2], 2), 0), 7);
  const auto values = fields(field(list[2], 5));
  ASSERT_EQ(values.size(), 3u);
  EXPECT_EQ(field(values[0].second, 1), "train/loss");
  EXPECT_EQ(number_at<float>(field(values[0].second, 2), 0), 2.5f);
  EXPECT_TRUE(std::isnan(number_at<float>(field(values[1].second, 2), 0)));
  const std::string histogram = field(values[2].second, 5), edges = field(histogram, 6), counts = field(histogram, 7);
  EXPECT_EQ(number_at<double>(field(histogram, 2), 0), 4);
  EXPECT_EQ(number_at<double>(field(histogram, 3), 0), 4);
  ASSERT_EQ(edges.size(), counts.size());
  const size_t last = edges.size() - 8;
  EXPECT_EQ(number_at<double>(edges, last), 4);
  EXPECT_EQ(number_at<double>(counts, last), 1) << "3 lies between 2 and 4";
  EXPECT_EQ(number_at<double>(counts, last - 16), 2) << "0.75 between 0.5 and 1";
  EXPECT_EQ(number_at<double>(counts, 0), 1) << "0 below all others";
}

TEST(EventFile, TwoInOneSecondAreTwo) {
  const std::string folder = fresh_folder();
  EXPECT_NE(EventFile(folder, 1).path(), EventFile(folder, 1).path());
}

}  // namespace
}  // namespace adder
