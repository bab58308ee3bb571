// A run's health, read back from metrics.jsonl: as numbers, as HDF5 with its axes, as a page.
#include "framework/gradient_lab/health_series.h"

#include <gtest/gtest.h>
#include <hdf5_hl.h>

#include <cmath>

#include "framework/core/error.h"
#include "framework/core/random.h"
#include "framework/data/hdf5.h"
#include "tests/data/files.h"

namespace adder::lab {
namespace {

using testing_data::fresh_folder;

Histogram histogram_of(const std::vector<double>& values) {
  Histogram h;
  for (const double v : values) h.add(v);
  return h;
}

std::string written(const std::string& text) {
  const std::string path = fresh_folder() + "/metrics.jsonl";
  write_durably(path, text);
  return path;
}

const std::string kLines =
    metrics_line(1, {{"train/loss", 3}, {"health/grad_norm/a.b", 0.5}, {"health/rms/blocks.0", 2}, {"health/closed/m.forget", 0.5}},
                 {{"health/histogram/gradient/a", histogram_of({1, 1.5, 0.25})}}) +
    metrics_line(2, {{"train/loss", 2.5}}) +
    metrics_line(3, {{"train/loss", INFINITY}, {"grad_norm", 7}, {"health/grad_norm/a.b", 0.25}, {"health/grad_norm/c", 4},
                     {"health/update/c", 9}, {"health/spike", 1}, {"seconds", 0.5}, {"health/seconds/adam", 0.125}},
                 {{"health/histogram/gradient/a", histogram_of({8})}, {"health/histogram/gate/m.forget", histogram_of({1, 19})}});

TEST(Histogram, BinsDouble) {
  const Histogram h = histogram_of({0, 1, 1.99, -2, 1e-20, 1e30, INFINITY, std::nan("")});
  EXPECT_EQ(h.counts[0], 2);
  EXPECT_EQ(h.counts[size_t(-Histogram::kLowest)], 2);
  EXPECT_EQ(h.counts[size_t(1 - Histogram::kLowest)], 1);
  EXPECT_EQ(h.counts.back(), 3);
  EXPECT_EQ(h.total(), 8);
}

TEST(Histogram, PacksAndUnpacks) {
  for (const std::vector<double>& values : {std::vector<double>{}, {0.3}, {1, 1, 4}, {0, 1e9}}) {
    const Histogram h = histogram_of(values);
    Histogram back;
    ASSERT_TRUE(Histogram::unpack(h.packed(), back));
    EXPECT_EQ(back.counts, h.counts);
  }
  EXPECT_EQ(histogram_of({1, 1, 4}).packed(), (std::vector<int64_t>{0, 2, 0, 1}));
  Histogram none;
  for (const std::vector<int64_t>& wrong : {std::vector<int64_t>{0}, {-60, 1}, {19, 1, 1}, {0, -1}})
    EXPECT_FALSE(Histogram::unpack(wrong, none));
}

TEST(HealthSeries, ReadsWhatWasWritten) {
  const HealthSeries s = read_health(written(kLines + R"({"step": 4, "health/rms)"));
  EXPECT_EQ(s.steps, (std::vector<int64_t>{1, 3})) << "step 2 was not looked into, the last line was cut off";
  EXPECT_EQ(s.find("health/grad_norm/a.b")->at(1), 0.25);
  EXPECT_TRUE(std::isnan(s.find("health/grad_norm/c")->at(0)));
  EXPECT_TRUE(std::isnan(s.find("health/rms/blocks.0")->at(1)));
  EXPECT_EQ(s.find("train/loss")->at(1), INFINITY);
  ASSERT_EQ(s.histograms.size(), 2u);
  EXPECT_EQ(s.histograms[0].second[0].counts, histogram_of({1, 1.5, 0.25}).counts);
  EXPECT_EQ(s.histograms[1].second[0].total(), 0);
}

TEST(HealthSeries, RefusesWhatItCannotRead) {
  const auto error = [](const std::string& text) -> std::string {
    try {
      read_health(written(text));
    } catch (const UnreadableError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(error("{}\nnonsense\n").find(":2: no JSON object"), std::string::npos);
  EXPECT_NE(error(R"({"step":1,"health/histogram/a/b":[90,1]})" "\n").find("health/histogram/a/b is [90,1]"), std::string::npos);
  EXPECT_NE(error(R"({"step":1,"health/histogram/a/b":"x"})" "\n").find("expected a power of two"), std::string::npos);
  EXPECT_NE(error(R"({"health/rms/a":1})" "\n").find("no \"step\""), std::string::npos);
  EXPECT_NE(error(metrics_line(1, {{"train/loss", 1}})).find("logging.health"), std::string::npos);
}

TEST(HealthSeries, NoiseScaleIsARatioOfMeans) {
  const HealthSeries s = read_health(written(metrics_line(1, {{"health/gradient_square", 3}, {"health/gradient_noise", 10}}) +
                                             metrics_line(2, {{"health/gradient_square", -1}, {"health/gradient_noise", 30}})));
  EXPECT_EQ(s.noise_scale(), 20);
  EXPECT_TRUE(std::isnan(s.noise_scale(1))) << "|G|^2 below 0 alone says nothing";
}

TEST(HealthSeries, FindingsAreSaidOnce) {
  const auto found = series_findings(read_health(written(metrics_line(20, {{"health/update/c", 9}}) + metrics_line(30, {{"health/update/c", 8}}))));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].finding.what, "c");
  EXPECT_EQ(found[0].first, 20);
  EXPECT_EQ(found[0].steps, 2);
}

bool on_axis(hid_t file, const char* dataset, const char* scale, unsigned axis) {
  const hid_t set = H5Dopen2(file, dataset, H5P_DEFAULT), other = H5Dopen2(file, scale, H5P_DEFAULT);
  const bool on = H5DSis_attached(set, other, axis) > 0;
  H5Dclose(set), H5Dclose(other);
  return on;
}

TEST(HealthFile, OfARunWithoutHistograms) {
  const std::string path = fresh_folder() + "/h.h5";
  write_health_file(path, read_health(written("{\"step\":1,\"health/spike\":0.5}\n")));
  EXPECT_EQ(Hdf5File::open(path).read("/spike").item(0), 0.5);
}

TEST(HealthFile, HoldsAllOnNamedAxes) {
  const std::string path = fresh_folder() + "/h.h5";
  write_health_file(path, read_health(written(kLines)));
  {
    const Hdf5File file = Hdf5File::open(path);
    EXPECT_EQ(file.read_integers("/step"), (std::vector<int64_t>{1, 3}));
    EXPECT_EQ(file.describe("/grad_norm").shape, (Shape{2, 2}));
    EXPECT_EQ(file.read("/grad_norm").item(3), 4);
    EXPECT_TRUE(std::isnan(file.read("/grad_norm").item(1)));
    EXPECT_EQ(file.read("/update").item(3), 9) << "the axis of tensors is one for all";
    EXPECT_EQ(file.read("/global_norm").item(1), 7);
    EXPECT_EQ(file.read("/step_seconds").item(1), 0.5);
    EXPECT_EQ(file.read("/seconds").item(1), 0.125) << "of a measure, not of the step";
    EXPECT_EQ(file.read("/rms").item(0), 2);
    EXPECT_EQ(file.describe("/histogram_gradient").shape, (Shape{2, 1, Histogram::kBins}));
    EXPECT_EQ(file.read("/histogram_gradient").item(-Histogram::kLowest), 2);
  }
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  EXPECT_TRUE(on_axis(file, "/grad_norm", "/step", 0) && on_axis(file, "/grad_norm", "/tensor", 1));
  EXPECT_TRUE(on_axis(file, "/rms", "/part", 1) && on_axis(file, "/closed", "/gate", 1));
  EXPECT_TRUE(on_axis(file, "/histogram_gate", "/histogram_gate_of", 1) && on_axis(file, "/histogram_gate", "/bin", 2));
  EXPECT_TRUE(on_axis(file, "/spike", "/step", 0));
  H5Fclose(file);
}

TEST(HealthPage, DrawsTheHistogramsOverTheSteps) {
  const std::string path = fresh_folder() + "/p.html";
  const HealthSeries series = read_health(written(kLines));
  EXPECT_EQ(histogram_figures(series).size(), 2u);
  write_health_page(path, series, "runs/<a>", "adder probe runs/x --health");
  const std::string html = read_text_file(path);
  for (const char* said : {"Gradients, a", "Gates, m.forget", "runs/&lt;a&gt;", "Norm of the whole gradient"})
    EXPECT_NE(html.find(said), std::string::npos) << said;
  write_health_page(path, series, "runs/<a>", "adder probe runs/x --health");
  EXPECT_EQ(read_text_file(path), html);
}

// A large model's long run still fits a page.
TEST(HealthPage, StaysBelowAMegabyte) {
  std::string lines;
  const Random random(1, "page");
  for (int step = 1; step <= 40; ++step) {
    Histograms histograms;
    for (const char* kind : {"gradient/", "parameter/", "time_step/", "time_constant/", "gate/"})
      for (int part = 0; part < 9; ++part) {
        Histogram h;
        for (uint64_t i = 0; i < 64; ++i) h.counts[i] = int64_t(random.below(i + uint64_t(step) * 64, 400));
        histograms.emplace_back("health/histogram/" + (kind + std::to_string(part)), h);
      }
    lines += metrics_line(step * 50, {{"train/loss", 1}}, histograms);
  }
  const std::string path = fresh_folder() + "/p.html";
  write_health_page(path, read_health(written(lines)), "r", "c");
  EXPECT_LT(read_text_file(path).size(), 1'000'000u);
}

}  // namespace
}  // namespace adder::lab
