#include "framework/ops/ssd.h"

#include <cmath>
#include <map>

#include "kernels/ssd/ref.h"
#include "tests/support/check.h"
#include "tests/support/fixtures.h"
#include "tests/support/same.h"

namespace adder {
namespace {

enum Optional { kNone = 0, kSkip = 1, kBias = 2, kState = 4, kAll = 7 };

struct Case {
  int64_t batch, length, heads, head_dim, state;
  int64_t groups = 1, chunk_size = 8;
  int optional = kAll;
  double dt_min = 0, dt_max = INFINITY, dt_mean = 0, dt_spread = 1;
  std::vector<int64_t> starts = {};
};

ops::SsdOptions options_of(const Case& c) {
  return {.groups = c.groups, .chunk_size = c.chunk_size, .dt_min = c.dt_min, .dt_max = c.dt_max};
}

ops::SsdInputs inputs_of(const std::vector<Var>& v, const Tensor& resets) {
  return {v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], resets};
}

std::vector<Tensor> values_of(const Case& c) {
  const auto given = [&](int which, Tensor x) { return c.optional & which ? x : Tensor(); };
  const Tensor dt = normal_input({c.batch, c.length, c.heads}, 2, c.dt_spread);
  for (int64_t i = 0; i < dt.size(); ++i) dt.data<double>()[i] = float(dt.item(i) + c.dt_mean);
  const Shape in = {c.batch, c.length, c.groups * c.state};
  return {normal_input({c.batch, c.length, c.heads * c.head_dim}, 1), dt, uniform_input({c.heads}, 3, -1.5, -0.1),
          normal_input(in, 4), normal_input(in, 5), given(kSkip, normal_input({c.heads}, 6)),
          given(kBias, normal_input({c.heads}, 7)),
          given(kState, normal_input({c.batch, c.heads, c.head_dim, c.state}, 8))};
}

OpCase ssd_case(const Case& c) {
  const Tensor resets = resets_at(c.batch, c.length, c.starts);
  std::vector<int> marks;
  for (int64_t i = 0; resets.defined() && i < resets.size(); ++i) marks.push_back(int(resets.item(i)));
  return {.op =
              [=](const std::vector<Var>& v) {
                const auto r = ops::ssd(inputs_of(v, resets), options_of(c));
                return std::vector<Var>{r.y, r.last};
              },
          .ref = reference([=](const auto& v) {
            return kernels::ref::ssd(v, c.groups, c.dt_min, c.dt_max, marks);
          }),
          .inputs = values_of(c)};
}

TEST(Ssd, MatchesItsDefinition) {
  for (const Case& c : {Case{1, 1, 1, 1, 1}, Case{2, 19, 2, 3, 4}, Case{1, 17, 3, 1, 17, 1, 5},
                        Case{1, 9, 4, 5, 4, 2, 4}, Case{2, 8, 2, 5, 1, 2, 8}, Case{1, 21, 1, 17, 3, 1, 16},
                        Case{2, 1, 2, 3, 17, 2}, Case{1, 33, 2, 2, 2, 1, 64}, Case{1, 7, 2, 3, 4, 1, 1}})
    expect_op("ssd", ssd_case(c));
}

TEST(Ssd, EveryOptionalInputMayBeLeftOut) {
  for (int optional : {int(kNone), int(kSkip), int(kBias), int(kState)}) {
    expect_op("ssd", ssd_case({2, 10, 2, 3, 2, 1, 4, optional}));
    expect_op("ssd", ssd_case({2, 1, 2, 3, 2, 1, 4, optional}));
  }
}

TEST(Ssd, StateIsZeroWhereADocumentStarts) {
  const auto with = [](Case c, std::vector<int64_t> starts) { return c.starts = starts, ssd_case(c); };
  expect_op("ssd", with({1, 14, 2, 3, 2, 1, 4}, {2, 3, 8}));            // inside chunks and where one would start
  expect_op("ssd", with({2, 13, 2, 2, 3, 2, 4}, {0, 12, 13 + 4, 13 + 9}));
  expect_op("ssd", with({2, 1, 2, 2, 3, 1, 4}, {1}));
  expect_op("ssd", with({1, 3, 1, 2, 2, 1, 4}, {0, 1, 2}));
}

TEST(Ssd, TimeStepsAreKeptWithinTheirLimits) {
  Case c{2, 11, 2, 3, 4, 1, 4};
  c.dt_min = 0.5, c.dt_max = 1;
  expect_op("ssd", ssd_case(c));
  c.length = 1;
  expect_op("ssd", ssd_case(c));
}

TEST(Ssd, StaysAccurateWhereStatesDieAtOnce) {
  Case c{1, 19, 2, 3, 4, 1, 8};
  for (const auto& [mean, spread] : {std::pair<double, double>{0, 60}, {300, 400}, {-40, 60}}) {
    c.dt_mean = mean, c.dt_spread = spread;
    expect_op("ssd", ssd_case(c));
  }
}

TEST(Ssd, EnormousTimeStepsLeaveNothingInfinite) {
  const Case c{1, 12, 2, 3, 4, 1, 8, kAll};
  auto x = values_of(c);
  for (const DType dtype : {DType::f32, DType::f64}) {
    Tape tape;
    std::vector<Parameter> parameters(x.size());
    std::vector<Var> v;
    for (size_t i = 0; i < x.size(); ++i) {
      parameters[i].value = x[i].clone().to(dtype);
      if (i == 0)  // finite products with dt
        for (int64_t k = 0; k < x[i].size(); ++k) parameters[i].value.narrow(-1, 0, 6).fill(1e-25);
      if (i == 1) parameters[i].value.narrow(1, 3, 6).fill(1e30);
      v.push_back(tape.use(parameters[i]));
    }
    const auto r = ops::ssd(inputs_of(v, {}), options_of(c));
    tape.backward({{r.y, Tensor::full(r.y.shape(), 1e-12, dtype)}, {r.last, Tensor::full(r.last.shape(), 1e-12, dtype)}});
    for (int64_t i = 0; i < r.y.value().size(); ++i) ASSERT_TRUE(std::isfinite(r.y.value().item(i)));
    for (size_t p = 0; p < parameters.size(); ++p)
      for (int64_t i = 0; i < parameters[p].grad.size(); ++i)
        ASSERT_TRUE(std::isfinite(parameters[p].grad.item(i))) << p << ", element " << i;
  }
}

TEST(Ssd, SameBitsOnThreadsAndTargets) {
  expect_bits("ssd", ssd_case({3, 150, 4, 32, 64, 2, 64}));
  expect_bits("ssd", ssd_case({2, 70, 3, 37, 19, 1, 33}));
  expect_bits("ssd", ssd_case({3, 1, 16, 32, 64, 2}));
}

// ---- beyond the reference ----

struct Outcome {
  std::vector<Tensor> values, gradients;
};

Outcome run(const std::vector<Tensor>& x, DType dtype, const Tensor& resets, const ops::SsdOptions& o) {
  Tape tape;
  std::vector<Parameter> parameters(x.size());
  std::vector<Var> v;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!x[i].defined()) v.emplace_back();
    else parameters[i].value = x[i].to(dtype), v.push_back(tape.use(parameters[i]));
  }
  const auto r = ops::ssd(inputs_of(v, resets), o);
  tape.backward({{r.y, normal_input(r.y.shape(), 20).to(dtype)}, {r.last, normal_input(r.last.shape(), 21).to(dtype)}});
  Outcome result{{r.y.value(), r.last.value()}, {}};
  for (const Parameter& p : parameters) result.gradients.push_back(p.grad);
  return result;
}

