// Products of bfloat16 operands: the sums that bf16.h writes down, and VDPBF16PS against the portable kernel to the bit.
#include "kernels/matmul/bf16.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "framework/core/random.h"
#include "kernels/parallel.h"
#include "kernels/simd_target.h"

namespace kernels {
namespace {

using Floats = std::vector<float>;

float from_bits(uint32_t bits) { return std::bit_cast<float>(bits); }
float flushed(float x) { return std::abs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0f, x) : x; }
float rounded(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  return flushed(from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u));
}

enum class Draw { normal, any_bits, tiny };

// Of any bits: infinities and NaN among them, and sums that overflow. Tiny: products and sums around 2^-126.
Floats draw(Draw kind, int64_t n, uint64_t seed) {
  const adder::Random random(seed, "bf16 test");
  Floats x(static_cast<size_t>(n));
  for (size_t i = 0; i < x.size(); ++i) {
    const uint32_t bits = uint32_t(random.below(2 * i, uint64_t(1) << 32));
    x[i] = kind == Draw::normal     ? float(random.normal(i))
           : kind == Draw::any_bits ? from_bits(bits)
                                    : std::ldexp(float(random.normal(i)), -63 - int(bits % 3));
  }
  return x;
}

enum Way { NT, NN, TN };

struct Product {
  int64_t m, n, k;
  Way way;
  bool accumulate = false, bias = false;
  Draw kind = Draw::normal;

  Floats run(int64_t first_row = 0, int64_t rows = -1) const {
    const Floats a = draw(kind, m * k, 1), b = draw(kind, k * n, 2), bs = draw(kind, n, 3);
    Floats c = draw(kind, m * n, 4);
    MatMul<float> p{.m = rows < 0 ? m : rows, .n = n, .k = k, .a = a.data(), .a_row = way == TN ? 1 : k, .a_col = way == TN ? m : 1,
                    .b = b.data(), .b_row = way == NT ? 1 : n, .b_col = way == NT ? k : 1, .c = c.data(), .c_row = n,
                    .accumulate = accumulate, .bias = bias ? bs.data() : nullptr, .bf16 = true};
    p.a += first_row * p.a_row, p.c += first_row * n;
    const FlushSubnormals flush;
    cpu::matmul(p);
    return c;
  }

  // The definitions, without FMA's own flushing: for numbers that stay away from 2^-126.
  Floats expected(bool tiles) const {
    const Floats a = draw(kind, m * k, 1), b = draw(kind, k * n, 2), bs = draw(kind, n, 3);
    Floats c = draw(kind, m * n, 4);
    const auto at = [&](int64_t i, int64_t e) { return e < k ? rounded(a[size_t(way == TN ? e * m + i : i * k + e)]) : 0; };
    const auto bt = [&](int64_t e, int64_t j) { return e < k ? rounded(b[size_t(way == NT ? j * k + e : e * n + j)]) : 0; };
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        float sum = accumulate ? c[size_t(i * n + j)] : bias ? bs[size_t(j)] : 0;
        for (int64_t e = 0; !tiles && e < k; e += 2) sum = std::fma(at(i, e), bt(e, j), std::fma(at(i, e + 1), bt(e + 1, j), sum));
        for (int64_t block = 0; tiles && block < k; block += 32) {
          float even = 0, odd = 0;
          for (int64_t e = block; e < block + 32; e += 2) {
            even = std::fma(at(i, e), bt(e, j), even);
            odd = std::fma(at(i, e + 1), bt(e + 1, j), odd);
          }
          sum += even + odd;
        }
        c[size_t(i * n + j)] = sum;
      }
    return c;
  }
};

// The first element that differs; any NaN is like any other.
std::string difference(const Floats& a, const Floats& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (!(std::isnan(a[i]) && std::isnan(b[i])) && std::memcmp(&a[i], &b[i], sizeof(float)) != 0)
      return "element " + std::to_string(i) + ": " + std::to_string(a[i]) + " and " + std::to_string(b[i]);
  return "";
}

std::vector<Product> products() {
  std::vector<Product> list;
  for (const Way way : {NT, NN, TN}) {
    list.push_back({1, 5, 1, way});
    list.push_back({3, 70, 131, way, false, true});
    list.push_back({37, 53, 29, way, true});
    list.push_back({43, 60, 520, way});
  }
  return list;
}

// The form that is multiplied with while it lives; whatever was in use before is so again.
struct With {
  enum Form { portable, dot, tile };
  bool tile_before = bf16_tile::in_use(), dot_before = bf16_dot::in_use();
  explicit With(Form form) { bf16_tile::set_in_use(form == tile), bf16_dot::set_in_use(form == dot); }
  ~With() { bf16_tile::set_in_use(tile_before), bf16_dot::set_in_use(dot_before), set_simd_target(""); }
};

TEST(MatMulBf16, IsTheChainThatIsWrittenDown) {
  const With portable(With::portable);
  for (const Product& p : products()) {
    const Floats expected = p.expected(false);
    for (const std::string& target : simd_targets()) {
      set_simd_target(target);
      EXPECT_EQ(difference(p.run(), expected), "") << target << " way " << p.way << ", " << p.m << " x " << p.n << " x " << p.k;
    }
  }
}

TEST(MatMulBf16, TheMatrixUnitAddsAsIsWrittenDown) {
  if (!bf16_tile::available() || simd_target() != "avx512") GTEST_SKIP() << "this processor has no TDPBF16PS";
  const With tile(With::tile);
  std::vector<Product> list = products();
  for (const Way way : {NT, NN, TN}) {
    list.push_back({64, 96, 96, way});
    list.push_back({32, 32, 1100, way, true});
    list.push_back({2, 33, 300, way, false, true});
    list.push_back({1100, 20, 34, way});
  }
  for (const Product& p : list)
    EXPECT_EQ(difference(p.run(), p.expected(true)), "") << "way " << p.way << ", " << p.m << " x " << p.n << " x " << p.k;
}

TEST(MatMulBf16, TheInstructionAndThePortableKernelAgreeToTheBit) {
  if (!bf16_dot::available()) GTEST_SKIP() << "this processor has no VDPBF16PS";
  const With before(With::dot);
  for (const Draw kind : {Draw::normal, Draw::any_bits, Draw::tiny})
    for (Product p : products()) {
      p.kind = kind;
      bf16_dot::set_in_use(true);
      const Floats native = p.run();
      bf16_dot::set_in_use(false);
      for (const std::string& target : simd_targets()) {
        if (target == "scalar" && kind != Draw::normal) continue;  // it rounds products that overflow by themselves
        set_simd_target(target);
        EXPECT_EQ(difference(native, p.run()), "")
            << target << ", draw " << int(kind) << " way " << p.way << ", " << p.m << " x " << p.n << " x " << p.k;
      }
      set_simd_target("");
    }
}

TEST(MatMulBf16, DependsOnNeitherThreadsNorRows) {
  const int threads_before = threads();
  for (const With::Form form : {With::portable, With::dot, With::tile}) {
    const With in_use(form);
    for (const Way way : {NT, NN, TN}) {
      const Product p{140, 110, 530, way};
      set_threads(1);
      const Floats one = p.run();
      set_threads(3);
      EXPECT_EQ(difference(p.run(), one), "");
      const Floats row = p.run(117, 1);
      EXPECT_EQ(std::memcmp(&row[117 * 110], &one[117 * 110], 110 * sizeof(float)), 0) << way << ", form " << form;
    }
  }
  set_threads(threads_before);
}

}  // namespace
}  // namespace kernels
