// The operators as algebra, and the chunked algorithm over each of them, on the compiler's own SIMD target.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "framework/core/random.h"
#include "kernels/scan/run.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

// Both kinds of value that an operator runs over: a number, and a vector of them.
template <class V>
V numbers(uint64_t seed, double scale = 1) {
  const adder::Random random(seed, "scan test");
  constexpr size_t kCount = sizeof(V) / sizeof(double);
  double x[kCount];
  for (size_t i = 0; i < kCount; ++i) x[i] = scale * random.normal(i);
  V v;
  std::memcpy(static_cast<void*>(&v), x, sizeof v);
  return v;
}
using Numbers = std::vector<double>;
template <class V>
Numbers list(const V& x) {
  Numbers v(sizeof(V) / sizeof(double));
  std::memcpy(v.data(), &x, sizeof x);
  return v;
}

// An element drawn from a seed, and an element or a state as numbers.
template <class Op>
struct Trait;
template <class V>
struct Trait<Sum<V>> {
  static V draw(uint64_t seed) { return numbers<V>(seed); }
  static Numbers values(const V& x) { return list(x); }
};
template <class V>
struct Trait<Max<V>> : Trait<Sum<V>> {};
template <class V>
struct Trait<LogSumExp<V>> {
  using Element = typename LogSumExp<V>::Element;
  static Element draw(uint64_t seed) { return {numbers<V>(seed, 20), Value<V>::of(1)}; }
  static Numbers values(const Element& e) {
    Numbers m = list(e.greatest), s = list(e.sum);
    for (size_t i = 0; i < m.size(); ++i) m[i] += std::log(s[i]);
    return m;
  }
};
template <class V>
struct Trait<AffineDiagonal<V>> {
  using Element = typename AffineDiagonal<V>::Element;
  static Element draw(uint64_t seed) { return {numbers<V>(seed, 0.9), numbers<V>(seed + 1000000)}; }
  static Numbers values(const V& x) { return list(x); }
  static Numbers values(const Element& e) {
    Numbers v = list(e.a);
    for (double x : list(e.b)) v.push_back(x);
    return v;
  }
};
template <class V>
struct Trait<AffineComplexDiagonal<V>> {
  using Op = AffineComplexDiagonal<V>;
  using Element = typename Op::Element;
  static Element draw(uint64_t seed) {
    return {numbers<V>(seed, 0.6), numbers<V>(seed + 1000000, 0.6), numbers<V>(seed + 2000000),
            numbers<V>(seed + 3000000)};
  }
  static Numbers joined(std::initializer_list<V> parts) {
    Numbers all;
    for (const V& part : parts)
      for (double x : list(part)) all.push_back(x);
    return all;
  }
  static Numbers values(const typename Op::State& s) { return joined({s.re, s.im}); }
  static Numbers values(const Element& e) { return joined({e.a_re, e.a_im, e.b_re, e.b_im}); }
};
template <class Op>
struct Trait<Segmented<Op>> {
  using Element = typename Segmented<Op>::Element;
  static Element draw(uint64_t seed) { return {Trait<Op>::draw(seed), seed % 5 == 0}; }
  static Numbers values(const typename Op::State& s) { return Trait<Op>::values(s); }
  static Numbers values(const Element& e) {
    Numbers v = Trait<Op>::values(e.value);
    v.push_back(e.starts);
    return v;
  }
};

void expect_near(const Numbers& got, const Numbers& want, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    EXPECT_NEAR(got[i], want[i], 1e-13 * (1 + std::abs(want[i]))) << what << ", number " << i;
}

template <class Op>
class ScanOperator : public testing::Test {};
using V = Vec<double>;
using Operators = testing::Types<Sum<V>, Max<V>, LogSumExp<V>, AffineDiagonal<V>, Segmented<AffineDiagonal<V>>,
                                 Sum<double>, Max<double>, LogSumExp<double>, AffineDiagonal<double>,
                                 Segmented<LogSumExp<double>>, Segmented<AffineDiagonal<double>>,
                                 AffineComplexDiagonal<V>, AffineComplexDiagonal<double>,
                                 Segmented<AffineComplexDiagonal<V>>, Segmented<AffineComplexDiagonal<double>>>;
TYPED_TEST_SUITE(ScanOperator, Operators);

TYPED_TEST(ScanOperator, IsAssociativeAndHasAnIdentity) {
  using Op = TypeParam;
  using Of = Trait<Op>;
  for (uint64_t seed = 1; seed < 60; seed += 3) {
    const auto x = Of::draw(seed), y = Of::draw(seed + 1), z = Of::draw(seed + 2);
    expect_near(Of::values(Op::combine(Op::combine(x, y), z)), Of::values(Op::combine(x, Op::combine(y, z))),
                "associative");
    expect_near(Of::values(Op::combine(Op::identity(), x)), Of::values(x), "identity before");
    expect_near(Of::values(Op::combine(x, Op::identity())), Of::values(x), "identity after");
    const auto s = Op::apply(z, Op::initial());
    expect_near(Of::values(Op::apply(Op::combine(x, y), s)), Of::values(Op::apply(y, Op::apply(x, s))),
                "action");
  }
}

// A problem that keeps what it is told.
template <class Operator>
struct Recorder {
  using Op = Operator;
  int64_t length, lines;
  std::vector<Numbers>* states;
  std::vector<Numbers>* finals;

  size_t place(int64_t b, int64_t line, int64_t i) const { return size_t((b * length + i) * lines + line); }
  typename Op::State start(int64_t, int64_t) const { return Op::initial(); }
  auto element(int64_t b, int64_t line, int64_t i) const { return Trait<Op>::draw(place(b, line, i) + 1); }
  void visit(int64_t b, int64_t line, int64_t i, const typename Op::State& s) const {
    Numbers& kept = (*states)[place(b, line, i)];
    EXPECT_TRUE(kept.empty()) << "step " << i << " visited twice";
    kept = Trait<Op>::values(s);
  }
  void finish(int64_t b, int64_t line, const typename Op::State& s) const {
    (*finals)[size_t(b * lines + line)] = Trait<Op>::values(s);
  }
};

