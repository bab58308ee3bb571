#include "framework/ops/scan.h"

#include <cmath>
#include <cstring>

#include "kernels/scan/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

struct Case {
  int64_t batch, length, channels;
  bool reverse = false, h0 = true;
  std::vector<int64_t> starts = {};  // document starts, positions in the flattened (batch, length)
};

OpCase scan_case(const Case& c) {
  OpCase op;
  op.op = [reverse = c.reverse](const std::vector<Var>& in) {
    const auto [h, last] = ops::scan(in[0], in[1], in[2], in[3].value(), reverse);
    return std::vector<Var>{h, last};
  };
  op.ref = reference([reverse = c.reverse](const auto& in) { return kernels::ref::scan(in, reverse); });
  const Shape shape{c.batch, c.length, c.channels};
  op.inputs = {uniform_input(shape, 1, -1, 1), normal_input(shape, 2),
               c.h0 ? normal_input({c.batch, c.channels}, 3) : Tensor(), resets_at(c.batch, c.length, c.starts)};
  return op;
}

TEST(Scan, MatchesItsDefinition) {
  for (const bool reverse : {false, true})
    for (const bool h0 : {false, true})
      for (auto [batch, length, channels] :
           {std::array<int64_t, 3>{2, 7, 5}, {1, 1, 1}, {3, 1, 17}, {2, 9, 16}, {1, 6, 35}})
        expect_op("scan", scan_case({batch, length, channels, reverse, h0}));
  expect_op("scan", scan_case({1, 1, 1027}));  // more than a task's vectors
}

TEST(Scan, NoStateCrossesADocumentsStart) {
  for (const bool reverse : {false, true}) {
    for (int64_t i = 0; i < 5; ++i) expect_op("scan", scan_case({1, 5, 3, reverse, true, {i}}));
    expect_op("scan", scan_case({2, 6, 17, reverse, true, {0, 3, 4, 11}}));
    expect_op("scan", scan_case({1, 4, 2, reverse, true, {0, 1, 2, 3}}));
    expect_op("scan", scan_case({2, 4, 2, reverse, false, {2, 4}}));
  }
}

// The state before a start is forgotten, not multiplied by zero: an infinity does not become NaN.
TEST(Scan, ADocumentForgetsEvenAnInfinity) {
  const Tensor a = Tensor::full({1, 3, 1}, 1), b = Tensor::full({1, 3, 1}, 1);
  b.data<float>()[0] = INFINITY;
  const auto h = ops::scan(a, b, {}, resets_at(1, 3, {1})).h.value();
  EXPECT_EQ(h.item(0), INFINITY);
  EXPECT_EQ(h.item(1), 1);
  EXPECT_EQ(h.item(2), 2);
}

// Few channels and a long sequence: time is cut into chunks of 256.
TEST(Scan, ChunkedMatchesItsDefinition) {
  for (const bool reverse : {false, true}) {
    expect_op("scan", scan_case({1, 600, 1, reverse}));
    expect_op("scan", scan_case({1, 260, 3, reverse, true, {0, 100, 255, 256, 257}}));
  }
  expect_op("scan", scan_case({2, 257, 1, false, false}));
}

std::vector<double> reference_gradient(const std::vector<double>& a, const std::vector<double>& h, double h0,
                                       const std::vector<double>& dh, double dlast, std::vector<double>* da) {
  const size_t n = a.size();
  std::vector<double> g(n);
  da->resize(n);
  for (size_t t = n; t-- > 0;) {
    g[t] = dh[t] + (t + 1 < n ? a[t + 1] * g[t + 1] : dlast);
    (*da)[t] = g[t] * (t ? h[t - 1] : h0);
  }
  return g;
}

void expect_close(const std::string& what, const Tensor& got, const std::vector<double>& want,
                  double tolerance) {
  ASSERT_EQ(got.size(), int64_t(want.size()));
  double peak = 0, error = 0;
  for (double w : want) peak = std::max(peak, std::abs(w));
  for (int64_t i = 0; i < got.size(); ++i) {
    const double e = std::abs(got.item(i) - want[size_t(i)]);
    if (!(e <= error)) error = e;
  }
  EXPECT_LE(error, tolerance * peak) << what;
}

// One channel against the plain recurrence, forwards and backwards, in both precisions.
void expect_long(int64_t length, double low, double high) {
  const Tensor a64 = uniform_input({1, length, 1}, 1, low, high), b64 = normal_input({1, length, 1}, 2);
  const Tensor h064 = normal_input({1, 1}, 3), dh64 = normal_input({1, length, 1}, 4),
               dlast64 = normal_input({1, 1}, 5);
  const size_t n = size_t(length);
  std::vector<double> a(n), dh(n), h(n), da;
  double state = h064.item(0);
  for (size_t t = 0; t < n; ++t) {
    a[t] = a64.item(int64_t(t)), dh[t] = dh64.item(int64_t(t));
    h[t] = state = a[t] * state + b64.item(int64_t(t));
  }
  const auto db = reference_gradient(a, h, h064.item(0), dh, dlast64.item(0), &da);

  for (const DType dtype : {DType::f32, DType::f64}) {
    const double tolerance = dtype == DType::f32 ? 1e-5 : 1e-11;
    Tape tape;
    Parameter pa{"a", a64.to(dtype), {}}, pb{"b", b64.to(dtype), {}}, p0{"h0", h064.to(dtype), {}};
    const auto r = ops::scan(tape.use(pa), tape.use(pb), tape.use(p0), {});
    expect_close("h", r.h.value(), h, tolerance);
    expect_close("last", r.last.value(), {h.back()}, tolerance);
    tape.backward({{r.h, dh64.to(dtype)}, {r.last, dlast64.to(dtype)}});
    expect_close("da", pa.grad, da, tolerance);
    expect_close("db", pb.grad, db, tolerance);
    expect_close("dh0", p0.grad, {a[0] * db[0]}, tolerance);
  }
}

