// Our models beside the field's own (shared/parity, 14 folders), in float32 and float64, within that folder's
// tolerances: what an import keeps, and 20 steps of training. What one batch gives is held by
// inference/trace_parity_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "framework/config/config.h"
#include "framework/interop/foreign_model.h"
#include "framework/interop/safetensors.h"
#include "framework/training/clip.h"
#include "framework/training/optimizer.h"
#include "tests/models/model_support.h"
#include "tests/models/parity_folders.h"

namespace adder {
namespace {

using parity::difference;
using parity::l2;

// The gradient of the keys' bias is exactly zero; what rounding leaves of it Adam magnifies to a full step.
// The rest of that bias: the queries' and the values' thirds.
bool holds_noise(const std::string& source) { return source.ends_with("attn.c_attn.bias"); }
Tensor without_keys(const Tensor& bias) {
  const int64_t third = bias.dim(0) / 3;
  const Tensor rest = Tensor::empty({2 * third}, bias.dtype());
  rest.narrow(0, 0, third).copy_from(bias.narrow(0, 0, third));
  rest.narrow(0, third, third).copy_from(bias.narrow(0, 2 * third, third));
  return rest;
}

class ModelParity : public testing::TestWithParam<parity::Case> {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_SHARED();
    source_ = read_foreign_model(folder());
    const Config config = parse_config("{\"model\": " + source_.model_json + "}", folder() + "/config.json",
                                       {}, model_registry(), Use::stored);
    model_ = make_model(config.model, source_.vocabulary, GetParam().dtype);
    ASSERT_EQ(model_->parameters().size(), source_.tensors.size());
    for (const ForeignTensor& t : source_.tensors) {
      Parameter* p = model_->parameters().find(t.ours);
      ASSERT_NE(p, nullptr) << t.ours;
      p->value.copy_from(t.value);
    }
  }
  std::string folder() const { return GetParam().folder(); }
  double tolerance(double float32, double float64) const { return GetParam().tolerance(float32, float64); }
  Parameter& parameter(const ForeignTensor& t) const { return *model_->parameters().find(t.ours); }

  // One tensor of theirs after training: `value` now, `start` before.
  void expect_trained(const Hdf5File& file, const std::string& source, const Tensor& value,
                      const Tensor& start) const {
    const double length = file.read_double("f64/param_norm/" + source);
    const double moved = file.read_double("f64/update_norm/" + source);
    // `final` is the float64 run's end, rounded to float32.
    Tensor end = value.to(DType::f32), want = file.read("final/" + source), from = start;
    double scale = moved;
    if (holds_noise(source)) {
      end = without_keys(end), want = without_keys(want), from = without_keys(from);
      scale = l2(difference(want, from));
    } else {
      EXPECT_NEAR(l2(value), length, length * tolerance(1e-5, 1e-8)) << source;
      EXPECT_NEAR(l2(difference(value, start)), moved, moved * tolerance(2e-3, 1e-6)) << source;
    }
    EXPECT_LT(l2(difference(end, want)), scale * tolerance(2e-3, 1e-6)) << source;
  }

  ForeignModel source_;
  std::unique_ptr<Model> model_;
};

// Every tensor of the folder has its place in ours, and comes back to the bit.
TEST_P(ModelParity, ImportTakesEveryTensorAndGivesItBack) {
  const SafetensorsFile file(folder() + "/model.safetensors");
  std::set<std::string> seen;
  for (const ForeignTensor& t : source_.tensors) {
    const std::vector<Tensor> back = to_source(t.value, t);
    ASSERT_EQ(back.size(), t.parts.size());
    for (size_t i = 0; i < back.size(); ++i) {
      const Tensor stored = file.load(t.parts[i].name);
      EXPECT_EQ(back[i].shape(), stored.shape()) << t.parts[i].name;
      EXPECT_EQ(bits(back[i]), bits(stored)) << t.parts[i].name;
      EXPECT_TRUE(seen.insert(t.parts[i].name).second) << t.parts[i].name;
    }
  }
  EXPECT_EQ(seen.size(), file.entries().size());
}

TEST_P(ModelParity, DecodingIsTheParallelPass) {
  const Hdf5File file = Hdf5File::open(folder() + "/case.h5");
  const Tensor ids = file.read("input_ids"), whole = logits_of(*model_, ids), decoded = Tensor::like(whole);
  EXPECT_LT(nmax(whole, file.read("f64/logits")), tolerance(2e-5, 1e-10));
  State state;
  for (int64_t t = 0; t < ids.dim(1); ++t)
    decoded.narrow(1, t, 1).copy_from(logits_of(*model_, row_of(ids, t, 1), state));
  EXPECT_LT(nmax(decoded, whole), tolerance(2e-5, 1e-10));
}

TEST_P(ModelParity, DecayFlags) {
  const Hdf5File file = Hdf5File::open(folder() + "/train.h5");
  size_t flags = 0;
  for (const ForeignTensor& t : source_.tensors)
    for (const SourcePart& part : t.parts) {
      EXPECT_EQ(int64_t(parameter(t).decay), file.read_int64("decay/" + part.name)) << t.ours;
      ++flags;
    }
  EXPECT_EQ(file.datasets("decay").size(), flags);
}

TEST_P(ModelParity, TwentyTrainingSteps) {
  const Hdf5File file = Hdf5File::open(folder() + "/train.h5");
  const auto hyper = [&](const char* name) { return file.read_double(std::string("hyper/") + name); };
  ParameterList& list = model_->parameters();
  OptimizerOptions options{.name = "adamw", .eps = hyper("eps"), .weight_decay = hyper("weight_decay")};
  options.beta1 = hyper("beta1"), options.beta2 = hyper("beta2");
  const auto optimizer = make_optimizer(options, list);
  const Tensor ids = file.read("input_ids"), labels = file.read("labels");
  const Tensor losses = file.read("f64/loss"), norms = file.read("f64/grad_norm");
  const Shape shape = {ids.dim(1), ids.dim(2)};
  const auto loss_of = [&](int64_t k) {
    const Tokens tokens{ids.narrow(0, k, 1).clone().reshape(shape), {}};
    return loss_and_gradients(*model_, tokens, labels.narrow(0, k, 1).clone().reshape(shape));
  };
  for (int64_t k = 0; k < ids.dim(0); ++k) {
    EXPECT_NEAR(loss_of(k), losses.item(k), tolerance(2e-5, 1e-8)) << "step " << k;
    const double norm = global_norm(list);
    EXPECT_NEAR(norm, norms.item(k), norms.item(k) * tolerance(5e-5, 1e-8)) << "step " << k;
    optimizer->step(hyper("lr"), clip_scale(norm, hyper("clip")));
  }
  EXPECT_NEAR(loss_of(0), file.read_double("f64/loss_after"), tolerance(2e-5, 1e-8));
  for (const ForeignTensor& t : source_.tensors) {
    const std::vector<Tensor> end = to_source(parameter(t).value, t), start = to_source(t.value, t);
    for (size_t i = 0; i < end.size(); ++i) expect_trained(file, t.parts[i].name, end[i], start[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(All, ModelParity, testing::ValuesIn(parity::cases()), parity::shown);

}  // namespace
}  // namespace adder
