#include "models/mamba.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "framework/core/error.h"
#include "tests/models/model_support.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 11;

// ---- initialisation ----

struct Moments {
  double mean = 0, deviation = 0, least = 1e300, most = -1e300;
};
Moments moments(const Tensor& x) {
  Moments m;
  for (int64_t i = 0; i < x.size(); ++i) {
    m.mean += x.item(i) / double(x.size());
    m.least = std::min(m.least, x.item(i)), m.most = std::max(m.most, x.item(i));
  }
  for (int64_t i = 0; i < x.size(); ++i) m.deviation += std::pow(x.item(i) - m.mean, 2) / double(x.size());
  m.deviation = std::sqrt(m.deviation);
  return m;
}

// Uniform between -bound and bound: filled to the ends, with the deviation of the uniform distribution.
void expect_uniform(Model& model, const std::string& name, double bound) {
  const Parameter* p = model.parameters().find(name);
  ASSERT_NE(p, nullptr) << name;
  const Moments m = moments(p->value);
  const double n = double(p->value.size());
  EXPECT_LE(std::max(-m.least, m.most), bound * (1 + 1e-6)) << name;
  EXPECT_GT(std::min(-m.least, m.most), bound * (1 - 20 / n)) << name;
  EXPECT_NEAR(m.mean, 0, 4 * bound / std::sqrt(3 * n)) << name;
  EXPECT_NEAR(m.deviation, bound / std::sqrt(3.0), 4 * bound / std::sqrt(n)) << name;
}

TEST(MambaInit, FollowsTheReferenceImplementation) {
  auto config = mamba_config({.d_model = 96, .n_layers = 4, .d_state = 16, .bias = true});
  config.tie_embeddings = false;
  const auto model = make_model(config, 200, DType::f32);
  const std::string mixer = "blocks.2.mixer.";
  expect_uniform(*model, mixer + "in_proj.weight", 1 / std::sqrt(96.0));
  expect_uniform(*model, mixer + "conv1d.weight", 0.5);
  expect_uniform(*model, mixer + "conv1d.bias", 0.5);
  expect_uniform(*model, mixer + "x_proj.weight", 1 / std::sqrt(192.0));
  expect_uniform(*model, mixer + "dt_proj.weight", 1 / std::sqrt(6.0));
  expect_uniform(*model, mixer + "out_proj.weight", 1 / std::sqrt(192.0) / std::sqrt(4.0));
  expect_uniform(*model, "head.weight", 1 / std::sqrt(96.0));
  const ParameterList& list = model->parameters();
  const Moments table = moments(list.find("embedding.weight")->value);
  EXPECT_NEAR(table.mean, 0, 4 * 0.02 / std::sqrt(19200.0));
  EXPECT_NEAR(table.deviation, 0.02, 0.02 * 4 / std::sqrt(2 * 19200.0));
  for (const char* one : {"blocks.0.norm.weight", "norm.weight", "blocks.3.mixer.D"})
    EXPECT_EQ(bits(list.find(one)->value), bits(Tensor::full(list.find(one)->value.shape(), 1))) << one;
  for (const char* zero : {"blocks.1.mixer.in_proj.bias", "blocks.1.mixer.out_proj.bias"})
    EXPECT_EQ(bits(list.find(zero)->value), bits(Tensor::zeros(list.find(zero)->value.shape()))) << zero;
  const Tensor A_log = list.find(mixer + "A_log")->value;
  ASSERT_EQ(A_log.shape(), (Shape{192, 16}));
  for (int64_t i = 0; i < A_log.size(); ++i)
    ASSERT_EQ(A_log.item(i), double(float(std::log(double(1 + i % 16)))));
}

TEST(MambaInit, TimeStepsAreLogUniform) {
  const auto model = make_model(mamba_config({.d_model = 512, .n_layers = 1}), 3, DType::f32);
  const Tensor bias = model->parameters().find("blocks.0.mixer.dt_proj.bias")->value;
  int64_t below = 0;
  for (int64_t i = 0; i < bias.size(); ++i) {
    const double dt = std::log1p(std::exp(bias.item(i)));
    ASSERT_GE(dt, 1e-3 * (1 - 1e-5));
    ASSERT_LE(dt, 1e-1 * (1 + 1e-5));
    below += dt < 1e-2;
  }
  EXPECT_NEAR(double(below) / 1024, 0.5, 4 * 0.5 / 32);
}

TEST(MambaInit, TimeStepsStartAtTheFloorAtLeast) {
  auto config = mamba_config();
  const auto options = std::make_shared<MambaOptions>();
  options->dt_min = options->dt_max = 1e-3, options->dt_init_floor = 0.02;
  config.mixer = options;
  const Tensor bias =
      make_model(config, 3, DType::f32)->parameters().find("blocks.0.mixer.dt_proj.bias")->value;
  for (int64_t i = 0; i < bias.size(); ++i) EXPECT_NEAR(std::log1p(std::exp(bias.item(i))), 0.02, 1e-8);
}

TEST(MambaInit, RefusesCrossedTimeSteps) {
  auto config = mamba_config();
  const auto options = std::make_shared<MambaOptions>();
  options->dt_min = 0.2;
  config.mixer = options;
  EXPECT_THROW(make_model(config, 3, DType::f32), UsageError);
}

// ---- forward and step ----