TEST(Scan, OneChannelOverTenThousandSteps) {
  expect_long(10000, -1, 1);
  expect_long(10000, 0.99, 1);
}

TEST(Scan, OneChannelOverAHundredThousandSteps) { expect_long(100000, 0.9, 1); }

// Coefficients whose product overflows over a chunk, on a state that does not: the steps decide.
TEST(Scan, ChunksDoNotOverflowWhereStepsDoNot) {
  const int64_t length = 1000;
  const Tensor a = Tensor::full({1, length, 1}, 4), b = Tensor::zeros({1, length, 1});
  for (int64_t t = 900; t < length; ++t) a.data<float>()[t] = 0.5;
  b.data<float>()[890] = 1;
  const auto h = ops::scan(a, b, {}, {}).h.value();
  for (int64_t t = 0; t < 890; ++t) ASSERT_EQ(h.item(t), 0) << t;
  for (int64_t t = 890; t < 900; ++t) ASSERT_EQ(h.item(t), std::pow(4.0, double(t - 890))) << t;
  EXPECT_EQ(h.item(909), std::pow(4.0, 9) / 1024);
}

TEST(Scan, SameBitsOnThreadsAndTargets) {
  expect_bits("scan", scan_case({3, 300, 77}));
  expect_bits("scan", scan_case({2, 100, 1100, true, true, {0, 70, 199}}));
  expect_bits("scan", scan_case({2, 5000, 3}));
  expect_bits("scan", scan_case({1, 3001, 2, true, true, {1, 255, 256, 3000}}));
}

void expect_same_bits(const Tensor& got, const Tensor& want) {
  const Tensor a = got.clone(), b = want.clone();
  ASSERT_EQ(a.shape(), b.shape());
  EXPECT_EQ(std::memcmp(a.raw(), b.raw(), size_t(a.size()) * bytes_of(a.dtype())), 0);
}

std::vector<double> numbers(const Tensor& t) {
  std::vector<double> v;
  for (int64_t i = 0; i < t.size(); ++i) v.push_back(t.item(i));
  return v;
}

// Cut anywhere and carried on. Where time is chunked the chunks then lie elsewhere: only rounding may differ.
TEST(Scan, CarriedStateContinuesTheSequence) {
  for (const int64_t channels : {1, 3, 4, 37})
    for (const bool reverse : {false, true}) {
      const Case c{2, 700, channels, reverse, true, {0, 5, 130, 256, 900}};
      const auto in = scan_case(c).inputs;
      const Tensor a = in[0].to(DType::f32), b = in[1].to(DType::f32), h0 = in[2].to(DType::f32),
                   resets = in[3];
      const auto whole = ops::scan(a, b, h0, resets, reverse);
      for (const int64_t cut : {1, 130, 256, 333, 699}) {
        const auto part = [&](const Tensor& t, bool head) {
          return head ? t.narrow(1, 0, cut) : t.narrow(1, cut, c.length - cut);
        };
        const bool first = !reverse;  // whether the stretch that runs first is the head
        const auto one = ops::scan(part(a, first), part(b, first), h0, part(resets, first), reverse);
        // A start at the cut itself lies in the tail: in reverse the carried state has yet to meet it.
        Tensor carried = one.last.value();
        for (int64_t i = 0; reverse && i < c.batch; ++i)
          if (resets.item(i * c.length + cut) != 0) carried.narrow(0, i, 1).zero();
        const auto two = ops::scan(part(a, !first), part(b, !first), carried, part(resets, !first), reverse);
        const Tensor h[2] = {part(whole.h.value(), first), part(whole.h.value(), !first)};
        if (channels >= 4) {
          expect_same_bits(one.h.value(), h[0]), expect_same_bits(two.h.value(), h[1]);
          expect_same_bits(two.last.value(), whole.last.value());
        } else {
          expect_close("first stretch", one.h.value(), numbers(h[0]), 1e-6);
          expect_close("second stretch", two.h.value(), numbers(h[1]), 1e-6);
          expect_close("last", two.last.value(), numbers(whole.last.value()), 1e-6);
        }
      }
    }
}

template <class F>
std::string message(F f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "no error";
}

TEST(Scan, RefusesShapesThatDoNotFit) {
  const Tensor a = Tensor::zeros({2, 7, 5});
  EXPECT_EQ(message([&] { ops::scan(a, Tensor::zeros({2, 7, 4}), {}, {}); }),
            "[scan] b has shape [2, 7, 4], expected [2, 7, 5]");
  EXPECT_EQ(message([&] { ops::scan(a, a, Tensor::zeros({5, 2})); }),
            "[scan] h0 has shape [5, 2], expected [2, 5]");
  EXPECT_EQ(message([&] { ops::scan(Tensor::zeros({2, 0, 5}), Tensor::zeros({2, 0, 5}), {}, {}); }),
            "[scan] a has length 0, expected at least 1");
}

}  // namespace
}  // namespace adder