TYPED_TEST(ScanOperator, ChunkedIsSequential) {
  using Op = TypeParam;
  const int64_t batch = 2;
  for (const auto& [length, lines] :
       {std::pair<int64_t, int64_t>{1, 1}, {256, 1}, {257, 3}, {600, 3}, {2700, 1}}) {
    const size_t rows = size_t(batch * length * lines), ends = size_t(batch * lines);
    std::vector<Numbers> chunked(rows), sequential(rows), last(ends), last_sequential(ends);
    run_chunked(batch, length, lines, Recorder<Op>{length, lines, &chunked, &last});
    run_sequential(batch, length, lines, Recorder<Op>{length, lines, &sequential, &last_sequential});
    for (size_t i = 0; i < rows; ++i) expect_near(chunked[i], sequential[i], "state");
    for (size_t i = 0; i < ends; ++i) {
      expect_near(last[i], last_sequential[i], "last state");
      const size_t b = i / size_t(lines), line = i % size_t(lines);
      EXPECT_EQ(last[i], chunked[((b + 1) * size_t(length) - 1) * size_t(lines) + line]);
    }
  }
}

TEST(ScanOperators, LogSumExpStaysFiniteWhereTheExponentialsDoNot) {
  using Op = LogSumExp<V>;
  const auto big = Op::Element{set(5000.0), set(1.0)}, small = Op::Element{set(-5000.0), set(1.0)};
  for (double x : Trait<Op>::values(Op::combine(Op::combine(small, big), big)))
    EXPECT_NEAR(x, 5000 + std::log(2), 1e-12);
  for (double x : Trait<Op>::values(Op::combine(small, small))) EXPECT_NEAR(x, -5000 + std::log(2), 1e-12);
}

// (1 + 2i)(3 - i) + (5 - 7i) = 10 - 2i
TEST(ScanOperators, AffineComplexDiagonalMultipliesComplexNumbers) {
  using Op = AffineComplexDiagonal<double>;
  const auto s = Op::apply({1, 2, 5, -7}, {3, -1});
  EXPECT_EQ(s.re, 10);
  EXPECT_EQ(s.im, -2);
  EXPECT_TRUE(Op::sound(s));
  EXPECT_FALSE(Op::sound({1, INFINITY}));
  EXPECT_FALSE(Op::sound({NAN, 1}));
}

TEST(ScanOperators, SoundMeansFinite) {
  using Op = AffineDiagonal<V>;
  EXPECT_TRUE(Op::sound(set(1e300)));
  for (const double bad : {double(INFINITY), -double(INFINITY), double(NAN)}) {
    double lane[kLanes<double>] = {};
    lane[kLanes<double> - 1] = bad;
    EXPECT_FALSE(Op::sound(load(lane))) << bad;
    EXPECT_FALSE(AffineDiagonal<double>::sound(bad)) << bad;
  }
}

// ---- AffineDense, whose elements lie in memory ------------------------------------------------------------

struct Affine {
  Numbers a, b;
  AffineDense<double>::Element element() const { return {a.data(), b.data()}; }
};

Affine draw_affine(int64_t n, uint64_t seed) {
  const adder::Random random(seed, "scan test");
  Affine e{Numbers(size_t(n * n)), Numbers(size_t(n))};
  for (size_t i = 0; i < e.a.size(); ++i) e.a[i] = random.normal(i) / std::sqrt(double(n));
  for (size_t i = 0; i < e.b.size(); ++i) e.b[i] = random.normal(1000000 + i);
  return e;
}

Affine combined(const AffineDense<double>& op, const Affine& earlier, const Affine& later) {
  Affine r{Numbers(earlier.a.size()), Numbers(earlier.b.size())};
  op.combine(earlier.element(), later.element(), r.a.data(), r.b.data());
  return r;
}

Numbers applied(const AffineDense<double>& op, const Affine& e, const Numbers& x) {
  Numbers r(x.size());
  op.apply(e.element(), x.data(), r.data());
  return r;
}

TEST(ScanOperators, AffineDenseIsAssociativeAndHasAnIdentity) {
  for (int64_t n : {1, 2, 3, 5, 8, 19}) {
    const AffineDense<double> op{n};
    const Affine x = draw_affine(n, 1), y = draw_affine(n, 2), z = draw_affine(n, 3);
    const Affine left = combined(op, combined(op, x, y), z), right = combined(op, x, combined(op, y, z));
    expect_near(left.a, right.a, "associative, A");
    expect_near(left.b, right.b, "associative, b");
    Affine one = x;
    op.identity(one.a.data(), one.b.data());
    for (const Affine& same : {combined(op, one, x), combined(op, x, one)}) {
      expect_near(same.a, x.a, "identity, A");
      expect_near(same.b, x.b, "identity, b");
    }
    expect_near(applied(op, combined(op, x, y), z.b), applied(op, y, applied(op, x, z.b)), "action");
  }
}

// (1, 2) [[3, 4], [5, 6]] + (10, 20)
TEST(ScanOperators, AffineDenseTakesRows) {
  const AffineDense<double> op{2};
  EXPECT_EQ(applied(op, {{3, 4, 5, 6}, {10, 20}}, {1, 2}), (Numbers{23, 36}));
  EXPECT_TRUE(op.sound(Numbers{1, 2}.data()));
  EXPECT_FALSE(op.sound(Numbers{1, NAN}.data()));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();
