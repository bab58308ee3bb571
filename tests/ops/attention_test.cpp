#include "framework/ops/attention.h"

#include <functional>

#include "framework/ops/add.h"
#include "framework/ops/bfloat16.h"
#include "framework/ops/row_buffer.h"
#include "framework/ops/view.h"
#include "kernels/attention/ref.h"
#include "tests/support/check.h"
#include "tests/support/fixtures.h"
#include "tests/support/same.h"

namespace adder {
namespace {

struct Case {
  int64_t batch, queries, keys, heads, kv_heads, dim;
  std::vector<int32_t> past = {}, first = {};
};

OpCase attention_case(const Case& c) {
  const Tensor past = c.past.empty() ? Tensor() : Tensor::from<int32_t>({c.batch}, c.past);
  const Tensor first = c.first.empty() ? Tensor() : Tensor::from<int32_t>({c.batch, c.queries}, c.first);
  const auto constant = [](const std::vector<int32_t>& values, const std::vector<int64_t>& shape, auto zero) {
    kernels::Array<decltype(zero)> a;
    if (values.empty()) return a;
    a = kernels::Array<decltype(zero)>(shape);
    for (size_t i = 0; i < values.size(); ++i) a.data[i] = double(values[i]);
    return a;
  };
  return {.op =
              [=](const std::vector<Var>& v) {
                return std::vector<Var>{ops::attention(v[0], v[1], v[2], {c.heads, c.kv_heads}, past, first)};
              },
          .ref = reference([=](const auto& v) {
            using T = typename std::decay_t<decltype(v[0].data)>::value_type;
            std::decay_t<decltype(v)> in = v;
            in.resize(3);
            in.push_back(constant(c.past, {c.batch}, T{}));
            in.push_back(constant(c.first, {c.batch, c.queries}, T{}));
            return kernels::ref::attention(in, c.heads, c.kv_heads);
          }),
          .inputs = {normal_input({c.batch, c.queries, c.heads * c.dim}, 1),
                     normal_input({c.batch, c.keys, c.kv_heads * c.dim}, 2),
                     normal_input({c.batch, c.keys, c.kv_heads * c.dim}, 3)}};
}

TEST(Attention, MatchesItsDefinition) {
  for (const Case& c : {Case{1, 1, 1, 1, 1, 1}, Case{2, 7, 7, 2, 2, 3}, Case{1, 6, 6, 4, 2, 5}, Case{2, 9, 9, 3, 1, 17},
                        Case{1, 66, 66, 1, 1, 2}, Case{1, 5, 5, 1, 1, 35}})
    expect_op("attention", attention_case(c));
}

// The diagonal is cut at the 16th query of a stripe: stripes of more, of documents and windows that begin within one.
TEST(Attention, StripesOfMoreThanSixteenQueries) {
  const auto firsts = [](int64_t queries, const std::function<int64_t(int64_t)>& of) {
    std::vector<int32_t> first;
    for (int64_t t = 0; t < queries; ++t) first.push_back(int32_t(of(t)));
    return first;
  };
  expect_op("25 queries", attention_case({1, 25, 25, 1, 1, 2}));
  expect_op("after 60 keys", attention_case({1, 17, 77, 1, 1, 2, {60}}));
  expect_op("a document at 7", attention_case({1, 40, 40, 1, 1, 2, {}, firsts(40, [](int64_t t) { return t < 7 ? 0 : 7; })}));
  expect_op("a window of 21", attention_case({1, 40, 70, 2, 1, 2, {30}, firsts(40, [](int64_t t) { return t + 30 - 20; })}));
  expect_op("first keys in no order", attention_case({1, 9, 9, 1, 1, 2, {}, {0, 1, 0, 2, 2, 1, 5, 6, 0}}));
}

TEST(Attention, EarlierKeysAndFirstOnes) {
  expect_op("attention, past", attention_case({2, 3, 70, 2, 1, 3, {65, 4}}));
  expect_op("attention, first", attention_case({2, 5, 5, 2, 2, 3, {}, {0, 0, 2, 2, 4, /**/ 0, 1, 2, 3, 4}}));
  expect_op("attention, both", attention_case({1, 4, 71, 2, 2, 3, {66}, {0, 3, 64, 68}}));
}

// Their gradients are written, not added, where they are all there is: parts of one split, or variables of their own.
TEST(Attention, GradientsOfASplitAreThoseOfItsParts) {
  const Tensor x = normal_input({2, 37, 60}, 1).to(DType::f32), dy = normal_input({2, 37, 20}, 2).to(DType::f32);
  enum Use { kAlone, kBesideAnother, kTwice, kPartOnly };
  for (const Use use : {kAlone, kBesideAnother, kTwice, kPartOnly}) {
    const auto run = [&](bool views) {
      Tape tape;
      const Var whole = tape.leaf(x);
      std::vector<Var> parts = ops::split(whole, {20, 20, 20});
      if (!views)
        for (Var& part : parts) part = tape.leaf(part.value().clone());
      std::vector<Tensor> gradients(3);
      Tensor all;
      for (size_t i = 0; i < 3 && !views; ++i) watch(parts[i], [&gradients, i](const Tensor& g) { gradients[i] = g.clone(); });
      if (views) watch(whole, [&](const Tensor& g) { all = g.clone(); });
      const Var &q = parts[0], &k = parts[use == kTwice ? 0 : 1], &v = parts[use == kPartOnly ? 1 : 2];
      const Var y = ops::attention(q, k, v, {2, 2}, {}, {});
      tape.backward({{use == kBesideAnother ? ops::add(y, parts[1]) : y, dy}});
      for (size_t i = 0; i < 3; ++i) {
        if (views) gradients[i] = all.narrow(2, int64_t(20 * i), 20);
        else if (!gradients[i].defined()) gradients[i] = Tensor::zeros({2, 37, 20});
      }
      return gradients;
    };
    const auto split = run(true), apart = run(false);
    for (size_t i = 0; i < 3; ++i) expect_same(split[i], apart[i], "use " + std::to_string(use) + ", part " + std::to_string(i));
  }
}

TEST(Attention, SameBitsOnThreadsAndTargets) {
  for (const int64_t dim : {4, 12, 16, 40}) expect_bits("a query", attention_case({2, 1, 90, 6, 2, dim, {89, 30}}));
  expect_bits("attention", attention_case({3, 131, 131, 6, 2, 20}));
  expect_bits("attention", attention_case({2, 40, 200, 2, 2, 33, {150, 7}}));
  expect_bits("many pairs", attention_case({4, 40, 40, 8, 4, 9}));  // a task each on one or two threads, stripes on five
  expect_bits("few queries", attention_case({1, 1, 200, 6, 2, 64, {199}}));
  expect_bits("few queries, wide", attention_case({1, 3, 150, 5, 1, 83, {140}, {3, 66, 67}}));
  expect_bits("few queries, two texts", attention_case({2, 4, 70, 3, 3, 20, {66, 9}}));
}

std::string bits_of(const Tensor& t) {
  const Tensor c = t.clone();
  return {static_cast<const char*>(c.raw()), size_t(c.size()) * bytes_of(c.dtype())};
}

// Whatever stands in rows that no query may see, NaN too: the same bits.
TEST(Attention, UsesNothingOutsideItsRange) {
  const auto run = [](double outside) {
    Tensor q = normal_input({1, 6, 8}, 1).to(DType::f32), k = normal_input({1, 90, 8}, 2).to(DType::f32),
           v = normal_input({1, 90, 8}, 3).to(DType::f32);
    for (const Tensor& t : {k, v}) t.narrow(1, 0, 66).fill(outside), t.narrow(1, 76, 14).fill(outside);
    const Tensor past = Tensor::full({1}, 70, DType::i32), first = Tensor::full({1, 6}, 66, DType::i32);
    Tape tape;
    const Var a = tape.leaf(q), b = tape.leaf(k), c = tape.leaf(v);
    std::vector<Tensor> grads(3);
    watch(a, [&](const Tensor& g) { grads[0] = g; });
    watch(b, [&](const Tensor& g) { grads[1] = g; });
    watch(c, [&](const Tensor& g) { grads[2] = g; });
    const Var y = ops::attention(a, b, c, {2, 2}, past, first);
    tape.backward(y);
    return bits_of(y.value()) + bits_of(grads[0]) + bits_of(grads[1]) + bits_of(grads[2]);
  };
  EXPECT_EQ(run(0), run(NAN));
  EXPECT_EQ(run(0), run(1e30));
}

// A row of a batch, and a tail of the queries whose tile begins at the same place, have the bits of the row alone.
TEST(Attention, ARowIsWhatItIsAlone) {
  const Tensor q = normal_input({3, 9, 8}, 1).to(DType::f32), k = normal_input({3, 9, 8}, 2).to(DType::f32);
  const Tensor whole = ops::attention(q, k, k, {2, 2}).value();
  const auto part = [](const Tensor& t) { return t.narrow(0, 1, 1); };
  EXPECT_EQ(bits_of(part(whole)), bits_of(ops::attention(part(q), part(k), part(k), {2, 2}).value()));
  const Tensor last = ops::attention(part(q).narrow(1, 8, 1), part(k), part(k), {2, 2},
                                     Tensor::full({1}, 8, DType::i32)).value();
  EXPECT_EQ(bits_of(part(whole).narrow(1, 8, 1)), bits_of(last));
}

// Few queries are computed otherwise than many: the last ones of a text have the bits that they have among all.
TEST(Attention, FewQueriesHaveTheBitsOfMany) {
  for (const int64_t dim : {3, 16, 33, 64, 83}) {
    const int64_t length = 150, heads = 6, kv_heads = 2;
    const Tensor q = normal_input({2, length, heads * dim}, 1).to(DType::f32), k = normal_input({2, length, kv_heads * dim}, 2).to(DType::f32),
                 v = normal_input({2, length, kv_heads * dim}, 3).to(DType::f32);
    std::vector<int32_t> starts(size_t(2 * length), 0);
    for (int64_t t = 71; t < length; ++t) starts[size_t(t)] = 70;                  // not a multiple of 4, beyond a block
    const Tensor first = Tensor::from<int32_t>({2, length}, starts);
    const Tensor whole = ops::attention(q, k, v, {heads, kv_heads}, {}, first).value();
    for (const int64_t few : {1, 3}) {
      const int64_t from = length - few;
      const Tensor last = ops::attention(q.narrow(1, from, few), k, v, {heads, kv_heads}, Tensor::full({2}, double(from), DType::i32),
                                         first.narrow(1, from, few).clone()).value();
      EXPECT_EQ(bits_of(whole.narrow(1, from, few)), bits_of(last)) << dim << ", " << few;
    }
  }
}

// Keys and values of two bytes are what they are in four: a query alone, a few, many heads of many and few heads of many; side
// by side in one tensor, whose rows may begin at odd places.
TEST(Attention, KeysAndValuesOfBFloat16HaveTheBitsOfTheSameNumbersInFloat32) {
  struct Sizes {
    int64_t batch, queries, keys, heads, kv_heads, dim;
  };
  for (const Sizes& s : {Sizes{1, 1, 200, 6, 6, 64}, Sizes{2, 3, 131, 4, 2, 20}, Sizes{2, 1, 70, 2, 1, 83}, Sizes{1, 40, 90, 2, 2, 33},
                         Sizes{4, 70, 70, 8, 8, 16}, Sizes{3, 5, 5, 1, 1, 1}, Sizes{2, 2, 150, 6, 2, 16}, Sizes{1, 1, 99, 4, 4, 80},
                         Sizes{1, 1, 97, 2, 1, 40}, Sizes{1, 4, 65, 3, 3, 12}})
    for (const int64_t apart : {0, 1, 2}) {  // elements between keys and values
      const int64_t width = s.kv_heads * s.dim;
      const Tensor q = normal_input({s.batch, s.queries, s.heads * s.dim}, 1).to(DType::f32);
      const Tensor kv = normal_input({s.batch, s.keys, 2 * width + apart}, 2).to(DType::f32), halves = kv.to(DType::bf16);
      const Tensor past = Tensor::empty({s.batch}, DType::i32), first = Tensor::zeros({s.batch, s.queries}, DType::i32);
      for (int64_t b = 0; b < s.batch; ++b) past.data<int32_t>()[b] = int32_t(b % 2 ? (s.keys - s.queries) / 2 : s.keys - s.queries);
      first.data<int32_t>()[s.queries - 1] = int32_t(s.keys - s.queries) / 3;
      const auto y = [&](const Tensor& both) {
        return bits_of(ops::attention(q, both.narrow(2, 0, width), both.narrow(2, width + apart, width), {s.heads, s.kv_heads}, past,
                                      first).value());
      };
      EXPECT_EQ(y(halves), y(halves.to(DType::f32))) << s.queries << " of " << s.keys << ", " << s.dim << ", " << apart;
      EXPECT_NE(y(halves), y(kv));
    }
}

TEST(Attention, KeysAndValuesOfBFloat16OnThreadsAndTargets) {
  for (const int64_t dim : {16, 20, 40, 64})
    for (const int64_t queries : {1, 3, 40}) {
      OpCase c = attention_case({2, queries, 90, 6, 2, dim, {int32_t(90 - queries), 7}});
      const Tensor k = c.inputs[1].to(DType::f32).to(DType::bf16), v = c.inputs[2].to(DType::f32).to(DType::bf16);
      c.inputs.resize(1);
      c.op = [=](const std::vector<Var>& x) {
        const Tensor past = Tensor::from<int32_t>({2}, std::vector<int32_t>{int32_t(90 - queries), 7});
        const Var q = x[0].dtype() == DType::f32 ? x[0].detach() : x[0].value().to(DType::f32);
        return std::vector<Var>{ops::attention(q, k, v, {6, 2}, past)};
      };
      expect_bits("bfloat16", c);
    }
}

TEST(Attention, BFloat16IsRefusedWhereItCannotBe) {
  const Var x = normal_input({1, 3, 8}, 1).to(DType::f32), half = ops::to_bfloat16(x);
  EXPECT_EQ(message_of([&] { ops::attention(x, half, x, {2, 2}); }),
            "[attention] q, k and v have dtypes float32, bfloat16 and float32, expected float32, bfloat16 and bfloat16");
  EXPECT_EQ(message_of([&] { ops::attention(x.value().to(DType::f64), half, half, {2, 2}); }),
            "[attention] q, k and v have dtypes float64, bfloat16 and bfloat16, expected float32, bfloat16 and bfloat16");
  EXPECT_EQ(message_of([&] { ops::attention(half, half, half, {2, 2}); }),
            "[attention] an input has dtype bfloat16, expected float32 or float64");
  EXPECT_EQ(message_of([&] { ops::add(half, half); }), "[add] an input has dtype bfloat16, expected float32 or float64");
  EXPECT_EQ(message_of([&] { ops::to_bfloat16(x.value().to(DType::f64)); }), "[to_bfloat16] x has dtype float64, expected float32");
  EXPECT_EQ(message_of([&] { ops::append_rows(half, Tensor::zeros({1}, DType::i32), x); }),
            "[append_rows] an input has dtype bfloat16, expected float32 or float64");
  Tape tape;
  const Var recorded = tape.leaf(x.value());
  EXPECT_EQ(message_of([&] { tape.leaf(half.value()); }), "[leaf] a bfloat16 tensor has no gradient, expected float32 or float64");
  EXPECT_EQ(message_of([&] { ops::to_bfloat16(recorded); }),
            "[to_bfloat16] x is recorded, but rounding has no gradient; expected a pass without a tape");
  EXPECT_EQ(message_of([&] { ops::attention(recorded, half, half, {2, 2}); }),
            "[attention] k and v are bfloat16, which has no gradient; expected a pass without a tape");
}

TEST(Attention, OfNoSequences) {
  EXPECT_EQ(ops::attention(Tensor::zeros({0, 1, 8}), Tensor::zeros({0, 1, 8}), Tensor::zeros({0, 1, 8}), {2, 2}).shape(), (Shape{0, 1, 8}));
}

#ifndef ADDER_ASAN  // the sanitizer's build gives each buffer a system allocation of its own
TEST(Attention, MemoryGrowsWithTheLengthNotItsSquare) {
  const auto peak = [](int64_t length) {
    const Tensor x = normal_input({1, length, 16}, 1).to(DType::f32);
    arena::reset_peak();
    const int64_t before = arena::bytes_in_use();
    Tape tape;
    const Var q = tape.leaf(x);
    tape.backward(ops::attention(q, q, q, {2, 2}));
    return double(arena::peak_bytes_in_use() - before);
  };
  peak(64);
  EXPECT_LT(peak(1024) / peak(512), 2.3);
}
#endif

TEST(Attention, NamesTheArgumentThatDoesNotFit) {
  const auto zeros = [](Shape s) { return Var(Tensor::zeros(s)); };
  EXPECT_EQ(message_of([&] { ops::attention(zeros({2, 3, 8}), zeros({2, 3, 8}), zeros({2, 4, 8}), {2, 2}); }),
            "[attention] v has shape [2, 4, 8], expected [2, 3, 8]");
  EXPECT_EQ(message_of([&] {
              ops::attention(zeros({1, 3, 8}), zeros({1, 4, 8}), zeros({1, 4, 8}), {2, 2},
                             Tensor::full({1}, 2, DType::i32));
            }),
            "[attention] past[0] is 2, expected 0 to 1");
}

// (b, h, t, d) of the fixtures as our rows (b, t, h d), and back.
Tensor rows(const Tensor& x) {
  const int64_t b = x.dim(0), h = x.dim(1), t = x.dim(2), d = x.dim(3);
  const Tensor y = Tensor::empty({b, t, h * d}, DType::f64);
  for (int64_t i = 0; i < x.size(); ++i)
    y.data<double>()[((i / (h * t * d) * t + i / d % t) * h + i / (t * d) % h) * d + i % d] = x.item(i);
  return y;
}

TEST(Attention, Parity) {
  SKIP_WITHOUT_SHARED();
  const Hdf5File file = fixtures::open("ops.h5");
  for (const std::string name : {"causal_mha", "causal_gqa", "causal_peaky", "causal_cached"}) {
    const auto read = [&](const std::string& what) {
      return rows(fixtures::read(file, "attention/" + name + "/" + what));
    };
    const int64_t heads = 4, kv_heads = fixtures::read(file, "attention/" + name + "/in/k").dim(1);
    for (const DType dtype : {DType::f32, DType::f64}) {
      const double limit = dtype == DType::f32 ? 1e-5 : 1e-11;
      Tape tape;
      std::vector<Var> in;
      std::vector<Tensor> grads(3);
      for (const char* what : {"in/q", "in/k", "in/v"}) in.push_back(tape.leaf(read(what).to(dtype)));
      for (size_t i = 0; i < 3; ++i) watch(in[i], [&grads, i](const Tensor& g) { grads[i] = g; });
      const int64_t past = in[1].dim(1) - in[0].dim(1);
      const Var y = ops::attention(in[0], in[1], in[2], {heads, kv_heads},
                                   Tensor::full({in[0].dim(0)}, double(past), DType::i32));
      EXPECT_LT(fixtures::nmax(y.value(), read("out/y")), limit) << name;
      tape.backward({{y, read("dout/y").to(dtype)}});
      const char* names[] = {"din/q", "din/k", "din/v"};
      for (size_t i = 0; i < 3; ++i) EXPECT_LT(fixtures::nmax(grads[i], read(names[i])), limit) << name << names[i];
    }
  }
}

}  // namespace
}  // namespace adder