TEST(Ssd, AnotherChunkSizeMovesNothingButRounding) {
  const Case c{2, 100, 4, 5, 17, 2};
  const Tensor resets = resets_at(2, 100, {37, 164});
  for (const DType dtype : {DType::f32, DType::f64}) {
    const double tolerance = dtype == DType::f32 ? 1e-5 : 1e-11;
    const auto want = run(values_of(c), DType::f64, resets, {.groups = 2, .chunk_size = 64});
    for (const int64_t size : {1, 7, 8, 64, 100}) {
      const auto got = run(values_of(c), dtype, resets, {.groups = 2, .chunk_size = size});
      for (size_t i = 0; i < want.values.size(); ++i)
        EXPECT_LE(fixtures::nmax(got.values[i], want.values[i]), tolerance) << size << ", output " << i;
      for (size_t i = 0; i < want.gradients.size(); ++i)
        EXPECT_LE(fixtures::nmax(got.gradients[i], want.gradients[i]), tolerance) << size << ", gradient " << i;
    }
  }
}

// Inputs from `first` on, without a state.
std::vector<Tensor> stretch(const std::vector<Tensor>& x, int64_t first, int64_t length) {
  std::vector<Tensor> part = x;
  for (size_t i : {0, 1, 3, 4}) part[i] = x[i].narrow(1, first, length).clone();
  part[7] = {};
  return part;
}

