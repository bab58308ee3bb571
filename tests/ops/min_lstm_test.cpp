#include "framework/ops/min_lstm.h"

#include <cmath>

#include "kernels/min_lstm/ref.h"
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

OpCase min_lstm_case(const Case& c) {
  const Shape shape{c.batch, c.length, c.channels};
  return {.op =
              [candidate = c.candidate](const std::vector<Var>& in) {
                const auto [h, last] = ops::min_lstm(in[0], in[1], in[2], in[3], in[4].value(), candidate);
                return std::vector<Var>{h, last};
              },
          .ref = reference([candidate = c.candidate](const auto& in) {
            return kernels::ref::min_lstm(in, candidate);
          }),
          .inputs = {normal_input(shape, 1, 2), normal_input(shape, 4, 2), normal_input(shape, 2),
                     c.h0 ? normal_input({c.batch, c.channels}, 3) : Tensor(),
                     resets_at(c.batch, c.length, c.starts)}};
}

TEST(MinLstm, MatchesItsDefinition) {
  for (const Candidate candidate : {Candidate::linear, Candidate::g})
    for (const bool h0 : {false, true})
      for (auto [batch, length, channels] :
           {std::array<int64_t, 3>{2, 7, 5}, {1, 1, 1}, {3, 1, 17}, {2, 9, 3}, {1, 6, 35}})
        expect_op("min_lstm", min_lstm_case({batch, length, channels, h0, candidate}));
}

TEST(MinLstm, NoStateCrossesADocumentsStart) {
  for (int64_t i = 0; i < 5; ++i) expect_op("min_lstm", min_lstm_case({1, 5, 3, true, Candidate::g, {i}}));
  expect_op("min_lstm", min_lstm_case({2, 6, 17, true, Candidate::linear, {0, 3, 4, 11}}));
  expect_op("min_lstm", min_lstm_case({2, 4, 5, false, Candidate::g, {2, 4}}));
}

// Few channels and a long sequence: time is cut into chunks of 256.
TEST(MinLstm, ChunkedMatchesItsDefinition) {
  expect_op("min_lstm", min_lstm_case({1, 515, 1, true, Candidate::g, {300}}));
  expect_op("min_lstm", min_lstm_case({1, 259, 2, false}));
}

TEST(MinLstm, SameBitsOnThreadsAndTargets) {
  expect_bits("min_lstm", min_lstm_case({3, 50, 300, true, Candidate::g}));
  expect_bits("min_lstm", min_lstm_case({2, 37, 1100, true, Candidate::linear, {5, 50}}));
  expect_bits("min_lstm, chunked", min_lstm_case({2, 1500, 3, true, Candidate::g, {700, 1700}}));
}

TEST(MinLstm, PartsWithCarriedStateAreTheWhole) {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const int64_t channels : {3, 21}) {
      const Shape shape{2, 530, channels};
      const Tensor f = normal_input(shape, 1).to(dtype), i = normal_input(shape, 4).to(dtype),
                   v = normal_input(shape, 2).to(dtype);
      const auto whole = ops::min_lstm(f, i, v, {}, {}, Candidate::g);
      for (const int64_t cut : {1, 256, 300}) {
        const auto run = [&](int64_t from, int64_t length, const Var& h0) {
          const auto part = [&](const Tensor& x) { return x.narrow(1, from, length); };
          return ops::min_lstm(part(f), part(i), part(v), h0, {}, Candidate::g);
        };
        const auto first = run(0, cut, {}), second = run(cut, 530 - cut, first.last);
        // Few channels: the chunks lie elsewhere, and their products are rounded elsewhere.
        const double allowed = channels > 3 ? 0 : dtype == DType::f32 ? 1e-6 : 1e-14;
        EXPECT_LE(fixtures::nmax(second.h.value(), whole.h.value().narrow(1, cut, 530 - cut)), allowed);
        EXPECT_LE(fixtures::nmax(second.last.value(), whole.last.value()), allowed);
      }
    }
}

// The paper's parallel form (Heinsen, 2023): log f' = -softplus(q), log i' = -softplus(-q) with
// q = softplus(-f) - softplus(-i), and log h_t = s_t + log(h0 + sum_{j <= t} e^(log i'_j + log g_j - s_j)) with
// s_t = sum of log f' up to t. Candidates and h0 must be positive.
double log_g(double v) { return v >= 0 ? std::log(v + 0.5) : -std::log1p(std::exp(-v)); }
double softplus(double x) { return std::max(0.0, x) + std::log1p(std::exp(-std::abs(x))); }
double log_add(double a, double b) { return std::max(a, b) + std::log1p(std::exp(-std::abs(a - b))); }

