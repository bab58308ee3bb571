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
  const uint32_t bits = std::bit_cast<uint32_t>(flushed(x));
  return from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u);
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
  bool packed = false;  // B comes in panels, too, or alone where they are read
  bool bf16 = true;

  Floats run(int64_t first_row = 0, int64_t rows = -1) const {
    const Floats a = draw(kind, m * k, 1), b = draw(kind, k * n, 2), bs = draw(kind, n, 3);
    Floats c = draw(kind, m * n, 4);
    MatMul<float> p{.m = rows < 0 ? m : rows, .n = n, .k = k, .a = a.data(), .a_row = way == TN ? 1 : k, .a_col = way == TN ? m : 1,
                    .b = b.data(), .b_row = way == NT ? 1 : n, .b_col = way == NT ? k : 1, .c = c.data(), .c_row = n,
                    .accumulate = accumulate, .bias = bias ? bs.data() : nullptr, .bf16 = bf16};
    p.a += first_row * p.a_row, p.c += first_row * n;
    const FlushSubnormals flush;
    Floats panels(packed ? size_t(panels_size(n, k, bf16)) : 0);
    if (packed) {
      pack_panels(p, panels.data());
      p.panels = {panels.data(), panels_form(bf16)};
      if (reads_panels(p.m, bf16)) p.b = nullptr;
    }
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
    list.push_back({11, 1010, 523, way});  // a B that no cache keeps: its next panel is asked for
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

// Of few rows and of many, in one task and in several.
std::vector<Product> products_of_panels() {
  std::vector<Product> list = products();
  for (const Way way : {NT, NN, TN}) {
    for (const int64_t rows : {2, 3, 4, 5}) list.push_back({rows, 100, 70, way, rows % 2 == 0, rows == 3});
    list.push_back({1, 700, 130, way, false, true});
    list.push_back({1, 33, 1100, way, true});
    list.push_back({60, 70, 530, way, false, true});
  }
  list.push_back({230, 110, 530, NT, true});
  return list;
}

void expect_same_bits_with_panels(Product p, const std::string& what) {
  const int threads_before = threads();
  p.packed = false;
  const Floats expected = p.run();
  p.packed = true;
  for (const int count : {1, 3}) {
    set_threads(count);
    EXPECT_EQ(difference(p.run(), expected), "") << what << ", way " << p.way << ", " << p.m << " x " << p.n << " x " << p.k;
  }
  set_threads(threads_before);
}

TEST(MatMulBf16, PanelsPackedBeforehandGiveTheSameBits) {
  for (const With::Form form : {With::portable, With::dot, With::tile}) {
    if ((form == With::dot && !bf16_dot::available()) || (form == With::tile && !bf16_tile::available())) continue;
    const With in_use(form);
    for (const std::string& target : simd_targets())
      for (const Draw kind : {Draw::normal, Draw::any_bits, Draw::tiny})
        for (Product p : products_of_panels()) {
          if (kind != Draw::normal && p.m > 4) continue;           // no other way is taken, and it takes its time
          if (form != With::portable && target != "avx512") continue;  // the instructions belong to that one
          set_simd_target(target), p.kind = kind;
          expect_same_bits_with_panels(p, target + ", form " + std::to_string(form) + ", draw " + std::to_string(int(kind)));
        }
  }
}

TEST(MatMul, PanelsPackedBeforehandGiveTheSameBits) {
  for (const std::string& target : simd_targets())
    for (Product p : products_of_panels()) {
      set_simd_target(target), p.bf16 = false;
      expect_same_bits_with_panels(p, target);
    }
  set_simd_target("");
}

TEST(MatMul, PanelsForWhatMultipliesNoLongerAreLeftAlone) {
  const With portable(With::portable);
  for (const bool bf16 : {false, true}) {
    Product p{3, 70, 131, NT};
    p.bf16 = bf16;
    const Floats a = draw(p.kind, p.m * p.k, 1), b = draw(p.kind, p.k * p.n, 2), wrong(size_t(panels_size(p.n, p.k, bf16)));
    Floats c(size_t(p.m * p.n));
    cpu::matmul(MatMul<float>{.m = p.m, .n = p.n, .k = p.k, .a = a.data(), .a_row = p.k, .a_col = 1, .b = b.data(), .b_row = 1, .b_col = p.k,
                              .c = c.data(), .c_row = p.n, .bf16 = bf16, .panels = {wrong.data(), panels_form(bf16) + 1}});
    EXPECT_EQ(difference(c, p.run()), "") << bf16;
  }
}

TEST(MatMulBf16, ANumberThatIsAlmostNormalCountsAsZero) {
  for (const With::Form form : {With::portable, With::dot, With::tile}) {
    if ((form == With::dot && !bf16_dot::available()) || (form == With::tile && !bf16_tile::available())) continue;
    const With in_use(form);
    for (const std::string& target : simd_targets())
      for (const Way way : {NT, NN, TN}) {
        if (form != With::portable && target != "avx512") continue;
        set_simd_target(target);
        const Floats a(6, from_bits(0x007fffff)), b(32 * 3, 1e20f);
        Floats c(2 * 32, 1);
        const FlushSubnormals flush;
        cpu::matmul(MatMul<float>{.m = 2, .n = 32, .k = 3, .a = a.data(), .a_row = way == TN ? 1 : 3, .a_col = way == TN ? 2 : 1,
                                  .b = b.data(), .b_row = way == NT ? 1 : 32, .b_col = way == NT ? 3 : 1, .c = c.data(), .c_row = 32,
                                  .bf16 = true});
        EXPECT_EQ(c, Floats(2 * 32, 0.0f)) << target << ", form " << form << ", way " << way;
      }
  }
}

// So it does for the matrix unit, and so it must where vectors do its work.
TEST(MatMulBf16, ANumberThatIsAlmostNormalIsTheSameWithPanels) {
  if (!bf16_tile::available() || simd_target() != "avx512") GTEST_SKIP() << "this processor has no TDPBF16PS";
  const With tile(With::tile);
  const float a = from_bits(0x007fffff);
  const Floats b(32, 1e20f);
  Floats panels(size_t(panels_size(32, 1, true))), plain(32, 1), packed(32, 1);
  const FlushSubnormals flush;
  MatMul<float> p{.m = 1, .n = 32, .k = 1, .a = &a, .a_row = 1, .a_col = 1, .b = b.data(), .b_row = 1, .b_col = 1, .c = plain.data(), .c_row = 32, .bf16 = true};
  cpu::matmul(p);
  pack_panels(p, panels.data());
  p.panels = {panels.data(), panels_form(true)}, p.c = packed.data();
  cpu::matmul(p);
  EXPECT_EQ(difference(packed, plain), "");
}

// So large a C goes past the caches.
TEST(MatMul, ALargeOneOfFewRowsIsTheSameWithPanels) {
  for (const auto& [m, n] : {std::pair<int64_t, int64_t>{5, 420005}, {64, 32768}}) {
    const Floats a(size_t(3 * m), 0.3f);
    Floats b(size_t(3 * n)), panels(size_t(panels_size(n, 3, false))), c[2] = {Floats(size_t(m * n)), Floats(size_t(m * n))};
    for (size_t i = 0; i < b.size(); ++i) b[i] = float(i % 1009);
    MatMul<float> p{.m = m, .n = n, .k = 3, .a = a.data(), .a_row = 3, .a_col = 1, .b = b.data(), .b_row = 1, .b_col = 3, .c = c[0].data(), .c_row = n};
    cpu::matmul(p);
    pack_panels(p, panels.data());
    p.panels = {panels.data(), panels_form(false)}, p.c = c[1].data();
    cpu::matmul(p);
    EXPECT_EQ(difference(c[0], c[1]), "") << m;
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