// A document has the bits that it has alone, whatever stands before it, NaN included.
TEST(Ssd, ADocumentIsThatDocumentAlone) {
  const Case c{1, 41, 2, 5, 9, 1, 8};
  for (const DType dtype : {DType::f32, DType::f64})
    for (const int64_t start : {1, 8, 13, 40}) {
      auto x = values_of(c);
      for (size_t i : {0, 1, 3, 4}) x[i].narrow(1, 0, start).fill(NAN);
      const auto o = options_of(c);
      const auto value = [&](const std::vector<Tensor>& inputs, const Tensor& resets) {
        std::vector<Var> v;
        for (const Tensor& t : inputs) v.emplace_back(t.defined() ? t.to(dtype) : t);
        return ops::ssd(inputs_of(v, resets), o);
      };
      const auto whole = value(x, resets_at(1, 41, {start}));
      const auto alone = value(stretch(x, start, 41 - start), {});
      if (start == 40) {  // one token alone takes the plain step
        EXPECT_LE(fixtures::nmax(whole.last.value(), alone.last.value()), 1e-6);
        continue;
      }
      expect_same(whole.y.value().narrow(1, start, 41 - start), alone.y.value(), "y");
      expect_same(whole.last.value(), alone.last.value(), "last");
    }
}

TEST(Ssd, NothingFlowsBackIntoTheDocumentBefore) {
  const Case c{1, 20, 2, 3, 4, 1, 8};
  auto x = values_of(c);
  for (size_t i : {0, 1, 3, 4}) x[i].narrow(1, 11, 9).fill(NAN);
  const auto r = run(x, DType::f32, resets_at(1, 20, {11}), options_of(c));
  for (size_t i : {0, 1, 3, 4}) {
    const Tensor before = r.gradients[i].narrow(1, 0, 11).clone();
    for (int64_t k = 0; k < before.size(); ++k) ASSERT_TRUE(std::isfinite(before.item(k))) << i;
  }
}

TEST(Ssd, ARowHasItsOwnBitsInAnyBatch) {
  const Case c{3, 30, 2, 5, 9, 1, 8};
  const auto x = values_of(c);
  const Tensor resets = resets_at(3, 30, {7, 41, 42, 80});
  const auto all = run(x, DType::f32, resets, options_of(c));
  for (int64_t b = 0; b < 3; ++b) {
    auto row = x;
    for (size_t i : {0, 1, 3, 4, 7}) row[i] = x[i].narrow(0, b, 1).clone();
    std::vector<Var> v;
    for (const Tensor& t : row) v.emplace_back(t.to(DType::f32));
    const auto one = ops::ssd(inputs_of(v, resets.narrow(0, b, 1)), options_of(c));
    expect_same(all.values[0].narrow(0, b, 1), one.y.value(), "y");
    expect_same(all.values[1].narrow(0, b, 1), one.last.value(), "last");
  }
}

TEST(Ssd, StretchesAndStepsWithCarriedStateAreTheWhole) {
  const Case c{2, 23, 4, 5, 17, 2, 8};
  for (const DType dtype : {DType::f32, DType::f64}) {
    const double tolerance = dtype == DType::f32 ? 2e-6 : 1e-14;
    std::vector<Var> x;
    for (const Tensor& t : values_of(c)) x.emplace_back(t.to(dtype));
    const auto part = [&](int64_t from, int64_t length, const Var& h0) {
      auto v = x;
      for (size_t i : {0, 1, 3, 4}) v[i] = Var(x[i].value().narrow(1, from, length));
      v[7] = h0;
      return ops::ssd(inputs_of(v, {}), options_of(c));
    };
    const auto whole = part(0, 23, x[7]);
    for (const int64_t cut : {1, 8, 13, 22}) {
      const auto second = part(cut, 23 - cut, part(0, cut, x[7]).last);
      EXPECT_LE(fixtures::nmax(second.last.value(), whole.last.value()), tolerance) << cut;
      EXPECT_LE(fixtures::nmax(second.y.value(), whole.y.value().narrow(1, cut, 23 - cut).clone()), tolerance) << cut;
    }
    Var state = x[7];
    for (int64_t t = 0; t < 23; ++t) {
      const auto one = part(t, 1, state);
      EXPECT_LE(fixtures::nmax(one.y.value(), whole.y.value().narrow(1, t, 1).clone()), tolerance) << t;
      state = one.last;
    }
    EXPECT_LE(fixtures::nmax(state.value(), whole.last.value()), tolerance);
  }
}

