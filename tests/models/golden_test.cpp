// Golden traces: tests/golden/<name>.json is a tiny model, <name>.h5 its config, weights and batch, and all that
// it computed in float64 on the day when its parity with the field's implementation had been shown. The model
// of today is held to that, so that a clone that stands alone can test itself. A new one is a new pair of files:
// at most 3,000 parameters and 100 KB, odd sizes, every bias there is.
//   /config            {"model": {…}}          /model/<name>   weights, float64
//   /input_ids, /labels, /labels_masked, /greedy/prompt_len, and the trace (framework/inference/trace.h)
// To write the files anew (after a change of what a model computes, and parity again):
//   ADDER_WRITE_GOLDEN=1 adder_tests --gtest_filter='*Golden*'
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "framework/data/batches.h"
#include "framework/training/model_file.h"
#include "tests/inference/trace_support.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 17;
constexpr uint64_t kSeed = 20240607;

std::string folder() { return std::string(ADDER_SOURCE_DIR) + "/tests/golden"; }

// The models by name, one a JSON file.
std::vector<std::string> models() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder()))
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public testing::TestWithParam<std::string> {
 protected:
  static std::string path() { return folder() + "/" + GetParam() + ".h5"; }
  static std::unique_ptr<Model> make(const std::string& config, DType dtype) {
    const Config parsed = parse_config(config, path(), {}, model_registry(), Use::stored);
    return make_model(parsed.model, kVocabulary, dtype, kSeed);
  }
  void SetUp() override {
    if (const char* write = std::getenv("ADDER_WRITE_GOLDEN"); write && std::string(write) == "1")
      write_anew();
    ASSERT_TRUE(std::filesystem::exists(path())) << "write it with ADDER_WRITE_GOLDEN=1";
  }

  static void write_anew() {
    const std::string config = read_config_text(folder() + "/" + GetParam() + ".json");
    const auto model = make(config, DType::f64);
    shake(*model);
    TraceBatch batch;
    batch.ids = index_input({2, 13}, kSeed, kVocabulary);
    batch.labels = index_input({2, 13}, kSeed + 1, kVocabulary);
    batch.labels_masked = batch.labels.clone();
    for (int64_t i = 4; i < batch.ids.size(); i += 5) batch.labels_masked.data<int32_t>()[i] = kIgnoreLabel;
    batch.prompt_length = 6;
    batch.greedy_count = 7;

    Hdf5File file = Hdf5File::create(path());
    file.write_string("config", config);
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
    write_trace(*model, read_trace_batch(golden.file(), kVocabulary), nullptr, file);
    file.close();
    return Hdf5File::open(out);
  }

  // Every dataset of today's trace: the error relative to the largest element, which for a gradient counts as
  // at least 1e-4 of the norm of all.
  static void expect_golden(DType dtype, double value_tolerance, double gradient_tolerance) {
    const Hdf5File golden = Hdf5File::open(path()), today = traced(golden, dtype);
    const double floor = 1e-4 * golden.read_double("grad_norm");
    for (const std::string& name : names_in(today)) {
      ASSERT_TRUE(golden.exists(name)) << name;
      const Tensor got = today.read(name), want = golden.read(name);
      ASSERT_EQ(got.shape(), want.shape()) << name;
      const bool gradient = name.starts_with("grads/");
      const double tolerance = gradient ? gradient_tolerance : value_tolerance;
      double peak = gradient ? floor : 0;
      for (int64_t i = 0; i < want.size(); ++i) peak = std::max(peak, std::abs(want.item(i)));
      for (int64_t i = 0; i < want.size(); ++i)
        ASSERT_NEAR(got.item(i), want.item(i), tolerance * peak) << name << "[" << i << "]";
    }
  }
};

TEST_P(Golden, Float64IsWhatItWas) { expect_golden(DType::f64, 1e-12, 1e-12); }

// The tolerances that shared/parity sets for float32.
TEST_P(Golden, Float32IsNear) { expect_golden(DType::f32, 2e-5, 1e-4); }

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
  for (const char* name : {"logits", "loss", "loss_masked", "decode_logits", "greedy/tokens", "hidden/embed"})
    EXPECT_TRUE(golden.exists(name)) << name;
  EXPECT_EQ(golden.exists("hidden/final"), golden.exists("model/norm.weight"));
}

INSTANTIATE_TEST_SUITE_P(Models, Golden, testing::ValuesIn(models()),
                         [](const auto& info) { return info.param; });

TEST(GoldenModels, CoverEveryArchitecture) {
  std::set<std::string> covered;
  for (const std::string& name : models()) {
    const std::string config = read_config_text(folder() + "/" + name + ".json");
    covered.insert(parse_config(config, name, {}, model_registry(), Use::stored).model.architecture);
  }
  EXPECT_TRUE(covered.contains(kHybrid));
  for (const Architecture& architecture : model_registry().architectures())
    EXPECT_TRUE(architecture.counts || covered.contains(architecture.name)) << architecture.name << ": add tests/golden/*.json";
}

}  // namespace
}  // namespace adder
