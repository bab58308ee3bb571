// An imported Mamba, traced with shared/parity's own batch: every dataset beside the field's numbers, within
// that folder's tolerances, the way h5py compares the two files in a loop.
#include <gtest/gtest.h>

#include <filesystem>

#include "framework/interop/hugging_face.h"
#include "framework/interop/source_names.h"
#include "tests/inference/trace_support.h"

namespace adder {
namespace {

const std::string kFolder = std::string(ADDER_SOURCE_DIR) + "/../shared/parity/hf/mamba";

double l2(const Tensor& x) {
  double sum = 0;
  for (int64_t i = 0; i < x.size(); ++i) sum += x.item(i) * x.item(i);
  return std::sqrt(sum);
}

class TraceParity : public testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kFolder)) GTEST_SKIP() << kFolder << " is not there";
    const std::string folder = testing_data::fresh_folder();
    std::filesystem::create_directories(folder);
    const ForeignModel source = read_hugging_face(kFolder);
    std::vector<NamedTensor> tensors;
    for (const ForeignTensor& t : source.tensors) tensors.push_back({t.ours, t.value});
    const std::string path =
        write_model(folder, "{\"model\": " + source.model_json + "}", tensors, source_json(source));
    LoadedModel loaded = load_model(path, model_registry(), GetParam());
    trace(loaded, kFolder + "/case.h5", folder + "/trace.h5", source_names(loaded));
    path_ = folder + "/trace.h5";
  }
  // One dataset of the trace beside the truth: float64 where the folder has it, else its float32.
  void compare(const std::string& name, const Hdf5File& got, const Hdf5File& want) const {
    const bool wide = GetParam() == DType::f64, truth = want.exists("f64/" + name);
    const bool narrow = !wide || (!truth && name != "grad_norm");
    const Tensor x = got.read(name), y = want.read(truth ? "f64/" + name : name);
    ASSERT_EQ(x.shape(), y.shape()) << name;
    if (name == "greedy/tokens") {
      EXPECT_EQ(bits(x), bits(y));
    } else if (name.starts_with("loss")) {
      EXPECT_NEAR(x.item(), y.item(), narrow ? 1e-5 : 1e-10) << name;
    } else if (name == "grad_norm") {
      EXPECT_NEAR(x.item(), y.item(), y.item() * (narrow ? 5e-5 : 1e-8));
    } else if (name.starts_with("grads/")) {
      const Tensor difference = x.to(DType::f64).clone();
      for (int64_t i = 0; i < x.size(); ++i) difference.data<double>()[i] -= y.item(i);
      const double floor = 1e-4 * want.read_double("grad_norm");
      EXPECT_LT(l2(difference) / std::max(l2(y), floor), narrow ? 1e-4 : 1e-8) << name;
    } else {
      EXPECT_LT(nmax(x, y), narrow ? 2e-5 : 1e-10) << name;
    }
  }

  std::string path_;
};

TEST_P(TraceParity, EveryDatasetIsTheReferences) {
  const Hdf5File got = Hdf5File::open(path_), want = Hdf5File::open(kFolder + "/case.h5");
  int compared = 0;
  for (const std::string& name : names_in(got)) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(want.exists(name));
    compare(name, got, want);
    ++compared;
  }
  // 22 gradients and their norm, 4 hidden states, logits twice, 2 losses, greedy tokens.
  EXPECT_EQ(compared, 32);
  // decode_logits has no float64 truth of its own: it is the truth's logits.
  const double tolerance = GetParam() == DType::f64 ? 1e-10 : 2e-5;
  EXPECT_LT(nmax(got.read("decode_logits"), want.read("f64/logits")), tolerance);
}

INSTANTIATE_TEST_SUITE_P(Precision, TraceParity, testing::Values(DType::f32, DType::f64),
                         [](const auto& info) { return name(info.param); });

}  // namespace
}  // namespace adder