TEST(Ssd, NamesTheArgumentThatDoesNotFit) {
  const auto zeros = [](Shape s) { return Var(Tensor::zeros(s)); };
  const auto message = [&](const Var& dt, const Var& C, ops::SsdOptions o) {
    return message_of([&] {
      ops::ssd({zeros({2, 7, 6}), dt, zeros({3}), zeros({2, 7, 4}), C, {}, {}, {}, {}}, o);
    });
  };
  EXPECT_EQ(message(zeros({2, 6, 3}), zeros({2, 7, 4}), {}), "[ssd] dt has shape [2, 6, 3], expected [2, 7, heads]");
  EXPECT_EQ(message(zeros({2, 7, 3}), zeros({2, 7, 5}), {}), "[ssd] C has shape [2, 7, 5], expected [2, 7, 4]");
  EXPECT_EQ(message(zeros({2, 7, 3}), zeros({2, 7, 4}), {.groups = 2}), "[ssd] 3 heads can't share 2 groups");
  EXPECT_EQ(message(zeros({2, 7, 3}), zeros({2, 7, 4}), {.chunk_size = 0}), "[ssd] chunk_size is 0, expected at least 1");
  EXPECT_EQ(message(zeros({2, 7, 4}), zeros({2, 7, 4}), {}),
            "[ssd] x has shape [2, 7, 6], expected a last axis of 4 equal heads");
}

// ---- beside Mamba-2's own numbers ----

void expect_parity(const Hdf5File& file, const std::string& name, DType dtype) {
  const double tolerance = dtype == DType::f32 ? 1e-5 : 1e-11;
  const std::string root = "/ssd/" + name + "/", label = name + ", " + adder::name(dtype) + ", ";
  const auto read = [&](const std::string& path) { return fixtures::read(file, root + path); };
  const std::vector<std::string> keys = {"x", "dt", "A", "B", "C", "D", "dt_bias", "h0"};
  Tape tape;
  std::vector<Parameter> parameters(keys.size());
  std::vector<Var> v(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!file.exists(root + "in/" + keys[i])) continue;
    Tensor x = read("in/" + keys[i]);
    if (x.rank() == 4 && i != 7) x = x.reshape({x.dim(0), x.dim(1), x.dim(2) * x.dim(3)});
    parameters[i].value = x.to(dtype);
    v[i] = tape.use(parameters[i]);
  }
  ops::SsdOptions o{.groups = read("in/B").dim(2)};
  const auto hyper = [&](const std::string& key, double otherwise) {
    return file.exists(root + "hyper/" + key) ? read("hyper/" + key).item() : otherwise;
  };
  o.chunk_size = int64_t(hyper("chunk_size", 64));
  o.dt_min = hyper("dt_min", 0), o.dt_max = hyper("dt_max", INFINITY);
  const auto r = ops::ssd(inputs_of(v, {}), o);
  EXPECT_LE(fixtures::nmax(r.y.value(), read("out/y")), tolerance) << label << "y";
  EXPECT_LE(fixtures::nmax(r.last.value(), read("out/last_state")), tolerance) << label << "last_state";
  std::vector<std::pair<Var, Tensor>> seeds = {{r.y, read("dout/y").to(dtype).reshape(r.y.shape())}};
  if (file.exists(root + "dout/last_state")) seeds.emplace_back(r.last, read("dout/last_state").to(dtype));
  tape.backward(seeds);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!v[i].defined()) continue;
    EXPECT_LE(fixtures::nmax(parameters[i].grad, read("din/" + keys[i])), tolerance) << label << keys[i];
  }
}

TEST(OpParity, Ssd) {
  SKIP_WITHOUT_SHARED();
  const Hdf5File file = fixtures::open("ops.h5");
  for (const std::string name : {"full", "initial_state", "dt_limit"})
    for (const DType dtype : {DType::f32, DType::f64}) expect_parity(file, name, dtype);
}

}  // namespace
}  // namespace adder