TEST(MinLstm, TheFormInLogarithmsAgrees) {
  const int64_t length = 60, channels = 7;
  const Shape shape{1, length, channels};
  const Tensor f = normal_input(shape, 1, 2), i = normal_input(shape, 4, 2),
               v = normal_input(shape, 2, 2), h0 = uniform_input({1, channels}, 3, 0.1, 2);
  const Tensor h = ops::min_lstm(f, i, v, h0, {}, Candidate::g).h.value();
  for (int64_t d = 0; d < channels; ++d) {
    double s = 0, total = std::log(h0.item(d));
    for (int64_t t = 0; t < length; ++t) {
      const int64_t at = t * channels + d;
      const double q = softplus(-f.item(at)) - softplus(-i.item(at));
      s -= softplus(q);
      total = log_add(total, -softplus(-q) + log_g(v.item(at)) - s);
      ASSERT_NEAR(h.item(at), std::exp(s + total), 1e-12 * std::abs(h.item(at))) << t;
    }
  }
}

long double log_sigmoid(long double x) { return std::min(0.0L, x) - std::log1p(std::exp(-std::abs(x))); }

// Pre-activations of any size: v = 1 shows the input gate, h0 = 1 with v = 0 the forget gate.
template <class T>
void expect_gates_at_extremes(DType dtype, double tolerance, double least) {
  const std::vector<double> at = {-1e30, -1e4, -700, -90, -20, -1, -1e-3, 0, 1e-3, 1, 20, 90, 700, 1e4, 1e30};
  const Tensor one = Tensor::full({1, 4}, 1, dtype), ones = Tensor::full({1, 1, 4}, 1, dtype),
               zeros = Tensor::zeros({1, 1, 4}, dtype);
  for (const double f : at)
    for (const double i : at) {
      Parameter forget{.name = "f", .value = Tensor::full({1, 1, 4}, f, dtype)},
          input{.name = "i", .value = Tensor::full({1, 1, 4}, i, dtype)};
      const long double q = log_sigmoid(T(i)) - log_sigmoid(T(f)), take = 1 / (1 + std::exp(-q)),
                        keep = 1 / (1 + std::exp(q));
      Tape tape;
      const Var h = ops::min_lstm(tape.use(forget), tape.use(input), ones).h;
      tape.backward(h);
      EXPECT_NEAR(h.value().item(), double(take), tolerance * double(take) + least) << f << ", " << i;
      EXPECT_NEAR(ops::min_lstm(forget.value, input.value, zeros, one).h.value().item(), double(keep),
                  tolerance * double(keep) + least) << f << ", " << i;
      const long double slope = keep * take;
      const double df = double(-slope * (1 - std::exp(log_sigmoid(T(f))))),
                   di = double(slope * (1 - std::exp(log_sigmoid(T(i)))));
      EXPECT_NEAR(forget.grad.item(), df, 3 * tolerance) << f << ", " << i;
      EXPECT_NEAR(input.grad.item(), di, 3 * tolerance) << f << ", " << i;
    }
}

TEST(MinLstm, GatesKeepTheirDigitsAtExtremes) {
  expect_gates_at_extremes<float>(DType::f32, 1e-6, 2e-38);
  expect_gates_at_extremes<double>(DType::f64, 1e-14, 1e-300);  // 90 - 0.001 is rounded by 7e-15
}

void expect_parity(const std::string& name, Candidate candidate) {
  const Hdf5File file = fixtures::open("ops.h5");
  for (const DType dtype : {DType::f32, DType::f64}) {
    const auto read = [&](const std::string& path) {
      return fixtures::read(file, "/minlstm/" + name + "/" + path);
    };
    Parameter f{.name = "f", .value = read("in/f").to(dtype)},
        i{.name = "i", .value = read("in/i").to(dtype)},
        v{.name = "v", .value = read("in/v").to(dtype)},
        h0{.name = "h0", .value = read("in/h0").to(dtype)};
    Tape tape;
    const Var h = ops::min_lstm(tape.use(f), tape.use(i), tape.use(v), tape.use(h0), {}, candidate).h;
    tape.backward({{h, read("dout/h").to(dtype)}});
    const double allowed = dtype == DType::f32 ? 1e-5 : 1e-11;
    double worst = fixtures::nmax(h.value(), read("out/h"));
    for (const Parameter* p : {&f, &i, &v, &h0})
      worst = std::max(worst, fixtures::nmax(p->grad, read("din/" + p->name)));
    EXPECT_LE(worst, allowed) << name << ", " << adder::name(dtype);
  }
}

TEST(MinLstm, ParityWithThePaper) {
  SKIP_WITHOUT_SHARED();
  expect_parity("vanilla_h0", Candidate::linear);
  expect_parity("log_h0", Candidate::g);
}

TEST(MinLstm, NamesTheArgumentThatDoesNotFit) {
  const auto zeros = [](Shape s) { return Var(Tensor::zeros(s)); };
  EXPECT_EQ(message_of([&] { ops::min_lstm(zeros({2, 7, 5}), zeros({2, 7, 4}), zeros({2, 7, 5})); }),
            "[min_lstm] i has shape [2, 7, 4], expected [2, 7, 5]");
  EXPECT_EQ(message_of([&] { ops::min_lstm(zeros({2, 7, 5}), zeros({2, 7, 5}), zeros({2, 6, 5})); }),
            "[min_lstm] v has shape [2, 6, 5], expected [2, 7, 5]");
}

}  // namespace
}  // namespace adder
