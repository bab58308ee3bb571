// Golden traces: tests/golden/<architecture>.h5 holds a tiny model's config, weights and batch, and all that
// it computed in float64 on the day when its parity with the field's implementation had been shown. The model
// of today is held to that, so that a clone that stands alone can test itself.
//   /config            {"model": {…}}          /model/<name>   weights, float64
//   /input_ids, /labels, /labels_masked, /greedy/prompt_len, and the trace (framework/inference/trace.h)
// To write the files anew (after a change of what a model computes, and parity again):
//   ADDER_WRITE_GOLDEN=1 adder_tests --gtest_filter='*Golden*'
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <ostream>

#include "framework/data/batches.h"
#include "framework/training/model_file.h"
#include "tests/inference/trace_support.h"

namespace adder {
namespace {

struct GoldenModel {
  const char* architecture;
  int64_t vocabulary;
  const char* config;
};
// For the names of the tests: the default prints addresses.
void PrintTo(const GoldenModel& model, std::ostream* out) { *out << model.architecture; }

// At most 3,000 parameters and 100 KB each; odd sizes; every bias there is.
const GoldenModel kModels[] = {
    {"mamba", 17,
     R"({"model": {"architecture": "mamba", "d_model": 11, "n_layers": 2, )"
     R"("d_state": 5, "dt_rank": 2, "bias": true}})"},
};
constexpr uint64_t kSeed = 20240607;

class Golden : public testing::TestWithParam<GoldenModel> {
 protected:
  static std::string path() {
    return std::string(ADDER_SOURCE_DIR) + "/tests/golden/" + GetParam().architecture + ".h5";
  }
  static std::unique_ptr<Model> make(const std::string& config, DType dtype) {
    const Config parsed = parse_config(config, path(), {}, model_registry(), Use::stored);
    return make_model(parsed.model, GetParam().vocabulary, dtype, kSeed);
  }
  void SetUp() override {
    if (const char* write = std::getenv("ADDER_WRITE_GOLDEN"); write && std::string(write) == "1")
      write_anew();
    ASSERT_TRUE(std::filesystem::exists(path())) << "write it with ADDER_WRITE_GOLDEN=1";
  }

  static void write_anew() {
    const auto model = make(GetParam().config, DType::f64);
    shake(*model);
    TraceBatch batch;
    batch.ids = index_input({2, 13}, kSeed, GetParam().vocabulary);
    batch.labels = index_input({2, 13}, kSeed + 1, GetParam().vocabulary);
    batch.labels_masked = batch.labels.clone();
    for (int64_t i = 4; i < batch.ids.size(); i += 5) batch.labels_masked.data<int32_t>()[i] = kIgnoreLabel;
    batch.prompt_length = 6;
    batch.greedy_count = 7;

    Hdf5File file = Hdf5File::create(path());
    file.write_string("config", GetParam().config);
    for (const NamedTensor& weight : stored_parameters(model->parameters()))
      file.write("model/" + weight.name, weight.value);
    file.write("input_ids", batch.ids);
    file.write("labels", batch.labels);
    file.write("labels_masked", batch.labels_masked);
    file.write("greedy/prompt_len", Tensor::full({1}, double(batch.prompt_length), DType::i32));
    write_trace(*model, batch, nullptr, file);
    file.close();
  }

  // What the stored weights give today, in `dtype`.
  static Hdf5File traced(const Hdf5File& golden, DType dtype) {
    const auto model = make(golden.read_string("config"), dtype);
    std::vector<NamedTensor> weights;
    for (const Hdf5Dataset& d : golden.datasets("model"))
      weights.push_back({d.path.substr(7), golden.read(d.path)});
    fill_parameters(model->parameters(), weights, golden.file());
    const std::string out = testing_data::fresh_folder() + "/trace.h5";
    Hdf5File file = Hdf5File::create(out);
    write_trace(*model, read_trace_batch(golden.file(), GetParam().vocabulary), nullptr, file);
    file.close();
    return Hdf5File::open(out);
  }

  // Every dataset of today's trace: the error relative to the largest element, which for a gradient counts as
  // at least 1e-4 of the norm of all.
  static void expect_golden(DType dtype, double tolerance) {
    const Hdf5File golden = Hdf5File::open(path()), today = traced(golden, dtype);
    const double floor = 1e-4 * golden.read_double("grad_norm");
    for (const std::string& name : names_in(today)) {
      ASSERT_TRUE(golden.exists(name)) << name;
      const Tensor got = today.read(name), want = golden.read(name);
      ASSERT_EQ(got.shape(), want.shape()) << name;
      double peak = name.starts_with("grads/") ? floor : 0;
      for (int64_t i = 0; i < want.size(); ++i) peak = std::max(peak, std::abs(want.item(i)));
      for (int64_t i = 0; i < want.size(); ++i)
        ASSERT_NEAR(got.item(i), want.item(i), tolerance * peak) << name << "[" << i << "]";
    }
  }
};

TEST_P(Golden, Float64IsWhatItWas) { expect_golden(DType::f64, 1e-12); }

TEST_P(Golden, Float32IsNear) { expect_golden(DType::f32, 2e-5); }

TEST_P(Golden, IsSmallAndComplete) {
  const Hdf5File golden = Hdf5File::open(path());
  EXPECT_LE(std::filesystem::file_size(path()), 100'000u);
  int64_t parameters = 0;
  for (const Hdf5Dataset& weight : golden.datasets("model")) {
    EXPECT_EQ(weight.dtype, "float64") << weight.path;
    parameters += element_count(weight.shape);
    const std::string grad = "grads/" + weight.path.substr(7);
    ASSERT_TRUE(golden.exists(grad)) << grad;
    double largest = 0;
    const Tensor g = golden.read(grad);
    for (int64_t i = 0; i < g.size(); ++i) largest = std::max(largest, std::abs(g.item(i)));
    EXPECT_GT(largest, 1e-4 * golden.read_double("grad_norm")) << grad << " would hide a mistake";
  }
  EXPECT_GT(parameters, 0);
  EXPECT_LE(parameters, 3000);
  for (const char* name :
       {"logits", "loss", "loss_masked", "decode_logits", "greedy/tokens", "hidden/embed", "hidden/final"})
    EXPECT_TRUE(golden.exists(name)) << name;
}

INSTANTIATE_TEST_SUITE_P(Models, Golden, testing::ValuesIn(kModels),
                         [](const auto& info) { return std::string(info.param.architecture); });

}  // namespace
}  // namespace adder
