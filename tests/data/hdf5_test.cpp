#include "framework/data/hdf5.h"

#include <hdf5.h>
#include <sys/resource.h>

#include <csignal>
#include <cmath>

#include "framework/core/error.h"
#include "tests/data/files.h"

namespace adder {
namespace {

using namespace testing_data;

std::string bytes_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Hdf5, TensorsRoundTrip) {
  const std::string path = fresh_folder() + "/t.h5";
  const Tensor a = Tensor::from<float>({2, 3}, {1.5f, -2, 3, 4, 1e-30f, INFINITY});
  const Tensor b = Tensor::from<double>({2}, {1.0 / 3, -0.0});
  const Tensor c = Tensor::from<int32_t>({1, 2, 1}, {-7, 2147483647});
  {
    Hdf5File file = Hdf5File::create(path);
    file.write("/model/blocks.0.norm.weight", a);
    file.write("b", b);
    file.write("/deep/er/c", c);
    file.write("/scalar", Tensor::full({}, 2.5));
    file.write("/none", Tensor::empty({0, 4}));
    file.write("/half", Tensor::full({2}, 1.5).to(DType::bf16));
    file.close();
  }
  const Hdf5File file = Hdf5File::open(path);
  EXPECT_EQ(file.read("/half").dtype(), DType::f32);  // exact, and read by everybody
  EXPECT_EQ(file.read("/half").item(1), 1.5);
  const Tensor a2 = file.read("/model/blocks.0.norm.weight", DType::f32, {2, 3});
  for (int i = 0; i < 6; ++i) EXPECT_EQ(a2.item(i), a.item(i));
  EXPECT_EQ(file.read("/b").dtype(), DType::f64);
  EXPECT_EQ(file.read("/b").item(0), 1.0 / 3);
  EXPECT_TRUE(std::signbit(file.read("b").item(1)));
  EXPECT_EQ(file.read("/deep/er/c").shape(), (Shape{1, 2, 1}));
  EXPECT_EQ(file.read("/deep/er/c").item(1), 2147483647);
  EXPECT_EQ(file.read("/scalar").shape(), Shape{});
  EXPECT_EQ(file.read("/scalar").item(), 2.5);
  EXPECT_EQ(file.read("/none").shape(), (Shape{0, 4}));
}

TEST(Hdf5, StridedTensorIsWrittenRowByRow) {
  const std::string path = fresh_folder() + "/t.h5";
  const Tensor whole = Tensor::from<float>({2, 3}, {0, 1, 2, 3, 4, 5});
  Hdf5File file = Hdf5File::create(path);
  file.write("/part", whole.narrow(1, 1, 2));
  file.close();
  const Tensor read = Hdf5File::open(path).read("/part");
  EXPECT_EQ(read.shape(), (Shape{2, 2}));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(read.item(i), (std::vector<double>{1, 2, 4, 5})[size_t(i)]);
}

TEST(Hdf5, ScalarsStringsBytesAndAttributes) {
  const std::string path = fresh_folder() + "/t.h5";
  const std::string text = "{\"caf\u00e9\": \"" + std::string(200000, 'x') + "\"}";
  {
    Hdf5File file = Hdf5File::create(path);
    file.write_int64("/step", -5'000'000'000);
    file.write_uint64("/seed", 18446744073709551615u);
    file.write_double("/best", -INFINITY);
    file.write_string("/config", text);
    file.write_string("/empty", "");
    file.write_bytes("/bytes", {0, 255, 7});
    file.write_bytes("/no_bytes", {});
    file.set_attribute("/", "format", "adder");
    file.set_attribute("/", "format", std::string("adder-checkpoint"));
    file.set_attribute("/step", "long", text);
    file.set_attribute("/step", "i", int64_t{-3});
    file.set_attribute("/step", "u", uint64_t{18446744073709551615u});
    file.set_attribute("/step", "d", 0.1);
    EXPECT_HAS(message_of<Error>([&] { file.write_string("/nul", std::string("a\0b", 3)); }), "NUL");
    EXPECT_HAS(message_of<Error>([&] { file.write_int64("/step", 1); }), "dataset /step is there already");
    file.close();
    file.close();
    EXPECT_HAS(message_of<Error>([&] { file.write_int64("/late", 1); }), "after it was closed");
  }
  const Hdf5File file = Hdf5File::open(path);
  EXPECT_EQ(file.read_int64("/step"), -5'000'000'000);
  EXPECT_EQ(file.read_uint64("/seed"), 18446744073709551615u);
  EXPECT_EQ(file.read_double("/best"), -INFINITY);
  EXPECT_EQ(file.read_string("/config"), text);
  EXPECT_EQ(file.read_string("/empty"), "");
  EXPECT_EQ(file.read_bytes("/bytes"), (std::vector<uint8_t>{0, 255, 7}));
  EXPECT_TRUE(file.read_bytes("/no_bytes").empty());
  EXPECT_EQ(file.string_attribute("/", "format"), "adder-checkpoint");
  EXPECT_EQ(file.string_attribute("/step", "long"), text);
  EXPECT_EQ(file.int64_attribute("/step", "i"), -3);
  EXPECT_EQ(file.uint64_attribute("/step", "u"), 18446744073709551615u);
  EXPECT_EQ(file.double_attribute("/step", "d"), 0.1);
  EXPECT_TRUE(file.has_attribute("/step", "i"));
  EXPECT_FALSE(file.has_attribute("/step", "j"));
  EXPECT_HAS(message_of<UnreadableError>([&] { file.int64_attribute("/step", "j"); }),
             "t.h5: attribute j of /step is missing");
  EXPECT_HAS(message_of<UnreadableError>([&] { file.read_int64("/seed"); }), "found 18446744073709551615");
  EXPECT_HAS(message_of<UnreadableError>([&] { file.read_uint64("/step"); }), "expected 0 or more");
  EXPECT_HAS(message_of<UnreadableError>([&] { file.read_int64("/config"); }),
             "found string [], expected an integer");
  EXPECT_HAS(message_of<UnreadableError>([&] { file.read_string("/step"); }),
             "found int64 [], expected a single string");
  EXPECT_HAS(message_of<UnreadableError>([&] { file.read_int64("/bytes"); }),
             "found uint8 [3], expected a single value");
}

TEST(Hdf5, ListsInTheOrderOfCreation) {
  const std::string path = fresh_folder() + "/t.h5";
  {
    Hdf5File file = Hdf5File::create(path);
    file.write("/z/b", Tensor::zeros({3}));
    file.write("/z/a.b.c", Tensor::zeros({2, 2}, DType::f64));
    for (int i = 11; i >= 0; --i) file.write("/many/" + std::to_string(i), Tensor::zeros({1}, DType::i32));
    file.write_string("/a", "x");
    file.create_group("/empty/group");
    EXPECT_TRUE(file.exists("/z"));
    file.close();
  }
  const Hdf5File file = Hdf5File::open(path);
  const auto all = file.datasets();
  ASSERT_EQ(all.size(), 15u);
  EXPECT_EQ(all[0].path, "/z/b");
  EXPECT_EQ(all[0].shape, Shape{3});
  EXPECT_EQ(all[1].path, "/z/a.b.c");
  EXPECT_EQ(all[1].dtype, "float64");
  EXPECT_EQ(all[2].path, "/many/11");
  EXPECT_EQ(all[13].path, "/many/0");
  EXPECT_EQ(all[14].path, "/a");
  EXPECT_EQ(all[14].dtype, "string");
  EXPECT_EQ(file.datasets("many").size(), 12u);
  EXPECT_TRUE(file.datasets("/empty").empty());
  EXPECT_TRUE(file.exists("/") && file.exists("/z/a.b.c") && file.exists("empty/group"));
  EXPECT_FALSE(file.exists("/z/a") || file.exists("/z/b/c") || file.exists("/y/b"));
  EXPECT_HAS(message_of<UnreadableError>([&] { file.datasets("/y"); }), "there is no group /y");
  EXPECT_EQ(file.describe("z/b").path, "/z/b");
}

TEST(Hdf5, ErrorsSayWhatWasFoundAndExpected) {
  const std::string folder = fresh_folder(), path = folder + "/t.h5";
  {
    Hdf5File file = Hdf5File::create(path);
    file.write("/model/x", Tensor::zeros({2}, DType::i32));
    file.close();
  }
  const Hdf5File file = Hdf5File::open(path);
  EXPECT_EQ(message_of<UnreadableError>([&] { file.read("/model/x", DType::f32, {3, 4}); }),
            path + ": dataset /model/x: found int32 [2], expected float32 [3, 4]");
  EXPECT_HAS(message_of<UnreadableError>([&] {
               file.read("/model/x", DType::i32, {2, 1});
             }),
             "expected int32 [2, 1]");
  EXPECT_EQ(message_of<UnreadableError>([&] { file.read("/model/y"); }),
            path + ": there is no dataset /model/y");
  EXPECT_HAS(message_of<UnreadableError>([&] { file.read("/model"); }), "/model can't be read as a dataset");
  for (const char* bad : {"", "//x", "/a//b", "/a/./b", "/a/"})
    EXPECT_THROW(file.exists(bad), UsageError) << bad;
  EXPECT_HAS(message_of<UnreadableError>([&] { Hdf5File::open(folder + "/absent.h5"); }),
             "absent.h5: no such file");
  EXPECT_HAS(message_of<UnreadableError>([&] { Hdf5File::open(folder); }), "is a folder");
  write_file(folder + "/text.h5", "hello");
  EXPECT_HAS(message_of<UnreadableError>([&] { Hdf5File::open(folder + "/text.h5"); }), "is no HDF5 file");
  EXPECT_HAS(message_of<Error>([&] { Hdf5File::create(folder + "/no/such/t.h5"); }),
             "No such file or directory");
  EXPECT_HAS(message_of<Error>([&] { Hdf5File::create(path + "2", 100); }), "user block of 100 bytes");
}

TEST(Hdf5, TruncatedFileIsUnreadable) {
  const std::string folder = fresh_folder(), path = folder + "/t.h5";
  {
    Hdf5File file = Hdf5File::create(path);
    file.write("/x", Tensor::zeros({1000}));
    file.close();
  }
  const std::string bytes = bytes_of_file(path);
  for (const size_t keep : {size_t{1}, size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
    const std::string cut = write_file(folder + "/cut.h5", bytes.substr(0, keep));
    EXPECT_THROW(Hdf5File::open(cut).read("/x"), UnreadableError) << keep;
  }
}

TEST(Hdf5, UserBlockStaysFree) {
  const std::string path = fresh_folder() + "/t.h5";
  {
    Hdf5File file = Hdf5File::create(path, 512);
    file.write("/x", Tensor::full({2}, 3));
    file.flush();
    file.close();
  }
  {
    std::fstream raw(path, std::ios::in | std::ios::out | std::ios::binary);
    raw << std::string(512, 'U');
  }
  EXPECT_EQ(Hdf5File::open(path).read("/x").item(1), 3);
  EXPECT_EQ(bytes_of_file(path).substr(512, 4), "\x89HDF");
}

TEST(Hdf5, SameCallsGiveTheSameBytes) {
  const std::string folder = fresh_folder();
  const auto write = [&](const std::string& path) {
    Hdf5File file = Hdf5File::create(path, 512);
    for (int i = 0; i < 40; ++i) file.write("/model/p." + std::to_string(i), Tensor::full({i + 1}, i));
    file.write_string("/config", "{}");
    file.set_attribute("/", "format", "x");
    file.close();
    return bytes_of_file(path);
  };
  const std::string first = write(folder + "/1.h5");
  struct timespec second { 1, 100'000'000 };  // HDF5's own times count seconds
  nanosleep(&second, nullptr);
  EXPECT_EQ(first, write(folder + "/2.h5"));
}

// Types that others write: made with the C library directly.
TEST(Hdf5, ForeignTypesConvert) {
  const std::string path = fresh_folder() + "/t.h5";
  {
    Hdf5File file = Hdf5File::create(path);
    file.close();
  }
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hsize_t two = 2;
  const hid_t space = H5Screate_simple(1, &two, nullptr);
  const auto put = [&](const char* name, hid_t file_type, hid_t memory_type, const void* values) {
    const hid_t set = H5Dcreate2(id, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ASSERT_GE(H5Dwrite(set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), 0) << name;
    H5Dclose(set);
  };
  const int64_t small[] = {-3, 4}, large[] = {1, 5'000'000'000};
  const uint64_t huge[] = {1, 18446744073709551615u};
  const float floats[] = {0.5f, -2};
  put("i8", H5T_STD_I8LE, H5T_NATIVE_INT64, small);
  put("i16be", H5T_STD_I16BE, H5T_NATIVE_INT64, small);
  put("i64", H5T_STD_I64LE, H5T_NATIVE_INT64, small);
  put("i64_large", H5T_STD_I64LE, H5T_NATIVE_INT64, large);
  put("u32_large", H5T_STD_U32LE, H5T_NATIVE_UINT64, huge);
  put("u64_huge", H5T_STD_U64LE, H5T_NATIVE_UINT64, huge);
  const hid_t half = H5Tcopy(H5T_IEEE_F32LE);
  H5Tset_fields(half, 15, 10, 5, 0, 10);
  H5Tset_size(half, 2);
  H5Tset_ebias(half, 15);
  put("f16", half, H5T_NATIVE_FLOAT, floats);
  const hid_t text = H5Tcopy(H5T_C_S1);
  H5Tset_size(text, 4);
  put("fixed", text, text, "ab\0\0cdef");
  H5Tclose(text), H5Tclose(half), H5Sclose(space), H5Fclose(id);

  const Hdf5File file = Hdf5File::open(path);
  for (const char* name : {"i8", "i16be", "i64"}) {
    EXPECT_EQ(file.read(name).dtype(), DType::i32) << name;
    EXPECT_EQ(file.read(name).item(0), -3) << name;
    EXPECT_EQ(file.read_integers(name), (std::vector<int64_t>{-3, 4})) << name;
  }
  EXPECT_EQ(file.describe("f16").dtype, "float16");
  EXPECT_EQ(file.read("f16").item(1), -2);
  EXPECT_EQ(file.read_integers("i64_large")[1], 5'000'000'000);
  EXPECT_HAS(message_of<UnreadableError>([&] { file.read("i64_large"); }), "element 1 is 5000000000");
  EXPECT_HAS(message_of<UnreadableError>([&] { file.read("u32_large"); }), "element 1 is 4294967295");
  EXPECT_HAS(message_of<UnreadableError>([&] { file.read_integers("u64_huge"); }),
             "found 18446744073709551615");
  EXPECT_HAS(message_of<UnreadableError>([&] { file.read("fixed"); }), "found string [2], expected numbers");
}

TEST(Hdf5, RefusesMoreAxesThanATensorHas) {
  const std::string path = fresh_folder() + "/t.h5";
  {
    Hdf5File file = Hdf5File::create(path);
    file.close();
  }
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const std::vector<hsize_t> nine(9, 1);
  const hid_t space = H5Screate_simple(9, nine.data(), nullptr);
  H5Dclose(H5Dcreate2(id, "deep", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  H5Sclose(space);
  H5Fclose(id);
  const Hdf5File file = Hdf5File::open(path);
  EXPECT_HAS(message_of<UnreadableError>([&] { file.read("/deep"); }), "dataset /deep has 9 axes, expected at most 8");
}

// A file that can't grow reports it, and the program goes on.
TEST(Hdf5, WriteFailureIsReported) {
  const std::string path = fresh_folder() + "/t.h5";
  struct rlimit before {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit tight = before;
  tight.rlim_cur = 1 << 16;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const std::string found = message_of<Error>([&] {
    Hdf5File file = Hdf5File::create(path);
    file.write("/x", Tensor::zeros({1 << 16}));
    file.close();
  });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_HAS(found, "t.h5: ");
  EXPECT_HAS(found, "File too large");

  std::filesystem::remove(path);
  Hdf5File again = Hdf5File::create(path);
  again.write("/x", Tensor::full({3}, 4));
  again.close();
  EXPECT_EQ(Hdf5File::open(path).read("/x").item(2), 4);
}

}  // namespace
}  // namespace adder
