// Named axes, as HDF5's own library reads them back.
#include <gtest/gtest.h>
#include <hdf5_hl.h>

#include "framework/core/error.h"
#include "framework/data/hdf5.h"
#include "tests/data/files.h"
#include "tests/support/check.h"

namespace adder {
namespace {

using namespace testing_data;

Hdf5File file_with_axes(const std::string& path) {
  Hdf5File file = Hdf5File::create(path);
  file.write("/a/lag", Tensor::from<int32_t>({3}, {0, 1, 2}));
  file.write_strings("/a/place", {"embed", "layers.0 \xc3\xa4"});
  file.write("/a/norm", Tensor::full({2, 3}, 1.5));
  return file;
}

TEST(Hdf5Scales, AreAttachedAndNamed) {
  const std::string path = fresh_folder() + "/t.h5";
  Hdf5File file = file_with_axes(path);
  file.write("/a/other", Tensor::full({3}, 2.5));
  file.set_scales("/a/norm", {"/a/place", "/a/lag"});
  file.set_scales("/a/other", {"/a/lag"});
  file.close();
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t norm = H5Dopen2(id, "/a/norm", H5P_DEFAULT), lag = H5Dopen2(id, "/a/lag", H5P_DEFAULT);
  char name[20] = {};
  EXPECT_GT(H5DSis_scale(lag), 0);
  EXPECT_EQ(H5DSget_scale_name(lag, name, sizeof name), 3);
  EXPECT_STREQ(name, "lag");
  EXPECT_GT(H5DSis_attached(norm, lag, 1), 0);
  EXPECT_EQ(H5DSis_attached(norm, lag, 0), 0);
  H5Dclose(norm), H5Dclose(lag), H5Fclose(id);
  EXPECT_EQ(Hdf5File::open(path).describe("/a/place").dtype, "string");
}

TEST(Hdf5Scales, MustFit) {
  Hdf5File file = file_with_axes(fresh_folder() + "/t.h5");
  EXPECT_NE(message_of([&] { file.set_scales("/a/norm", {"/a/lag"}); }).find("has 2 axes, but 1 scales are given"),
            std::string::npos);
  EXPECT_NE(message_of([&] { file.set_scales("/a/norm", {"/a/lag", "/a/place"}); })
                .find("scale /a/lag has shape [3], expected [2], as axis 0 of /a/norm"),
            std::string::npos);
  EXPECT_NE(message_of([&] { file.set_scales("/a/norm", {"/a/place", "/a/none"}); }).find("there is no dataset /a/none"),
            std::string::npos);
}

}  // namespace
}  // namespace adder
