// Our Mamba beside the field's own (shared/parity/hf/mamba), in float32 and float64, within that folder's
// tolerances.
#include <gtest/gtest.h>

#include <filesystem>

#include "framework/config/config.h"
#include "framework/data/hdf5.h"
#include "framework/interop/hugging_face.h"
#include "framework/training/clip.h"
#include "framework/training/optimizer.h"
#include "tests/models/model_support.h"

namespace adder {
namespace {

const std::string kFolder = std::string(ADDER_SOURCE_DIR) + "/../shared/parity/hf/mamba";

double l2(const Tensor& a) {
  double sum = 0;
  for (int64_t i = 0; i < a.size(); ++i) sum += a.item(i) * a.item(i);
  return std::sqrt(sum);
}
Tensor difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  const Tensor d = Tensor::empty(a.shape(), DType::f64);
  for (int64_t i = 0; i < a.size(); ++i) d.data<double>()[i] = a.item(i) - b.item(i);
  return d;
}

class HfMamba : public testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kFolder)) GTEST_SKIP() << kFolder << " is not there";
    source_ = read_hugging_face(kFolder);
    const Config config = parse_config("{\"model\": " + source_.model_json + "}", kFolder + "/config.json",
                                       {}, model_registry(), Use::stored);
    model_ = make_model(config.model, source_.vocabulary, GetParam());
    ASSERT_EQ(model_->parameters().size(), source_.tensors.size());
    for (const ForeignTensor& t : source_.tensors) {
      Parameter* p = model_->parameters().find(t.ours);
      ASSERT_NE(p, nullptr) << t.ours;
      p->value.copy_from(t.value);
    }
  }
  bool wide() const { return GetParam() == DType::f64; }
  double tolerance(double float32, double float64) const { return wide() ? float64 : float32; }
  Parameter& parameter(const ForeignTensor& t) const { return *model_->parameters().find(t.ours); }

  ForeignModel source_;
  std::unique_ptr<Model> model_;
};

TEST_P(HfMamba, LogitsAndHiddenStates) {
  const Hdf5File file = Hdf5File::open(kFolder + "/case.h5");
  Pass pass;
  State state;
  int shown = 0;
  const Var logits =
      model_->forward(pass, {file.read("input_ids"), {}}, state, [&](const std::string& name, const Var& x) {
        EXPECT_LT(nmax(x.value(), file.read("hidden/" + name)), 2e-5) << name;  // stored in float32 alone
        ++shown;
      });
  EXPECT_EQ(shown, int(file.datasets("hidden").size()));
  EXPECT_LT(nmax(logits.value(), file.read("f64/logits")), tolerance(2e-5, 1e-10));
}

TEST_P(HfMamba, LossAndEveryGradient) {
  const Hdf5File file = Hdf5File::open(kFolder + "/case.h5");
  const Tokens tokens{file.read("input_ids"), {}};
  EXPECT_NEAR(loss_and_gradients(*model_, tokens, file.read("labels_masked")),
              file.read_double("f64/loss_masked"), tolerance(1e-5, 1e-10));
  EXPECT_NEAR(loss_and_gradients(*model_, tokens, file.read("labels")), file.read_double("f64/loss"),
              tolerance(1e-5, 1e-10));
  const double norm = file.read_double("grad_norm");
  EXPECT_NEAR(global_norm(model_->parameters()), norm, norm * tolerance(5e-5, 1e-8));
  ASSERT_EQ(file.datasets("f64/grads").size(), source_.tensors.size());
  for (const ForeignTensor& t : source_.tensors) {
    const Tensor want = file.read("f64/grads/" + t.source), got = to_source(parameter(t).grad, t);
    EXPECT_LT(l2(difference(got, want)) / std::max(l2(want), 1e-4 * norm), tolerance(1e-4, 1e-8)) << t.source;
  }
}

TEST_P(HfMamba, DecodingOneTokenAtATime) {
  const Hdf5File file = Hdf5File::open(kFolder + "/case.h5");
  const Tensor ids = file.read("input_ids"), whole = logits_of(*model_, ids), decoded = Tensor::like(whole);
  State state;
  for (int64_t t = 0; t < ids.dim(1); ++t)
    decoded.narrow(1, t, 1).copy_from(logits_of(*model_, row_of(ids, t, 1), state));
  EXPECT_LT(nmax(decoded, file.read("f64/logits")), tolerance(2e-5, 1e-10));
  EXPECT_LT(nmax(decoded, file.read("decode_logits")), 2e-5);
  EXPECT_EQ(bits(decoded), bits(whole));
}

Tensor best(const Tensor& logits) {  // (B, L, V) -> (B, 1): of the last position
  const Tensor ids = Tensor::empty({logits.dim(0), 1}, DType::i32);
  for (int64_t b = 0; b < logits.dim(0); ++b) {
    const Tensor row = logits.narrow(0, b, 1).narrow(1, logits.dim(1) - 1, 1);
    int64_t top = 0;
    for (int64_t v = 1; v < row.size(); ++v)
      if (row.item(v) > row.item(top)) top = v;
    ids.data<int32_t>()[b] = int32_t(top);
  }
  return ids;
}

TEST_P(HfMamba, GreedyTokens) {
  const Hdf5File file = Hdf5File::open(kFolder + "/case.h5");
  const Tensor want = file.read("greedy/tokens");
  State state;
  const Tensor prompt = row_of(file.read("input_ids"), 0, file.read_int64("greedy/prompt_len"));
  Tensor next = best(logits_of(*model_, prompt, state));
  for (int64_t t = 0; t < want.dim(1); ++t) {
    for (int64_t b = 0; b < want.dim(0); ++b)
      ASSERT_EQ(next.item(b), want.narrow(1, t, 1).item(b)) << "token " << t;
    next = best(logits_of(*model_, next, state));
  }
}

TEST_P(HfMamba, DecayFlags) {
  const Hdf5File file = Hdf5File::open(kFolder + "/train.h5");
  for (const ForeignTensor& t : source_.tensors)
    EXPECT_EQ(int64_t(parameter(t).decay), file.read_int64("decay/" + t.source)) << t.ours;
}

TEST_P(HfMamba, TwentyTrainingSteps) {
  const Hdf5File file = Hdf5File::open(kFolder + "/train.h5");
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
    const Tensor& value = parameter(t).value;
    const double length = file.read_double("f64/param_norm/" + t.source);
    const double moved = file.read_double("f64/update_norm/" + t.source);
    EXPECT_NEAR(l2(value), length, length * tolerance(1e-5, 1e-8)) << t.source;
    EXPECT_NEAR(l2(difference(value, t.value)), moved, moved * tolerance(2e-3, 1e-6)) << t.source;
    // `final` is the float64 run's end, rounded to float32.
    const Tensor end = to_source(value.to(DType::f32), t), want = file.read("final/" + t.source);
    EXPECT_LT(l2(difference(end, want)), moved * tolerance(2e-3, 1e-6)) << t.source;
  }
}

INSTANTIATE_TEST_SUITE_P(Precision, HfMamba, testing::Values(DType::f32, DType::f64),
                         [](const auto& info) { return name(info.param); });

}  // namespace
}  // namespace adder
