#include "framework/training/checkpoint.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "framework/core/error.h"
#include "framework/data/hdf5.h"
#include "framework/training/checkpoint_block.h"
#include "framework/training/durable_file.h"

namespace adder {
namespace {

namespace fs = std::filesystem;

std::string fresh_folder(const std::string& name) {
  const std::string folder = testing::TempDir() + "checkpoint_test_" + name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc).write(bytes.data(), std::streamsize(bytes.size()));
}

Tensor numbered(const Shape& shape, double start, DType dtype = DType::f32) {
  const Tensor t = Tensor::empty(shape, dtype);
  for (int64_t i = 0; i < t.size(); ++i) {
    if (dtype == DType::f32)
      t.data<float>()[i] = float(start + double(i) / 7);
    else if (dtype == DType::f64)
      t.data<double>()[i] = start + double(i) / 7;
    else
      t.data<int32_t>()[i] = int32_t(start) + int32_t(i);
  }
  return t;
}

Checkpoint example(int64_t step) {
  Checkpoint c;
  const double s = double(step);
  c.model = {{"embedding.weight", numbered({5, 4}, s)},
             {"blocks.0.norm.weight", numbered({4}, s + 1, DType::f64)}};
  c.optimizer = {
      {"v", {{"embedding.weight", numbered({5, 4}, s + 2)}, {"blocks.0.norm.weight", numbered({4}, s + 3)}}},
      {"m", {{"embedding.weight", numbered({5, 4}, s + 4)}}}};
  c.carried = {{"blocks.0.mixer.conv", numbered({2, 3, 4}, s + 5)},
               {"positions", numbered({2}, 6, DType::i32)}};
  c.step = step;
  c.tokens = step * 64;
  c.best_loss = 1.0 / 3;
  c.best_step = step - 1;
  c.data_cursor = 17;
  c.config_json = R"({"name":"ünïcode","model":{"d_model":4}})";
  c.tokenizer_json = "{\"chars\":\"\\u0000ab\"}";
  c.data_hash = "0123456789abcdef";
  c.source_json = "{}";
  c.attributes = {{"time", "2026-01-01T00:00:00Z"}, {"host", "here"}, {"version", "1"}};
  return c;
}

void expect_equal(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].name, b[i].name);
    ASSERT_EQ(a[i].value.shape(), b[i].value.shape());
    ASSERT_EQ(a[i].value.dtype(), b[i].value.dtype());
    const size_t bytes = size_t(a[i].value.size()) * bytes_of(a[i].value.dtype());
    EXPECT_EQ(std::memcmp(a[i].value.raw(), b[i].value.raw(), bytes), 0) << a[i].name;
  }
}

void expect_equal(const Checkpoint& a, const Checkpoint& b) {
  expect_equal(a.model, b.model);
  ASSERT_EQ(a.optimizer.size(), b.optimizer.size());
  for (size_t i = 0; i < a.optimizer.size(); ++i) {
    EXPECT_EQ(a.optimizer[i].first, b.optimizer[i].first);
    expect_equal(a.optimizer[i].second, b.optimizer[i].second);
  }
  expect_equal(a.carried, b.carried);
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_TRUE(a.best_loss == b.best_loss || (std::isnan(a.best_loss) && std::isnan(b.best_loss)));
  EXPECT_EQ(a.best_step, b.best_step);
  EXPECT_EQ(a.data_cursor, b.data_cursor);
  EXPECT_EQ(a.config_json, b.config_json);
  EXPECT_EQ(a.tokenizer_json, b.tokenizer_json);
  EXPECT_EQ(a.data_hash, b.data_hash);
  EXPECT_EQ(a.source_json, b.source_json);
  EXPECT_EQ(a.attributes, b.attributes);
}

template <class E>
std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

std::string unreadable(const std::string& path) {
  return error_of<UnreadableError>([&] { read_checkpoint(path); });
}

testing::AssertionResult has(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << text << "\" lacks \"" << part << "\"";
}