void expect_state(Model& model, const State& a, const State& b, const std::string& what) {
  ASSERT_EQ(a.blocks.size(), model.state_names().size());
  for (size_t i = 0; i < a.blocks.size(); ++i)
    for (size_t j = 0; j < a.blocks[i].size(); ++j) {
      const Tensor &x = a.blocks[i][j].value(), &y = b.blocks[i][j].value();
      ASSERT_EQ(x.shape(), y.shape());
      EXPECT_EQ(bits(x), bits(y)) << what << ", " << model.state_names()[i][j];
    }
}

// full == prefill k + steps, and == two stretches, for every k: bit for bit, logits and states.
void expect_agreement(const MambaSizes& sizes, int64_t length, DType dtype) {
  const auto model = make_model(mamba_config(sizes), kVocabulary, dtype);
  shake(*model);
  const Tensor ids = index_input({2, length}, 5, kVocabulary);
  State whole;
  const Tensor want = logits_of(*model, ids, whole);
  for (int64_t k = 0; k <= length; ++k) {
    State state;
    const std::string what = std::string(name(dtype)) + ", d_model " + std::to_string(sizes.d_model) +
                             ", length " + std::to_string(length) + ", prefill " + std::to_string(k);
    const Tensor head = k > 0 ? logits_of(*model, row_of(ids, 0, k), state) : row_of(want, 0, 0);
    EXPECT_EQ(bits(head), bits(row_of(want, 0, k))) << what;
    State stretch = state;
    for (int64_t t = k; t < length; ++t)
      EXPECT_EQ(bits(logits_of(*model, row_of(ids, t, 1), state)), bits(row_of(want, t, 1)))
          << what << ", step " << t;
    expect_state(*model, state, whole, what + " and steps");
    if (k == length) continue;
    EXPECT_EQ(bits(logits_of(*model, row_of(ids, k, length - k), stretch)), bits(row_of(want, k, length - k)))
        << what;
    expect_state(*model, stretch, whole, what + " and the rest at once");
  }
}

TEST(Mamba, FullEqualsPrefillAndSteps) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const int64_t d_conv : {1, 2, 4})
      for (const int64_t length : {1, 2, 3, 17}) expect_agreement({.d_conv = d_conv}, length, dtype);
    expect_agreement({.d_model = 1, .d_state = 1, .expand = 1}, 5, dtype);
    expect_agreement({.d_model = 33, .d_state = 16, .dt_rank = 5, .bias = true, .conv_bias = false}, 70,
                     dtype);
  }
}

TEST(Mamba, StateIsNamedAndShaped) {
  const auto model =
      make_model(mamba_config({.d_model = 6, .n_layers = 2, .d_state = 3, .d_conv = 4}), 5, DType::f32);
  EXPECT_EQ(model->state_names()[1], (std::vector<std::string>{"blocks.1.mixer.conv", "blocks.1.mixer.ssm"}));
  State state;
  logits_of(*model, index_input({2, 7}, 1, 5), state);
  ASSERT_EQ(state.blocks.size(), 2u);
  EXPECT_EQ(state.blocks[0][0].shape(), (Shape{2, 3, 12}));
  EXPECT_EQ(state.blocks[0][1].shape(), (Shape{2, 12, 3}));
}

// ---- documents in one row ----

TEST(Mamba, ADocumentSeesNothingOfTheOneBefore) {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const int64_t start : {1, 2, 5, 16}) {
      const auto model = make_model(mamba_config({.d_model = 7}), kVocabulary, dtype);
      shake(*model);
      const int64_t length = 19, rest = length - start;
      const Tensor ids = index_input({2, length}, 3, kVocabulary), other = ids.clone();
      const Tensor resets = Tensor::zeros({2, length}, DType::i32);
      for (int64_t b = 0; b < 2; ++b) {
        resets.data<int32_t>()[b * length + start] = 1;
        for (int64_t t = 0; t < start; ++t) {
          int32_t& id = other.data<int32_t>()[b * length + t];
          id = (id + 1) % int32_t(kVocabulary);
        }
      }
      const Tensor one = logits_of(*model, ids, resets), two = logits_of(*model, other, resets);
      EXPECT_NE(bits(row_of(one, 0, start)), bits(row_of(two, 0, start)));
      EXPECT_EQ(bits(row_of(one, start, rest)), bits(row_of(two, start, rest)));
      EXPECT_EQ(bits(row_of(one, start, rest)), bits(logits_of(*model, row_of(ids, start, rest)))) << "alone";
      // Without the mark the second document does see the first.
      EXPECT_NE(bits(row_of(logits_of(*model, ids), start, rest)),
                bits(row_of(logits_of(*model, other), start, rest)));
    }
}

TEST(Mamba, AStartAtTheFirstTokenForgetsTheCarriedState) {
  const auto model = make_model(mamba_config(), kVocabulary, DType::f32);
  shake(*model);
  const Tensor ids = index_input({2, 6}, 3, kVocabulary);
  for (const int64_t length : {1, 6}) {
    const Tensor resets = Tensor::zeros({2, length}, DType::i32);
    for (int64_t b = 0; b < 2; ++b) resets.data<int32_t>()[b * length] = 1;
    State state;
    logits_of(*model, index_input({2, 9}, 4, kVocabulary), state);
    EXPECT_EQ(bits(logits_of(*model, row_of(ids, 0, length), state, resets)),
              bits(logits_of(*model, row_of(ids, 0, length))));
  }
}

}  // namespace
}  // namespace adder
