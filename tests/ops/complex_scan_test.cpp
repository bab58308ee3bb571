#include "framework/ops/complex_scan.h"

#include <cmath>

#include "kernels/complex_scan/ref.h"
#include "tests/support/check.h"
#include "tests/support/fixtures.h"

namespace adder {
namespace {

struct Case {
  int64_t batch, length, channels;
  bool constant = false, h0 = true;
  std::vector<int64_t> starts = {};  // document starts, positions in the flattened (batch, length)
};

std::vector<Var> outputs(const ops::ComplexScanResult& r) { return {r.h_re, r.h_im, r.last_re, r.last_im}; }

OpCase scan_case(const Case& c) {
  OpCase op;
  op.op = [](const std::vector<Var>& in) {
    return outputs(ops::complex_scan({in[0], in[1], in[2], in[3], in[4], in[5], in[6].value()}));
  };
  op.ref = reference([](const auto& in) { return kernels::ref::complex_scan(in); });
  const Shape rows{c.batch, c.length, c.channels}, before{c.batch, c.channels};
  const Shape coefficients = c.constant ? Shape{c.channels} : rows;
  op.inputs = {uniform_input(coefficients, 1, -0.7, 0.7), uniform_input(coefficients, 2, -0.7, 0.7),
               normal_input(rows, 3), normal_input(rows, 4),
               c.h0 ? normal_input(before, 5) : Tensor(), c.h0 ? normal_input(before, 6) : Tensor(),
               resets_at(c.batch, c.length, c.starts)};
  return op;
}

TEST(ComplexScan, MatchesItsDefinition) {
  for (const bool constant : {false, true})
    for (const bool h0 : {false, true})
      for (auto [batch, length, channels] :
           {std::array<int64_t, 3>{2, 7, 5}, {1, 1, 1}, {3, 1, 17}, {2, 5, 16}, {1, 4, 35}})
        expect_op("complex_scan", scan_case({batch, length, channels, constant, h0}));
}

TEST(ComplexScan, NoStateCrossesADocumentsStart) {
  for (const bool constant : {false, true}) {
    for (int64_t i = 0; i < 5; ++i) expect_op("complex_scan", scan_case({1, 5, 2, constant, true, {i}}));
    expect_op("complex_scan", scan_case({2, 6, 17, constant, true, {0, 3, 4, 11}}));
    expect_op("complex_scan", scan_case({2, 4, 5, constant, false, {2, 4}}));
  }
}

TEST(ComplexScan, ADocumentForgetsEvenAnInfinity) {
  const Tensor one = Tensor::full({1, 3, 1}, 1), b = Tensor::full({1, 3, 1}, 1);
  b.data<float>()[0] = INFINITY;
  const auto h = ops::complex_scan({one, one, b, one, {}, {}, resets_at(1, 3, {1})}).h_re.value();
  EXPECT_EQ(h.item(0), INFINITY);
  EXPECT_EQ(h.item(1), 1);
  EXPECT_EQ(h.item(2), 1);  // (1 + i)(1 + i) + (1 + i) = 1 + 3i
}

// Few channels and a long sequence: time is cut into chunks of 256.
TEST(ComplexScan, ChunkedMatchesItsDefinition) {
  expect_op("complex_scan", scan_case({1, 300, 1, false, true, {0, 100, 256}}));
  expect_op("complex_scan", scan_case({2, 270, 1, true}));
  expect_op("complex_scan", scan_case({1, 260, 3, true, true, {100, 257}}));
}

TEST(ComplexScan, SameBitsOnThreadsAndTargets) {
  for (const bool constant : {false, true}) {
    expect_bits("complex_scan", scan_case({3, 100, 1100, constant}));
    expect_bits("complex_scan", scan_case({3, 1000, 3, constant}));
  }
}

TEST(ComplexScan, TwoHalvesWithCarriedStateAreTheWhole) {
  for (const bool constant : {false, true}) {
    std::vector<Tensor> x;
    for (const Tensor& t : scan_case({2, 21, 33, constant}).inputs) x.push_back(t.defined() ? t.to(DType::f32) : t);
    const auto run = [&](int64_t from, int64_t length, const Var& re, const Var& im) {
      const auto part = [&](size_t i) { return Var(x[i].rank() == 3 ? x[i].narrow(1, from, length) : x[i]); };
      return ops::complex_scan({part(0), part(1), part(2), part(3), re, im});
    };
    const auto whole = outputs(run(0, 21, x[4], x[5]));
    for (const int64_t cut : {1, 8, 20}) {
      const auto first = run(0, cut, x[4], x[5]);
      const auto second = outputs(run(cut, 21 - cut, first.last_re, first.last_im));
      for (size_t j = 0; j < 4; ++j) {
        const Tensor want = j < 2 ? whole[j].value().narrow(1, cut, 21 - cut) : whole[j].value();
        for (int64_t i = 0; i < want.size(); ++i)
          ASSERT_EQ(second[j].value().item(i), want.item(i)) << "output " << j << ", cut " << cut;
      }
    }
  }
}

TEST(ComplexScan, NamesTheArgumentThatDoesNotFit) {
  const auto zeros = [](Shape s) { return Var(Tensor::zeros(s)); };
  const Var x = zeros({2, 7, 5}), a = zeros({5});
  EXPECT_EQ(message_of([&] { ops::complex_scan({a, a, x, zeros({2, 7, 4})}); }),
            "[complex_scan] b_im has shape [2, 7, 4], expected [2, 7, 5]");
  EXPECT_EQ(message_of([&] { ops::complex_scan({a, x, x, x}); }),
            "[complex_scan] a_im has shape [2, 7, 5], expected [5]");
  EXPECT_EQ(message_of([&] { ops::complex_scan({a, a, x, x, {}, {}, Tensor::zeros({2, 7})}); }),
            "[complex_scan] resets has dtype float32, expected int32");
  EXPECT_NE(message_of([&] { ops::complex_scan({a, a, x, x, zeros({2, 5}), {}}); }), "no error");
}

TEST(ComplexScan, Parity) {
  SKIP_WITHOUT_SHARED();
  const Hdf5File file = fixtures::open("ops.h5");
  const auto read = [&](const std::string& name) { return fixtures::read(file, "/assoc_scan/complex/" + name); };
  const char* names[] = {"a_re", "a_im", "b_re", "b_im", "h0_re", "h0_im"};
  for (const DType dtype : {DType::f32, DType::f64}) {
    const double tolerance = dtype == DType::f32 ? 1e-5 : 1e-11;
    Tape tape;
    Parameter p[6];
    Var in[6];
    for (size_t i = 0; i < 6; ++i) {
      p[i].value = read(std::string("in/") + names[i]).to(dtype);
      in[i] = tape.use(p[i]);
    }
    const auto r = ops::complex_scan({in[0], in[1], in[2], in[3], in[4], in[5]});
    EXPECT_LE(fixtures::nmax(r.h_re.value(), read("out/h_re")), tolerance);
    EXPECT_LE(fixtures::nmax(r.h_im.value(), read("out/h_im")), tolerance);
    tape.backward({{r.h_re, read("dout/h_re").to(dtype)}, {r.h_im, read("dout/h_im").to(dtype)}});
    for (size_t i = 0; i < 6; ++i)
      EXPECT_LE(fixtures::nmax(p[i].grad, read(std::string("din/") + names[i])), tolerance) << names[i];
  }
}

}  // namespace
}  // namespace adder
