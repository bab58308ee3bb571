#include "framework/ops/min_gru.h"

#include <cmath>

#include "kernels/min_gru/ref.h"
#include "tests/support/check.h"
#include "tests/support/fixtures.h"

namespace adder {
namespace {

using ops::Candidate;

struct Case {
  int64_t batch, length, channels;
  bool h0 = true;
  Candidate candidate = Candidate::linear;
  std::vector<int64_t> starts = {};  // document starts, positions in the flattened (batch, length)
};

OpCase min_gru_case(const Case& c) {
  const Shape shape{c.batch, c.length, c.channels};
  return {.op =
              [candidate = c.candidate](const std::vector<Var>& in) {
                const auto [h, last] = ops::min_gru(in[0], in[1], in[2], in[3].value(), candidate);
                return std::vector<Var>{h, last};
              },
          .ref = reference([candidate = c.candidate](const auto& in) {
            return kernels::ref::min_gru(in, candidate);
          }),
          .inputs = {normal_input(shape, 1, 2), normal_input(shape, 2),
                     c.h0 ? normal_input({c.batch, c.channels}, 3) : Tensor(),
                     resets_at(c.batch, c.length, c.starts)}};
}

TEST(MinGru, MatchesItsDefinition) {
  for (const Candidate candidate : {Candidate::linear, Candidate::g})
    for (const bool h0 : {false, true})
      for (auto [batch, length, channels] :
           {std::array<int64_t, 3>{2, 7, 5}, {1, 1, 1}, {3, 1, 17}, {2, 9, 3}, {1, 6, 35}})
        expect_op("min_gru", min_gru_case({batch, length, channels, h0, candidate}));
}

TEST(MinGru, NoStateCrossesADocumentsStart) {
  for (int64_t i = 0; i < 5; ++i) expect_op("min_gru", min_gru_case({1, 5, 3, true, Candidate::g, {i}}));
  expect_op("min_gru", min_gru_case({2, 6, 17, true, Candidate::linear, {0, 3, 4, 11}}));
  expect_op("min_gru", min_gru_case({2, 4, 5, false, Candidate::g, {2, 4}}));
}

// Few channels and a long sequence: time is cut into chunks of 256.
TEST(MinGru, ChunkedMatchesItsDefinition) {
  expect_op("min_gru", min_gru_case({1, 515, 1, true, Candidate::g, {300}}));
  expect_op("min_gru", min_gru_case({1, 259, 2, false}));
}

TEST(MinGru, SameBitsOnThreadsAndTargets) {
  expect_bits("min_gru", min_gru_case({3, 50, 300, true, Candidate::g}));
  expect_bits("min_gru", min_gru_case({2, 37, 1100, true, Candidate::linear, {5, 50}}));
  expect_bits("min_gru, chunked", min_gru_case({2, 1500, 3, true, Candidate::g, {700, 1700}}));
}

TEST(MinGru, ADocumentForgetsEvenAnInfinity) {
  const Tensor k = Tensor::full({1, 3, 5}, 0), v = Tensor::full({1, 3, 5}, 1);
  for (int64_t d = 0; d < 5; ++d) v.data<float>()[d] = INFINITY;
  const Tensor h = ops::min_gru(k, v, {}, resets_at(1, 3, {1})).h.value();
  EXPECT_EQ(h.item(0), INFINITY);
  EXPECT_EQ(h.item(5), 0.5);
  EXPECT_EQ(h.item(10), 0.75);
}

TEST(MinGru, PartsWithCarriedStateAreTheWhole) {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const int64_t channels : {3, 21}) {
      const Shape shape{2, 530, channels};
      const Tensor k = normal_input(shape, 1).to(dtype), v = normal_input(shape, 2).to(dtype);
      const auto whole = ops::min_gru(k, v, {}, {}, Candidate::g);
      for (const int64_t cut : {1, 256, 300}) {
        const auto run = [&](int64_t from, int64_t length, const Var& h0) {
          return ops::min_gru(k.narrow(1, from, length), v.narrow(1, from, length), h0, {}, Candidate::g);
        };
        const auto first = run(0, cut, {}), second = run(cut, 530 - cut, first.last);
        // Few channels: the chunks lie elsewhere, and their products are rounded elsewhere.
        const double allowed = channels > 3 ? 0 : dtype == DType::f32 ? 1e-6 : 1e-14;
        EXPECT_LE(fixtures::nmax(second.h.value(), whole.h.value().narrow(1, cut, 530 - cut)), allowed);
        EXPECT_LE(fixtures::nmax(second.last.value(), whole.last.value()), allowed);
      }
    }
}

// The paper's parallel form (Heinsen, 2023): with s_t = sum of log keep up to t,
// log h_t = s_t + log(h0 + sum_{j <= t} e^(log z_j + log g_j - s_j)). Candidates and h0 must be positive.
double log_g(double v) { return v >= 0 ? std::log(v + 0.5) : -std::log1p(std::exp(-v)); }
double softplus(double x) { return std::max(0.0, x) + std::log1p(std::exp(-std::abs(x))); }

double log_add(double a, double b) { return std::max(a, b) + std::log1p(std::exp(-std::abs(a - b))); }

TEST(MinGru, TheFormInLogarithmsAgrees) {
  const int64_t length = 60, channels = 7;
  const Shape shape{1, length, channels};
  const Tensor k = normal_input(shape, 1, 2), v = normal_input(shape, 2, 2),
               h0 = uniform_input({1, channels}, 3, 0.1, 2);
  const Tensor h = ops::min_gru(k, v, h0, {}, Candidate::g).h.value();
  for (int64_t d = 0; d < channels; ++d) {
    double s = 0, total = std::log(h0.item(d));
    for (int64_t t = 0; t < length; ++t) {
      const int64_t at = t * channels + d;
      s -= softplus(k.item(at));
      total = log_add(total, -softplus(-k.item(at)) + log_g(v.item(at)) - s);
      ASSERT_NEAR(h.item(at), std::exp(s + total), 1e-12 * std::abs(h.item(at))) << t;
    }
  }
}

void expect_parity(const std::string& name, Candidate candidate) {
  const Hdf5File file = fixtures::open("ops.h5");
  for (const DType dtype : {DType::f32, DType::f64}) {
    const auto read = [&](const std::string& path) {
      return fixtures::read(file, "/mingru/" + name + "/" + path);
    };
    Parameter k{.name = "k", .value = read("in/k").to(dtype)},
        v{.name = "v", .value = read("in/v").to(dtype)},
        h0{.name = "h0", .value = read("in/h0").to(dtype)};
    Tape tape;
    const Var h = ops::min_gru(tape.use(k), tape.use(v), tape.use(h0), {}, candidate).h;
    tape.backward({{h, read("dout/h").to(dtype)}});
    const double allowed = dtype == DType::f32 ? 1e-5 : 1e-11;
    double worst = fixtures::nmax(h.value(), read("out/h"));
    for (const Parameter* p : {&k, &v, &h0})
      worst = std::max(worst, fixtures::nmax(p->grad, read("din/" + p->name)));
    EXPECT_LE(worst, allowed) << name << ", " << adder::name(dtype);
  }
}

TEST(MinGru, ParityWithThePaper) {
  SKIP_WITHOUT_SHARED();
  expect_parity("vanilla_h0", Candidate::linear);
  expect_parity("log_h0", Candidate::g);
}

// With z = 1 the state is the candidate.
TEST(MinGru, CandidateParity) {
  SKIP_WITHOUT_SHARED();
  const Hdf5File file = fixtures::open("ops.h5");
  const Tensor x = fixtures::read(file, "/activation/mingru_g/in/x"),
               dy = fixtures::read(file, "/activation/mingru_g/dout/y");
  const int64_t n = x.size();
  for (const DType dtype : {DType::f32, DType::f64}) {
    Parameter v{.name = "v", .value = x.to(dtype).reshape({1, 1, n})};
    Tape tape;
    const Var h = ops::min_gru(Tensor::full({1, 1, n}, 800, dtype), tape.use(v), {}, {}, Candidate::g).h;
    tape.backward({{h, dy.to(dtype).reshape({1, 1, n})}});
    const double allowed = dtype == DType::f32 ? 1e-5 : 1e-11;
    EXPECT_LE(fixtures::nmax(h.value(), fixtures::read(file, "/activation/mingru_g/out/y")), allowed);
    EXPECT_LE(fixtures::nmax(v.grad, fixtures::read(file, "/activation/mingru_g/din/x")), allowed);
  }
}

// log g, which the form in logarithms above needs, and its slope g' / g.
TEST(MinGru, LogarithmOfTheCandidateParity) {
  SKIP_WITHOUT_SHARED();
  const Hdf5File file = fixtures::open("ops.h5");
  const auto read = [&](const std::string& path) {
    return fixtures::read(file, "/activation/mingru_log_g/" + path);
  };
  const Tensor x = read("in/x"), y = Tensor::like(x), dx = Tensor::like(x), dy = read("dout/y"),
               want = read("din/x");
  for (int64_t i = 0; i < x.size(); ++i) {
    const double v = x.item(i);
    y.data<double>()[i] = log_g(v);
    dx.data<double>()[i] = dy.item(i) * (v >= 0 ? 1 / (v + 0.5) : 1 / (1 + std::exp(v)));
    if (v == 0) dx.data<double>()[i] = want.item(i);  // the fixture's is that of log(relu(v) + 1/2) there: 0
    const Tensor open = Tensor::full({1, 1, 1}, 800, DType::f64), in = Tensor::full({1, 1, 1}, v, DType::f64);
    const double g = ops::min_gru(open, in, {}, {}, Candidate::g).h.value().item();
    EXPECT_NEAR(g, std::exp(log_g(v)), 1e-13 * g) << v;
  }
  // The fixture's softplus is x itself beyond 20, off by up to 2.1e-9 there.
  EXPECT_LE(fixtures::nmax(y, read("out/y")), 2.1e-9);
  EXPECT_LE(fixtures::nmax(dx, want), 2.1e-9);
}

TEST(MinGru, NamesTheArgumentThatDoesNotFit) {
  const auto zeros = [](Shape s) { return Var(Tensor::zeros(s)); };
  EXPECT_EQ(message_of([&] { ops::min_gru(zeros({2, 7, 5}), zeros({2, 7, 4})); }),
            "[min_gru] v has shape [2, 7, 4], expected [2, 7, 5]");
  EXPECT_EQ(message_of([&] { ops::min_gru(zeros({2, 7, 5}), zeros({2, 7, 5}), zeros({2, 4})); }),
            "[min_gru] h0 has shape [2, 4], expected [2, 5]");
  EXPECT_EQ(message_of([&] { ops::min_gru(zeros({2, 7, 5}), zeros({2, 7, 5}), {}, Tensor::zeros({2, 7})); }),
            "[min_gru] resets has dtype float32, expected int32");
}

}  // namespace
}  // namespace adder
