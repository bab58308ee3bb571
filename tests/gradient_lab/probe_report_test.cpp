// A probe as files: axes that HDF5 knows, a page that stands alone.
#include "framework/gradient_lab/probe_report.h"

#include <gtest/gtest.h>
#include <hdf5_hl.h>

#include "framework/data/hdf5.h"
#include "framework/training/durable_file.h"
#include "tests/data/files.h"
#include "tests/gradient_lab/lab_support.h"

namespace adder::lab {
namespace {

using testing_data::fresh_folder;

const ProbeSubject kSubject{"lstm: <reach>", {{"model", "a"}, {"text", "b & c"}}, "adder probe a.json"};

Probe small_probe(const std::string& architecture) {
  const auto model = lab_model(architecture);
  return probe(*model, lab_ids(2, 18), lab_ids(2, 18, 4), 2);
}

int axis_of(hid_t file, const char* dataset, const char* scale) {
  const hid_t set = H5Dopen2(file, dataset, H5P_DEFAULT), other = H5Dopen2(file, scale, H5P_DEFAULT);
  int found = -1;
  for (int axis = 0; axis < 3 && found < 0; ++axis)
    if (H5DSis_attached(set, other, unsigned(axis)) > 0) found = axis;
  H5Dclose(set), H5Dclose(other);
  return found;
}

TEST(ProbeFile, HoldsWhatWasMeasuredOnNamedAxes) {
  const Probe p = small_probe("lstm");
  const std::string path = fresh_folder() + "/p.h5";
  write_probe_file(path, p, kSubject);
  {
    const Hdf5File file = Hdf5File::open(path);
    EXPECT_EQ(bits(file.read("/stream")), bits(p.profile.stream));
    EXPECT_EQ(bits(file.read("/state")), bits(p.profile.state));
    EXPECT_EQ(file.read("/lyapunov/blocks.1/exponents").item(1), p.spectra[1].lyapunov.exponents[1]);
    EXPECT_EQ(file.read("/lag").item(17), 17);
    EXPECT_EQ(bits(file.read("/total/adjoint")), bits(p.total.norms));
    EXPECT_EQ(file.read("/long_jacobian/blocks.0/sigma_max").item(4), p.products[0].norms[4].sigma[0]);
    EXPECT_EQ(file.string_attribute("/", "command"), kSubject.command);
    EXPECT_EQ(file.double_attribute("/", "memory_length"), p.profile.memory.xi());
    EXPECT_EQ(file.string_attribute("/lyapunov/blocks.0", "method"), "QR");
  }
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  EXPECT_EQ(axis_of(file, "/stream", "/place"), 0);
  EXPECT_EQ(axis_of(file, "/stream", "/probe"), 1);
  EXPECT_EQ(axis_of(file, "/state", "/lag"), 2);
  EXPECT_EQ(axis_of(file, "/total/adjoint", "/total/time"), 1);
  EXPECT_EQ(axis_of(file, "/long_jacobian/blocks.1/stable_rank", "/long_jacobian/blocks.1/lag"), 0);
  EXPECT_EQ(axis_of(file, "/lyapunov/blocks.0/batches", "/lyapunov/blocks.0/exponent"), 1);
  H5Fclose(file);
}

TEST(ProbeFile, WithoutRecurrentStates) {
  const std::string path = fresh_folder() + "/p.h5";
  write_probe_file(path, small_probe("attention"), kSubject);
  const Hdf5File file = Hdf5File::open(path);
  EXPECT_FALSE(file.exists("/state"));
  EXPECT_FALSE(file.exists("/lyapunov"));
}

TEST(ProbePage, SaysWhatWasFound) {
  const std::string path = fresh_folder() + "/p.html";
  for (const char* architecture : {"lstm", "attention"}) {
    const Probe p = small_probe(architecture);
    write_probe_page(path, p, kSubject);
    const std::string html = read_text_file(path);
    for (const std::string& said : {headline(p.findings), std::string("lstm: &lt;reach&gt;"), kSubject.command,
                                    std::string("b &amp; c"), std::string("The residual stream, by depth and lag"),
                                    std::string("The gradient of the whole loss, by layer and time")})
      EXPECT_NE(html.find(said), std::string::npos) << said;
    EXPECT_EQ(html.find("Lyapunov exponents") != std::string::npos, !p.spectra.empty());
    EXPECT_EQ(html.find("://"), std::string::npos) << "it asks the network for nothing";
    EXPECT_LT(html.size(), 1'000'000u);
    write_probe_page(path, p, kSubject);
    EXPECT_EQ(read_text_file(path), html);
  }
}

TEST(ProbeReport, Words) {
  const Finding good{"a", Verdict::healthy, ""}, lost{"b", Verdict::vanishing, ""}, grown{"c", Verdict::exploding, ""};
  EXPECT_EQ(headline({good}), "the gradient neither vanishes nor explodes");
  EXPECT_EQ(headline({good, lost, {"d", Verdict::vanishing, ""}}), "the gradient vanishes: b, d");
  EXPECT_EQ(headline({lost, grown}), "the gradient explodes: c; it vanishes: b");
  EXPECT_EQ(spread_lags(0, 20, 2), (std::vector<int64_t>{0, 1, 2, 4, 8, 16, 20}));
  EXPECT_EQ(spread_lags(1, 4, 1.1), (std::vector<int64_t>{1, 2, 3, 4}));
}

}  // namespace
}  // namespace adder::lab
