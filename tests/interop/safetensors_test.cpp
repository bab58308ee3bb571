#include "framework/interop/safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "framework/core/error.h"

namespace adder {
namespace {

std::string temp(const std::string& name) {
  return testing::TempDir() + testing::UnitTest::GetInstance()->current_test_info()->name() + "_" + name;
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc).write(bytes.data(), std::streamsize(bytes.size()));
}

std::string bytes_of_file(const std::string& path) { return read_text_file(path); }

std::string file_of(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

// The text of the error that opening these bytes (and loading every tensor) gives; "" where there is none.
std::string error_of(const std::string& bytes) {
  const std::string path = temp("case.safetensors");
  write_bytes(path, bytes);
  try {
    const SafetensorsFile file(path);
    for (const auto& entry : file.entries()) {
      const Tensor t = file.load(entry);
      EXPECT_EQ(t.shape(), entry.shape);
    }
    return "";
  } catch (const UnreadableError& error) {
    EXPECT_NE(std::string(error.what()).find("case.safetensors"), std::string::npos) << error.what();
    return error.what();
  }
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

testing::AssertionResult says(const std::string& bytes, const std::string& part) {
  const std::string error = error_of(bytes);
  if (error.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "error \"" << error << "\" lacks \"" << part << "\"";
}

TEST(Safetensors, RoundTrip) {
  const std::string path = temp("round.safetensors");
  const Tensor a = Tensor::from<float>({2, 3}, std::vector<float>{1, -2, 0.5f, 1e-40f, INFINITY, -0.0f});
  const Tensor b = Tensor::from<double>({2}, std::vector<double>{1.0 / 3, -1e300});
  const Tensor c = Tensor::from<int32_t>({3}, std::vector<int32_t>{-1, 0, 7});
  write_safetensors(
      path, {{"a", a}, {"b", b}, {"c", c}, {"none", Tensor::empty({0, 4})}, {"one", Tensor::full({}, 3)},
             {"half", Tensor::full({3}, 1.5).to(DType::bf16)}});
  const SafetensorsFile file(path);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.entries().size(), 6u);
  EXPECT_EQ(std::memcmp(file.load("a").raw(), a.raw(), 24), 0);
  EXPECT_EQ(std::memcmp(file.load("b").raw(), b.raw(), 16), 0);
  EXPECT_EQ(std::memcmp(file.load("c").raw(), c.raw(), 12), 0);
  EXPECT_EQ(file.load("none").shape(), (Shape{0, 4}));
  EXPECT_EQ(file.load("one").item(), 3);
  EXPECT_EQ(file.load("half").item(2), 1.5);
  for (const SafetensorsEntry& entry : file.entries()) {
    if (entry.name != "half") continue;
    EXPECT_EQ(entry.dtype, "BF16");
    EXPECT_EQ(entry.end - entry.begin, 6u);
  }
  EXPECT_THROW(file.load("missing"), UnreadableError);
  uint64_t length = 0;
  std::memcpy(&length, bytes_of_file(path).data(), 8);
  EXPECT_EQ(length % 8, 0u);
}

TEST(Safetensors, HalfTypesWidenExactly) {
  const uint16_t f16[] = {0x3c00, 0xc000, 0x0001, 0x83ff, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x8000};
  const uint16_t bf16[] = {0x3f80, 0xc000, 0x0001, 0x7f80};
  const std::string data(reinterpret_cast<const char*>(f16), sizeof f16);
  const std::string path = temp("half.safetensors");
  write_bytes(path, file_of("{\"h\":" + entry("F16", "[9]", "[0,18]") +
                                ",\"b\":" + entry("BF16", "[4]", "[18,26]") + "}",
                            data + std::string(reinterpret_cast<const char*>(bf16), sizeof bf16)));
  const SafetensorsFile file(path);
  const Tensor kept = file.load("h");
  const float* h = kept.data<float>();
  const float want[] = {1, -2, 0x1p-24f, -1023 * 0x1p-24f, 65504, INFINITY, -INFINITY};
  for (int i = 0; i < 7; ++i) EXPECT_EQ(h[i], want[i]) << i;
  EXPECT_TRUE(std::isnan(h[7]));
  EXPECT_TRUE(h[8] == 0 && std::signbit(h[8]));
  const Tensor b = file.load("b");
  EXPECT_EQ(b.item(0), 1);
  EXPECT_EQ(b.item(1), -2);
  EXPECT_EQ(b.item(2), 0x1p-133);
  EXPECT_EQ(b.item(3), INFINITY);
}

TEST(Safetensors, IntegersBecomeInt32OrAnError) {
  const int64_t wide[] = {-5, 1'000'000};
  const std::string header = "{\"i\":" + entry("I64", "[2]", "[0,16]") + "}";
  const std::string path = temp("int.safetensors");
  write_bytes(path, file_of(header, std::string(reinterpret_cast<const char*>(wide), 16)));
  const Tensor t = SafetensorsFile(path).load("i");
  EXPECT_EQ(t.dtype(), DType::i32);
  EXPECT_EQ(t.item(0), -5);
  EXPECT_EQ(t.item(1), 1'000'000);
  const int64_t too_wide[] = {0, int64_t{1} << 31};
  EXPECT_TRUE(says(file_of(header, std::string(reinterpret_cast<const char*>(too_wide), 16)),
                   "does not fit in int32"));
  EXPECT_TRUE(says(file_of("{\"u\":" + entry("U8", "[2]", "[0,2]") + "}", "ab"), ""));
  EXPECT_TRUE(
      says(file_of("{\"q\":" + entry("F8_E4M3", "[2]", "[0,2]") + "}", "ab"), "which Adder does not read"));
}

TEST(Safetensors, RefusesWhatTheFormatForbids) {
  const std::string four(16, '\0');
  const auto one = [&](const std::string& body, const std::string& data) {
    return file_of("{\"x\":" + body + "}", data);
  };
  EXPECT_EQ(error_of(one(entry("F32", "[4]", "[0,16]"), four)), "");
  EXPECT_TRUE(says(one(entry("F32", "[4]", "[0,10]"), four.substr(0, 10)),
                   "tensor \"x\": data_offsets [0, 10] hold 10 bytes, but shape [4] of F32 needs 16; the "
                   "file is damaged"));
  EXPECT_TRUE(says(one(entry("F32", "[4]", "[0,16]"), four.substr(1)), "lie beyond the file"));
  EXPECT_TRUE(says(one(entry("F32", "[4]", "[16,0]"), four), "end before they begin"));
  EXPECT_TRUE(
      says(one(entry("F31", "[4]", "[0,16]"), four), "dtype \"F31\" is unknown, expected one of BOOL"));
  EXPECT_TRUE(says(one(entry("F32", "[-4]", "[0,16]"), four), "\"shape\" holds -4"));
  EXPECT_TRUE(says(one(entry("F32", "[4.0]", "[0,16]"), four), "\"shape\" holds 4.0"));
  EXPECT_TRUE(says(one(entry("F32", "[1e999]", "[0,16]"), four), "case.safetensors"));
  EXPECT_TRUE(says(one(entry("F32", "[99999999999999999999]", "[0,16]"), four),
                   "\"shape\" holds 99999999999999999999"));
  EXPECT_TRUE(says(one(entry("F32", "[4294967296,4294967296]", "[0,16]"), four), "is too large"));
  EXPECT_TRUE(says(one(entry("F32", "[0,4294967296,4294967296]", "[0,0]"), ""), "is too large"));
  EXPECT_TRUE(says(one(entry("F32", "[4611686018427387904,4]", "[0,0]"), ""), "is too large"));
  EXPECT_TRUE(says(one(entry("F4", "[3]", "[0,1]"), "a"), "fills no whole bytes"));
  EXPECT_TRUE(
      says(one(entry("F32", "[\"4\"]", "[0,16]"), four), "\"shape\" holds a string, expected numbers"));
  EXPECT_TRUE(says(one(entry("F32", "[[4]]", "[0,16]"), four), "\"shape\" holds an array, expected numbers"));
  EXPECT_TRUE(says(one(entry("F32", "[4]", "[0]"), four), "must be two numbers, found 1"));
  EXPECT_TRUE(says(one(entry("F32", "[4]", "[0,16,20]"), four), "more than two numbers"));
  EXPECT_TRUE(says(one(entry("F32", "4", "[0,16]"), four), "\"shape\" is a number, expected an array"));
  EXPECT_TRUE(says(one(R"({"dtype":"F32","shape":[4]})", four), "has no \"data_offsets\""));
  EXPECT_TRUE(says(one(R"({"dtype":"F32","dtype":"F32"})", four), "\"dtype\" stands twice"));
  EXPECT_TRUE(says(one(R"({"color":1})", four), "unknown key \"color\""));
  EXPECT_TRUE(says(one("7", four), "tensor \"x\" is a number, expected an object"));
  EXPECT_TRUE(says(one("null", four), "tensor \"x\" is null"));
  std::string axes = "[1";
  for (int i = 0; i < 40; ++i) axes += ",1";
  EXPECT_TRUE(says(one(entry("F32", axes + "]", "[0,4]"), four.substr(0, 4)), "more than 8 axes"));
}

TEST(Safetensors, RefusesBadHeadersAndLayouts) {
  const std::string x = entry("F32", "[1]", "[0,4]"), y = entry("F32", "[1]", "[4,8]");
  const std::string eight(8, '\0');
  EXPECT_EQ(error_of(file_of("{\"x\":" + x + ",\"y\":" + y + "}   ", eight)), "");
  EXPECT_EQ(error_of(file_of("{}", "")), "");
  EXPECT_TRUE(says(file_of("{\"x\":" + x + ",\"x\":" + y + "}", eight), "the name \"x\" stands twice"));
  EXPECT_TRUE(
      says(file_of("{\"x\":" + x + ",\"y\":" + entry("F32", "[1]", "[2,6]") + "}", eight), "they overlap"));
  EXPECT_TRUE(says(file_of("{\"x\":" + x + ",\"y\":" + x + "}", eight), "they overlap"));
  EXPECT_TRUE(says(file_of("{\"y\":" + y + "}", eight), "a gap lies between"));
  EXPECT_TRUE(says(file_of("{\"x\":" + x + "}", eight), "end at data byte 4, but the file holds 8"));
  EXPECT_TRUE(
      says(file_of(R"({"__metadata__":{"a":1}})", ""), "__metadata__ \"a\" is a number, expected a string"));
  EXPECT_TRUE(says(file_of(R"({"__metadata__":{"a":"1","a":"2"}})", ""), "twice"));
  EXPECT_TRUE(says(file_of(R"({"__metadata__":{"a":{}}})", ""), "is an object, expected a string"));
  EXPECT_TRUE(says(file_of("[]", ""), "does not begin with \"{\""));
  EXPECT_TRUE(says(file_of(" {}", ""), "does not begin with \"{\""));
  EXPECT_TRUE(says(file_of("{\"a\xff\":1}", ""), "not valid JSON in UTF-8"));
  EXPECT_TRUE(says(file_of("{}{}", ""), "not valid JSON"));
  EXPECT_TRUE(says("", "needs at least 8"));
  EXPECT_TRUE(
      says(std::string(8, '\xff'), "its header claims 18446744073709551615 bytes, the format allows"));
  EXPECT_TRUE(says(std::string("\x10\0\0\0\0\0\0\0{}", 10), "but only 2 follow"));
  EXPECT_TRUE(says(file_of(std::string(100'000, '{'), ""), "case.safetensors"));
  // A name that would move the terminal's cursor is shown escaped.
  EXPECT_TRUE(says(file_of("{\"\\u001b[2J\":7}", ""), "\"\\u001b[2J\""));
  EXPECT_THROW(SafetensorsFile{testing::TempDir()}, UnreadableError);
  EXPECT_THROW(SafetensorsFile{temp("nowhere")}, UnreadableError);
}

// Whatever is done to a file, it is either refused or read within its bounds.
TEST(Safetensors, EveryTruncationAndEveryFlippedBitIsAnErrorOrValid) {
  const std::string path = temp("fuzz.safetensors");
  write_safetensors(path, {{"a", Tensor::full({2, 3}, 1)}, {"b", Tensor::full({2}, 2, DType::f64)}});
  const std::string good = bytes_of_file(path);
  ASSERT_EQ(error_of(good), "");
  for (size_t length = 0; length < good.size(); ++length)
    EXPECT_NE(error_of(good.substr(0, length)), "") << "truncated to " << length;
  EXPECT_NE(error_of(good + "x"), "");
  int refused = 0;
  for (size_t at = 0; at < good.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = char(bad[at] ^ (1 << bit));
      refused += error_of(bad) != "";
    }
  EXPECT_GT(refused, 1000);
}

TEST(SafetensorsFolder, ReadsShardsAndChecksTheIndex) {
  namespace fs = std::filesystem;
  const std::string folder = temp("shards");
  fs::remove_all(folder);
  fs::create_directories(folder);
  EXPECT_THROW(SafetensorsFolder{folder}, UnreadableError);
  write_safetensors(folder + "/one.safetensors", {{"a", Tensor::full({2}, 1)}});
  write_safetensors(folder + "/two.safetensors", {{"b", Tensor::full({3}, 2)}});
  const auto index = [&](const std::string& map) {
    write_bytes(folder + "/model.safetensors.index.json",
                R"({"metadata":{"total_size":20},"weight_map":)" + map + "}");
    try {
      const SafetensorsFolder shards(folder);
      return std::string(
          shards.items().size() == 2 && shards.find("b")->file->load("b").item(2) == 2 ? "good" : "bad");
    } catch (const UnreadableError& error) {
      return std::string(error.what());
    }
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_EQ(index(R"({"a":"one.safetensors","b":"two.safetensors"})"), "good");
  EXPECT_TRUE(has(index(R"({"a":"two.safetensors","b":"two.safetensors"})"), "that file does not hold it"));
  EXPECT_TRUE(has(index(R"({"a":"../one.safetensors"})"), "expected a file of this folder"));
  EXPECT_TRUE(has(index(R"({"a":"one.safetensors","b":"three.safetensors"})"),
                  "three.safetensors: cannot be opened"));
  EXPECT_TRUE(has(index(R"({"a":7})"), "is not the name of a file"));
  EXPECT_TRUE(has(index("7"), "weight_map"));
  EXPECT_TRUE(has(index("{"), "not valid JSON"));
  write_safetensors(folder + "/two.safetensors", {{"b", Tensor::full({3}, 2)}, {"c", Tensor::full({1}, 2)}});
  EXPECT_TRUE(has(index(R"({"a":"one.safetensors","b":"two.safetensors"})"), "\"c\" is not listed"));
  write_safetensors(folder + "/two.safetensors", {{"a", Tensor::full({3}, 2)}, {"b", Tensor::full({1}, 2)}});
  EXPECT_TRUE(has(index(R"({"a":"one.safetensors","b":"two.safetensors"})"), "stands in a second shard too"));
}

}  // namespace
}  // namespace adder