int files_in(const std::string& folder) {
  return int(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(Checkpoint, RoundTrip) {
  const std::string folder = fresh_folder("round"), path = folder + "/a.h5";
  write_checkpoint(path, example(250));
  expect_equal(read_checkpoint(path), example(250));
  EXPECT_EQ(files_in(folder), 1);
  write_checkpoint(path, example(251));  // replaces
  expect_equal(read_checkpoint(path), example(251));
  EXPECT_TRUE(looks_complete(path));

  const Checkpoint model_only = read_checkpoint(path, ReadParts::model);
  expect_equal(model_only.model, example(251).model);
  EXPECT_TRUE(model_only.optimizer.empty());
  EXPECT_TRUE(model_only.carried.empty());
  EXPECT_EQ(model_only.step, 251);
}

TEST(Checkpoint, EmptyPartsComeBackEmpty) {
  const std::string path = fresh_folder("empty") + "/a.h5";
  write_checkpoint(path, Checkpoint{});
  expect_equal(read_checkpoint(path), Checkpoint{});
}

TEST(Checkpoint, NamesInTheFileExplainThemselves) {
  const std::string path = fresh_folder("names") + "/a.h5";
  write_checkpoint(path, example(3));
  const Hdf5File file = Hdf5File::open(path);
  EXPECT_TRUE(file.exists("/model/blocks.0.norm.weight"));
  EXPECT_TRUE(file.exists("/optimizer/m/embedding.weight"));
  EXPECT_TRUE(file.exists("/carried/blocks.0.mixer.conv"));
  EXPECT_EQ(file.read_int64("/state/step"), 3);
  EXPECT_EQ(file.read_string("/meta/config"), example(3).config_json);
  EXPECT_EQ(file.string_attribute("/", "host"), "here");
}

TEST(Checkpoint, EqualStatesGiveEqualBytes) {
  const std::string folder = fresh_folder("bytes");
  Checkpoint c = example(9);
  c.attributes.clear();
  c.best_loss = std::nan("17");
  write_checkpoint(folder + "/a.h5", c);
  c.best_loss = -std::nan("");
  write_checkpoint(folder + "/b.h5", c);
  EXPECT_EQ(read_text_file(folder + "/a.h5"), read_text_file(folder + "/b.h5"));
}

TEST(Checkpoint, EveryFlippedByteIsFound) {
  const std::string folder = fresh_folder("flip"), path = folder + "/a.h5", bad_path = folder + "/bad.h5";
  write_checkpoint(path, example(1));
  const std::string good = read_text_file(path);
  const size_t step = good.size() / 400 + 1;
  for (size_t at = 0; at < good.size(); at += at < kBlockBytes ? 1 : step) {
    std::string bad = good;
    bad[at] = char(bad[at] ^ (1 << (at % 8)));
    write_bytes(bad_path, bad);
    const std::string error = unreadable(bad_path);
    EXPECT_TRUE(has(error, "bad.h5: is damaged")) << "byte " << at;
    EXPECT_EQ(looks_complete(bad_path), at >= kBlockBytes) << "byte " << at;
  }
}

TEST(Checkpoint, EveryTruncationIsFound) {
  const std::string folder = fresh_folder("cut"), path = folder + "/a.h5", bad_path = folder + "/bad.h5";
  write_checkpoint(path, example(1));
  const std::string good = read_text_file(path);
  for (size_t length = 0; length < good.size(); length += length < 600 ? 1 : 97) {
    write_bytes(bad_path, good.substr(0, length));
    const std::string error = unreadable(bad_path);
    EXPECT_TRUE(has(
        error, length == 0 ? "bad.h5: is empty" : "bad.h5: is truncated: found " + std::to_string(length)));
    const std::string expected = length == 0            ? "expected an Adder"
                                 : length < kBlockBytes ? "expected more than 512"
                                                        : "expected " + std::to_string(good.size());
    EXPECT_TRUE(has(error, expected));
    EXPECT_FALSE(looks_complete(bad_path));
  }
  write_bytes(bad_path, good + "x");
  EXPECT_TRUE(has(unreadable(bad_path), "something was appended"));
}

TEST(Checkpoint, ErrorsTellTheCasesApart) {
  const std::string folder = fresh_folder("cases"), path = folder + "/a.h5";
  EXPECT_TRUE(has(unreadable(folder + "/none.h5"), "none.h5: cannot be opened: No such file"));
  EXPECT_TRUE(has(unreadable(folder), "is a folder"));
  write_bytes(path, std::string(2000, 'x'));
  EXPECT_TRUE(has(unreadable(path), "is not an Adder checkpoint"));
  write_bytes(path, "short");
  EXPECT_TRUE(has(unreadable(path), "is not an Adder checkpoint"));
  Hdf5File::create(path).close();
  EXPECT_TRUE(has(unreadable(path), "is not an Adder checkpoint"));

  write_checkpoint(path, example(1));
  std::string newer = read_text_file(path);
  CheckpointBlock block = read_block(open_for_reading(path), path);
  block.version = kCheckpointVersion + 1;
  const BlockBytes bytes = encode(block);
  std::memcpy(newer.data(), bytes.data(), bytes.size());
  write_bytes(path, newer);
  EXPECT_TRUE(has(unreadable(path), "of format 2, this adder reads 1"));
}

// A sound file that lacks a dataset, or holds one of another type: written as an adder with a fault would.
std::string sealed(const std::string& path, const std::function<void(Hdf5File&)>& fill) {
  Hdf5File file = Hdf5File::create(path, kBlockBytes);
  fill(file);
  file.close();
  CheckpointBlock block;
  block.version = kCheckpointVersion;
  const Descriptor opened = open_for_reading(path);
  block.length = file_size(opened, path);
  block.checksum = checksum_after_block(opened, path, block.length);
  const BlockBytes bytes = encode(block);
  std::fstream(path, std::ios::binary | std::ios::in | std::ios::out)
      .write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
  return path;
}

TEST(Checkpoint, MissingAndWrongDatasetsAreNamed) {
  const std::string path = fresh_folder("datasets") + "/a.h5";
  const auto groups = [](Hdf5File& file) {
    for (const char* group : {"/model", "/optimizer", "/carried"}) file.create_group(group);
  };
  EXPECT_TRUE(has(unreadable(sealed(path, [](Hdf5File&) {})), "no group /model"));
  EXPECT_TRUE(has(unreadable(sealed(path, groups)), "no dataset /state/step"));
  EXPECT_TRUE(has(unreadable(sealed(path,
                                    [&](Hdf5File& file) {
                                      groups(file);
                                      file.write_string("/state/step", "three");
                                    })),
                  "dataset /state/step: found string"));
  EXPECT_TRUE(has(unreadable(sealed(path,
                                    [&](Hdf5File& file) {
                                      groups(file);
                                      file.write("/model/head.weight", Tensor::zeros({2}, DType::i32));
                                    })),
                  "dataset /model/head.weight is of type int32"));
  EXPECT_TRUE(has(unreadable(sealed(path,
                                    [&](Hdf5File& file) {
                                      groups(file);
                                      file.write("/optimizer/loose", Tensor::zeros({2}));
                                    })),
                  "expected /optimizer/<slot>/<name>"));

  const std::vector<NamedTensor> tensors = {{"a", Tensor::zeros({2, 3})}};
  EXPECT_EQ(require_tensor(path, "/model", tensors, "a", {2, 3}).size(), 6);
  EXPECT_TRUE(has(error_of<UnreadableError>([&] {
                    require_tensor(path, "/model", tensors, "a", {3, 2});
                  }),
                  "/model/a has shape [2, 3], expected [3, 2]"));
  EXPECT_TRUE(has(error_of<UnreadableError>([&] { require_tensor(path, "/model", tensors, "b", {3}); }),
                  "/model/b is missing, expected shape [3]"));
}

// ---- killed, full, forbidden ------------------------------------------------------------------------------

// Runs f in a child; returns its wait status.
int in_child(const std::function<void()>& f) {
  const pid_t pid = fork();
  if (pid == 0) {
    try {
      f();
    } catch (const Error&) {
      _exit(7);
    }
    _exit(0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}

TEST(Checkpoint, KilledAtEveryStopPointTheOldOrTheNewOneIsThere) {
  int kills = 0;
  for (const std::string& point : writer_stop_points()) {
    for (const int nth : {1, 2, 3}) {
      const std::string folder = fresh_folder("kill"), path = folder + "/a.h5";
      write_checkpoint(path, example(100));
      const int status = in_child([&] {
        setenv("ADDER_STOP_WRITING", (point + ":" + std::to_string(nth)).c_str(), 1);
        for (int64_t step = 101; step <= 105; ++step) write_checkpoint(path, example(step));
      });
      ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << point << ":" << nth;
      ++kills;
      const bool renamed = point == "renamed" || point == "done";
      expect_equal(read_checkpoint(path), example(100 + nth - (renamed ? 0 : 1)));
      EXPECT_EQ(files_in(folder), renamed ? 1 : 2) << point;
      write_checkpoint(folder + "/b.h5", example(7));  // the next writer sweeps
      EXPECT_EQ(files_in(folder), 2) << point;
    }
  }
  EXPECT_EQ(kills, 21);
  RecordProperty("kills", kills);
}

TEST(Checkpoint, AMistypedStopPointIsRefused) {
  const std::string path = fresh_folder("stop") + "/a.h5";
  for (const char* text : {"nowhere", "half:0", "half:x"}) {
    setenv("ADDER_STOP_WRITING", text, 1);
    EXPECT_TRUE(has(error_of<UsageError>([&] { write_checkpoint(path, example(1)); }), "created, half, data"))
        << text;
  }
  unsetenv("ADDER_STOP_WRITING");
  EXPECT_FALSE(fs::exists(path));
}

TEST(Checkpoint, AFullDiskLeavesTheOldFileAndNoHalfOne) {
  const std::string folder = fresh_folder("full"), path = folder + "/a.h5";
  write_checkpoint(path, example(1));
  Checkpoint large = example(2);
  large.model.push_back({"large", Tensor::zeros({1 << 18})});
  const int status = in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{512 << 10, 512 << 10};
    setrlimit(RLIMIT_FSIZE, &limit);
    const std::string error = error_of<Error>([&] { write_checkpoint(path, large); });
    if (!has(error, "cannot write " + path + ": File too large")) _exit(3);
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  expect_equal(read_checkpoint(path), example(1));
  EXPECT_EQ(files_in(folder), 1);
}

TEST(Checkpoint, UnwritableFoldersAreNamed) {
  EXPECT_TRUE(has(error_of<Error>([] { write_checkpoint("/no/such/folder/a.h5", example(1)); }),
                  "cannot write /no/such/folder/a.h5: No such file or directory"));
  const std::string folder = fresh_folder("unwritable");
  EXPECT_TRUE(
      has(error_of<Error>([&] { write_checkpoint(folder, example(1)); }), "cannot write " + folder + ": "));
  EXPECT_TRUE(fs::is_directory(folder));
  const std::string file = folder + "/file";
  write_bytes(file, "x");
  EXPECT_TRUE(has(error_of<Error>([&] { write_checkpoint(file + "/a.h5", example(1)); }), "Not a directory"));
  if (geteuid() != 0) {
    chmod(folder.c_str(), 0500);
    EXPECT_TRUE(
        has(error_of<Error>([&] { write_checkpoint(folder + "/a.h5", example(1)); }), "Permission denied"));
    chmod(folder.c_str(), 0700);
  }
}

TEST(Checkpoint, BadNamesAreRefusedWithoutALeftover) {
  const std::string folder = fresh_folder("twice");
  Checkpoint c = example(1);
  c.model.push_back(c.model.front());
  EXPECT_TRUE(has(error_of<Error>([&] { write_checkpoint(folder + "/a.h5", c); }), "is there already"));
  c.model.back().name = "a/b";
  EXPECT_TRUE(has(error_of<Error>([&] { write_checkpoint(folder + "/a.h5", c); }), "\"a/b\" is no name"));
  EXPECT_EQ(files_in(folder), 0);
}

TEST(DurableFile, SweepsOnlyWhatDeadWritersLeft) {
  const std::string folder = fresh_folder("sweep");
  const pid_t dead = fork();
  if (dead == 0) _exit(0);
  waitpid(dead, nullptr, 0);
  write_bytes(folder + "/a.h5." + std::to_string(dead) + ".adder-tmp", "x");
  write_bytes(folder + "/b.h5." + std::to_string(getppid()) + ".adder-tmp", "x");
  write_bytes(folder + "/c.h5.123.tmp", "x");
  write_bytes(folder + "/d.adder-tmp", "x");
  EXPECT_EQ(remove_stale_temporaries(folder), 1);
  EXPECT_EQ(files_in(folder), 3);
  EXPECT_EQ(remove_stale_temporaries(folder, true), 1);
  EXPECT_EQ(files_in(folder), 2);
  EXPECT_EQ(remove_stale_temporaries(folder + "/nowhere"), 0);
}

}  // namespace
}  // namespace adder
