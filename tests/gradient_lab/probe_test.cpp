// What a probe finds, against recurrences whose answers are known in closed form.
#include "framework/gradient_lab/probe.h"

#include <gtest/gtest.h>

#include "tests/gradient_lab/lab_support.h"
#include "tests/gradient_lab/linear_model.h"
#include "tests/support/check.h"

namespace adder::lab {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Probe probe_of(Model& model, int64_t length, int64_t exponents = 3) {
  return probe(model, lab_ids(3, length), lab_ids(3, length, 4), exponents);
}

Probe of_scaled_orthogonal(double rho, int64_t length) {
  LinearModel model(orthogonal_matrix(6, rho, DType::f64), kLabVocabulary);
  return probe_of(model, length);
}

// |T_k| = rho^k in every direction: profile, memory length and exponents all say rho.
TEST(Probe, OfAScaledOrthogonalRecurrence) {
  for (const double rho : {0.3, 0.9, 1.3}) {
    const Probe p = of_scaled_orthogonal(rho, 45);
    EXPECT_EQ(p.probes(), 3);
    EXPECT_EQ(p.lags(), 44);
    const std::vector<double> mean = mean_profile(p.profile.embedding);
    for (const int64_t k : {1, 20, 44}) EXPECT_NEAR(mean[size_t(k)] - mean[0], double(k) * std::log10(rho), 1e-9);
    EXPECT_NEAR(p.profile.memory.rate, -std::log10(rho), 1e-9);
    ASSERT_EQ(p.spectra.size(), 1u);
    EXPECT_EQ(p.spectra[0].method, "QR");
    ASSERT_EQ(p.spectra[0].lyapunov.exponents.size(), 3u);
    for (const double exponent : p.spectra[0].lyapunov.exponents) EXPECT_NEAR(exponent, std::log(rho), 1e-9);
    const Verdict expected = rho < 0.5 ? Verdict::vanishing : rho < 1 ? Verdict::healthy : Verdict::exploding;
    ASSERT_EQ(p.findings.size(), 2u);
    for (const Finding& f : p.findings) EXPECT_EQ(f.verdict, expected) << rho << " " << f.what << ": " << f.text;
  }
}

// 0.3^k is below 2^-23 of 0.3 from k = 15 on: 14 steps of log10 0.3 are 7.3 decades, 13 are 6.8.
TEST(Probe, SaysFromWhereOnTheGradientIsLost) {
  const Probe p = of_scaled_orthogonal(0.3, 45);
  EXPECT_EQ(p.findings[0].text,
            "the embedding 44 tokens back weighs 3.3e-23 of the one before; from 15 on it is below 2^-23, and float32 rounds "
            "it away beside the near ones");
}

// The top layers' own places come into every profile; the first is the embedding's.
TEST(Probe, ProfilesOfEveryPlace) {
  const auto model = lab_model("gru");
  const Probe p = probe_of(*model, 20);
  EXPECT_EQ(p.profile.places, (std::vector<std::string>{"embed", "layers.0", "layers.1", "final"}));
  EXPECT_EQ(p.profile.stream.shape(), (Shape{4, 3, 20}));
  EXPECT_EQ(bits(p.profile.embedding), bits(some_rows(p.profile.stream, 0, 1)));
  const Tensor labels = last_label(lab_ids(3, 20, 4));
  const Backsweep sweep = backsweep(*model, lab_ids(3, 20), labels);
  for (int64_t place = 0; place < 4; ++place)
    EXPECT_EQ(p.profile.stream.item((place * 3 + 1) * 20 + 5), sweep.stream.item((place * 3 + 1) * 20 + 14)) << place;
  EXPECT_EQ(p.profile.stream.item((3 * 3 + 0) * 20 + 1), -INFINITY) << "what comes after the last layer is seen once";
}

TEST(Probe, SpectraOfWhatHasAState) {
  const struct { const char *architecture, *method; } cases[] = {{"lstm", "QR"}, {"lru", "closed form"}, {"mamba", "closed form"}};
  for (const auto& c : cases) {
    const auto model = lab_model(c.architecture);
    const Probe p = probe_of(*model, 18, 2);
    ASSERT_EQ(p.spectra.size(), 2u) << c.architecture;
    EXPECT_EQ(p.spectra[1].block, "blocks.1");
    EXPECT_EQ(p.spectra[1].method, c.method) << c.architecture;
    EXPECT_EQ(p.spectra[1].lyapunov.exponents.size(), 2u);
    EXPECT_EQ(p.findings.size(), 4u);
  }
  EXPECT_TRUE(probe_of(*lab_model("attention"), 18).spectra.empty());
  EXPECT_TRUE(probe_of(*lab_model("lstm"), 18, 0).spectra.empty());
}

TEST(Probe, AWindowEndsTheReach) {
  const auto model = lab_model("attention", DType::f64, R"("window": 3)");
  const Finding f = probe_of(*model, 18).findings[0];
  EXPECT_EQ(f.verdict, Verdict::vanishing);
  EXPECT_EQ(f.text, "beyond 4 tokens back nothing reaches the loss: the gradient is exactly 0");
}

// By hand: what the last layer passes down times 10^gain.
LagProfile of_depth(double gain) {
  LagProfile p;
  p.places = {"embed", "layers.0", "layers.1", "final"};
  p.stream = Tensor::from<double>({4, 1, 3}, {gain, gain, gain, 0, 0, 0, 0, kNaN, kNaN, 5, kNaN, kNaN});
  p.embedding = p.stream.narrow(0, 0, 1).clone().reshape({1, 3});
  p.memory = fit_memory(p.embedding);
  return p;
}

TEST(Probe, DepthThatShrinksOrGrows) {
  const auto depth = [](double gain) { return findings(of_depth(gain), {})[1]; };
  EXPECT_EQ(depth(-3.5).verdict, Verdict::vanishing);
  EXPECT_EQ(depth(1).verdict, Verdict::healthy);
  EXPECT_EQ(depth(3.5).verdict, Verdict::exploding);
  EXPECT_EQ(depth(1).text, "from layers.1 down to the embedding of the same token the gradient is multiplied by 10");
}

TEST(Probe, TheModelIsNotChanged) {
  const auto model = lab_model("lstm");
  const auto all = [&] {
    std::vector<decltype(bits(model->parameters()[0].value))> list;
    for (size_t i = 0; i < model->parameters().size(); ++i) list.push_back(bits(model->parameters()[i].value));
    return list;
  };
  const auto stored = all();
  probe_of(*model, 18);
  EXPECT_EQ(all(), stored);
}

TEST(Probe, Refusals) {
  EXPECT_EQ(message_of([] { probe_of(*lab_model("rnn", DType::f32), 18); }),
            "[probe] the model is float32, expected float64");
  EXPECT_EQ(message_of([] { probe_of(*lab_model("rnn"), 15); }),
            "[probe] a stretch has 15 tokens, expected at least 16");
}

}  // namespace
}  // namespace adder::lab
