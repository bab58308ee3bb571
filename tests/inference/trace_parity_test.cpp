// Imported models, traced with shared/parity's own batches under the source's names: every dataset beside the
// field's numbers, within that folder's tolerances, the way h5py compares the two files in a loop.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "framework/interop/foreign_model.h"
#include "framework/interop/source_names.h"
#include "tests/inference/trace_support.h"
#include "tests/models/parity_folders.h"

namespace adder {
namespace {

class TraceParity : public testing::TestWithParam<parity::Case> {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_SHARED();
    std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    std::replace(name.begin(), name.end(), '/', '_');
    const std::string folder = testing::TempDir() + "/adder_TraceParity_" + name;
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    const ForeignModel source = read_foreign_model(GetParam().folder());
    std::vector<NamedTensor> tensors;
    for (const ForeignTensor& t : source.tensors) tensors.push_back({t.ours, t.value});
    const std::string path =
        write_model(folder, "{\"model\": " + source.model_json + "}", tensors, source_json(source));
    LoadedModel loaded = load_model(path, model_registry(), GetParam().dtype);
    trace(loaded, GetParam().folder() + "/case.h5", folder + "/trace.h5", source_names(loaded));
    path_ = folder + "/trace.h5";
  }

  // One dataset of the trace beside the truth: float64 where the folder has it, else its float32.
  void compare(const std::string& name, const Hdf5File& got, const Hdf5File& want) {
    const bool truth = want.exists("f64/" + name);
    const bool narrow = !GetParam().wide() || (!truth && name != "grad_norm");
    const Tensor x = got.read(name), y = want.read(truth ? "f64/" + name : name);
    ASSERT_EQ(x.shape(), y.shape()) << name;
    if (name == "greedy/tokens") {
      EXPECT_EQ(bits(x), bits(y));
    } else if (name.starts_with("loss")) {
      check("loss", std::abs(x.item() - y.item()), narrow ? 1e-5 : 1e-10);
    } else if (name == "grad_norm") {
      check(name, std::abs(x.item() / y.item() - 1), narrow ? 5e-5 : 1e-8);
    } else if (name.starts_with("grads/")) {
      const double least = 1e-4 * want.read_double("grad_norm");
      const double error = parity::l2(parity::difference(x, y)) / std::max(parity::l2(y), least);
      check("grads", error, narrow ? 1e-4 : 1e-8);
    } else {
      check(name.substr(0, name.find('/')), nmax(x, y), narrow ? 2e-5 : 1e-10);
    }
  }

  // The largest of each kind is shown by --gtest_output=json.
  void check(const std::string& kind, double error, double tolerance) {
    EXPECT_LT(error, tolerance) << kind;
    worst_[kind] = error <= worst_[kind] ? worst_[kind] : error;
  }
  void TearDown() override {
    for (const auto& [kind, error] : worst_) RecordProperty(kind, std::to_string(error * 1e12) + "e-12");
  }

  std::string path_;
  std::map<std::string, double> worst_;
};

TEST_P(TraceParity, EveryDatasetIsTheReferences) {
  const Hdf5File got = Hdf5File::open(path_), want = Hdf5File::open(GetParam().folder() + "/case.h5");
  const std::vector<std::string> written = names_in(got);
  for (const std::string& name : written) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(want.exists(name));
    compare(name, got, want);
  }
  // And the other way: the folder holds nothing that was not compared, but the batch and what it says of
  // itself.
  const std::set<std::string> known(written.begin(), written.end());
  for (const std::string& name : names_in(want)) {
    const bool result = name.starts_with("hidden/") || name.starts_with("grads/") || name == "logits" ||
                        name == "decode_logits" || name == "loss" || name == "loss_masked" ||
                        name == "grad_norm" || name == "greedy/tokens";
    EXPECT_TRUE(!result || known.count(name)) << name;
  }
  // decode_logits has no float64 truth of its own: it is the truth's logits.
  check("decode_truth", nmax(got.read("decode_logits"), want.read("f64/logits")),
        GetParam().tolerance(2e-5, 1e-10));
}

INSTANTIATE_TEST_SUITE_P(All, TraceParity, testing::ValuesIn(parity::cases()), parity::shown);

}  // namespace
}  // namespace adder
