#include "framework/core/tensor.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>

#include "framework/core/error.h"
#include "tests/support/check.h"

namespace adder {
namespace {

Tensor counting(const Shape& shape, DType dtype = DType::f32) {
  std::vector<float> values(size_t(element_count(shape)));
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(i);
  return Tensor::from(shape, values).to(dtype);
}

std::vector<double> elements(const Tensor& x) {
  std::vector<double> all;
  for (int64_t i = 0; i < x.size(); ++i) all.push_back(x.item(i));
  return all;
}

TEST(Tensor, ShapesAndStrides) {
  const Tensor x = counting({2, 3, 4});
  EXPECT_EQ(x.strides(), (Shape{12, 4, 1}));
  EXPECT_EQ(x.rank(), 3);
  EXPECT_EQ(x.dim(-1), 4);
  EXPECT_EQ(x.rows(), 6);
  EXPECT_EQ(x.columns(), 4);
  EXPECT_EQ(x.row_stride(), 4);
  EXPECT_TRUE(x.contiguous());
  EXPECT_EQ(to_string(x.shape()), "[2, 3, 4]");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(x.raw()) % 64, 0u);
}

TEST(Tensor, RankZeroIsOneElement) {
  const Tensor x = Tensor::full({}, 7, DType::f64);
  EXPECT_EQ(x.size(), 1);
  EXPECT_EQ(x.rows(), 1);
  EXPECT_EQ(x.columns(), 1);
  EXPECT_EQ(x.item(), 7);
  EXPECT_TRUE(x.contiguous());
  EXPECT_EQ(x.reshape({1, 1}).item(), 7);
}

TEST(Tensor, EmptyOnesHaveNoElements) {
  const Tensor x = Tensor::zeros({0, 3});
  EXPECT_EQ(x.size(), 0);
  EXPECT_EQ(x.clone().shape(), (Shape{0, 3}));
  x.fill(1);
  x.add(Tensor::zeros({0, 3}));
}

TEST(Tensor, NarrowIsAView) {
  const Tensor x = counting({2, 5}), part = x.narrow(-1, 1, 3);
  EXPECT_TRUE(part.same_storage(x));
  EXPECT_FALSE(part.contiguous());
  EXPECT_TRUE(part.rows_collapse());
  EXPECT_EQ(part.row_stride(), 5);
  EXPECT_EQ(elements(part), (std::vector<double>{1, 2, 3, 6, 7, 8}));
  part.fill(-1);
  EXPECT_EQ(elements(x), (std::vector<double>{0, -1, -1, -1, 4, 5, -1, -1, -1, 9}));
}

TEST(Tensor, NarrowAcrossAMiddleAxisHasUnevenRows) {
  const Tensor x = counting({2, 5, 3}), part = x.narrow(1, 3, 2);
  EXPECT_FALSE(part.rows_collapse());
  EXPECT_FALSE(part.with_even_rows().same_storage(x));
  EXPECT_EQ(elements(part), (std::vector<double>{9, 10, 11, 12, 13, 14, 24, 25, 26, 27, 28, 29}));
  EXPECT_EQ(elements(part.with_even_rows()), elements(part));
  EXPECT_TRUE(x.narrow(1, 3, 1).rows_collapse());  // one row a batch entry steps evenly
  EXPECT_EQ(x.narrow(1, 3, 1).row_stride(), 15);
  EXPECT_TRUE(x.narrow(0, 1, 1).contiguous());
}

TEST(Tensor, NarrowRefusesWhatLiesOutside) {
  const Tensor x = counting({2, 5});
  EXPECT_EQ(message_of([&] { x.narrow(1, 3, 3); }), "[narrow] axis 1, 3 + 3 lies outside shape [2, 5]");
  EXPECT_THROW(x.narrow(2, 0, 1), Error);
  EXPECT_THROW(x.narrow(-3, 0, 1), Error);
  EXPECT_THROW(x.narrow(0, -1, 1), Error);
}

TEST(Tensor, ReshapeViewsWhereItCan) {
  const Tensor x = counting({2, 3, 4});
  EXPECT_TRUE(x.reshape({4, 6}).same_storage(x));
  const Tensor cut = x.narrow(-1, 1, 2), regrouped = cut.reshape({6, 2});
  EXPECT_TRUE(regrouped.same_storage(x));
  EXPECT_EQ(elements(regrouped), elements(cut));
  EXPECT_EQ(elements(regrouped.reshape({3, 2, 2})), elements(cut));
  const Tensor flat = cut.reshape({12});
  EXPECT_FALSE(flat.same_storage(x));
  EXPECT_EQ(elements(flat), elements(cut));
  EXPECT_EQ(message_of([&] { x.reshape({5, 5}); }), "[reshape] shape [2, 3, 4] can't become [5, 5]");
}

TEST(Tensor, CloneIsContiguousAndItsOwn) {
  const Tensor x = counting({3, 4}), cut = x.narrow(1, 1, 2), copy = cut.clone();
  EXPECT_TRUE(copy.contiguous());
  EXPECT_FALSE(copy.same_storage(x));
  EXPECT_EQ(elements(copy), elements(cut));
}

TEST(Tensor, SharesStorageCountsHolders) {
  Tensor x = counting({3});
  EXPECT_FALSE(x.shares_storage());
  {
    const Tensor view = x.narrow(0, 0, 1);
    EXPECT_TRUE(x.shares_storage());
  }
  EXPECT_FALSE(x.shares_storage());
}

TEST(Tensor, ConvertsBetweenTypes) {
  const Tensor x = Tensor::from<double>({3}, std::vector<double>{1.5, -2.25, 1e-3});
  EXPECT_EQ(x.to(DType::f64).same_storage(x), true);
  EXPECT_EQ(x.to(DType::f32).item(2), double(float(1e-3)));
  EXPECT_EQ(x.to(DType::i32).item(1), -2);
  EXPECT_EQ(message_of([&] { x.data<float>(); }), "[tensor] dtype is float64, expected float32");
  EXPECT_THROW(Tensor().data<float>(), Error);
  EXPECT_THROW(Tensor::from<double>({4}, std::vector<double>{1}), Error);
}

TEST(Tensor, CopiesAndAddsThroughStrides) {
  const Tensor x = Tensor::zeros({2, 4}), source = counting({2, 6});
  x.narrow(1, 1, 2).copy_from(source.narrow(1, 4, 2));
  EXPECT_EQ(elements(x), (std::vector<double>{0, 4, 5, 0, 0, 10, 11, 0}));
  x.narrow(1, 0, 2).add(source.narrow(1, 0, 2));
  EXPECT_EQ(elements(x), (std::vector<double>{0, 5, 5, 0, 6, 17, 11, 0}));
  x.narrow(1, 0, 3).zero();
  EXPECT_EQ(elements(x), std::vector<double>(8, 0.0));
  EXPECT_THROW(x.add(source), Error);
  EXPECT_THROW(x.copy_from(source), Error);
}

// Its upper half of a float, rounded to the nearest, of two as near to the even one.
TEST(Tensor, BFloat16KeepsTheNearest) {
  const float ulp = 0x1p-7f, inf = INFINITY, least = 0x1p-126f;
  const std::vector<std::pair<float, float>> cases = {
      {0.f, 0.f}, {-0.f, -0.f}, {1.f, 1.f}, {-3.5f, -3.5f}, {1 + ulp, 1 + ulp}, {1 + 0.49f * ulp, 1.f}, {1 + 0.51f * ulp, 1 + ulp},
      {1 + 0.5f * ulp, 1.f}, {1 + 1.5f * ulp, 1 + 2 * ulp}, {-1 - 1.5f * ulp, -1 - 2 * ulp}, {least, least}, {least / 2, 0.f},
      {-least / 2, -0.f}, {3.4e38f, inf}, {inf, inf}, {-inf, -inf}};
  for (const auto& [from, to] : cases) {
    const Tensor kept = Tensor::from<float>({1}, std::vector<float>{from}).to(DType::bf16);
    EXPECT_EQ(kept.item(), double(to)) << from;
    EXPECT_EQ(std::signbit(kept.item()), std::signbit(to)) << from;
  }
  for (const uint32_t bits : {0x7fc00000u, 0x7f800001u, 0xffffffffu})
    EXPECT_TRUE(std::isnan(float(kernels::BFloat16(std::bit_cast<float>(bits))))) << bits;
}

TEST(Tensor, BFloat16IsStorageOfTwoBytes) {
  const Tensor x = counting({2, 3, 4}).to(DType::bf16);
  EXPECT_EQ(bytes_of(x.dtype()), 2u);
  EXPECT_STREQ(name(x.dtype()), "bfloat16");
  EXPECT_EQ(elements(x), elements(counting({2, 3, 4})));
  EXPECT_EQ(elements(x.narrow(1, 1, 2).clone()), elements(counting({2, 3, 4}).narrow(1, 1, 2)));
  EXPECT_EQ(elements(x.narrow(2, 1, 2).to(DType::f32)), elements(counting({2, 3, 4}).narrow(2, 1, 2)));
  const Tensor y = Tensor::zeros({2, 3, 4}, DType::bf16);
  y.narrow(1, 0, 1).copy_from(x.narrow(1, 2, 1));
  EXPECT_EQ(y.item(0), 8);
  EXPECT_EQ(y.item(23), 0);
  y.fill(2.5);
  EXPECT_EQ(y.item(23), 2.5);
  EXPECT_EQ(message_of([&] { x.data<float>(); }), "[tensor] dtype is bfloat16, expected float32");
  EXPECT_EQ(message_of([&] { x.add(y); }), "expected float32 or float64, found bfloat16");
}

TEST(Arena, PoisonFillsFreshFloats) {
  const bool before = arena::poison();
  arena::set_poison(true);
  EXPECT_TRUE(std::isnan(Tensor::empty({5}).item(4)));
  EXPECT_TRUE(std::isnan(Tensor::empty({2, 2}, DType::f64).item(3)));
  arena::set_poison(before);
}

#ifndef ADDER_ASAN
TEST(Arena, HandsBackWhatWasFreed) {
  { const Tensor warm = Tensor::empty({12345}); }
  const int64_t before = arena::system_allocations(), used = arena::bytes_in_use();
  for (int i = 0; i < 10; ++i) {
    const Tensor again = Tensor::empty({12345});
    EXPECT_GE(arena::bytes_in_use(), used + 4 * 12345);
  }
  EXPECT_EQ(arena::system_allocations(), before);
  EXPECT_EQ(arena::bytes_in_use(), used);
}

// Of all sizes, one after the other: a list of free buffers for each would hold the sum.
TEST(Arena, LargeBuffersOfAllSizesShareMemory) {
  arena::trim();
  const int64_t held = arena::bytes_held(), asked = arena::system_allocations();
  for (int64_t size = 100000; size < 1000000; size += 50000) const Tensor x = Tensor::full({size}, 1);
  EXPECT_LE(arena::bytes_held() - held, 4 * 1000000);
  EXPECT_LE(arena::system_allocations(), asked + 1);
  const Tensor stays = Tensor::full({20000}, 3);
  arena::trim();
  EXPECT_EQ(stays.item(19999), 3);
  const Tensor again = Tensor::full({900000}, 2);
  EXPECT_EQ(again.item(0) + again.item(899999), 4);
}

TEST(Arena, PeakRemembers) {
  arena::reset_peak();
  const int64_t before = arena::peak_bytes_in_use();
  { const Tensor x = Tensor::empty({100000}), y = Tensor::empty({100000}); }
  EXPECT_GE(arena::peak_bytes_in_use(), before + 800000);
  arena::reset_peak();
  EXPECT_EQ(arena::peak_bytes_in_use(), arena::bytes_in_use());
}
#endif

TEST(Tensor, RefusesASizeThatOverflows) {
  for (const Shape& shape : {Shape{int64_t(1) << 62, 4}, Shape{int64_t(1) << 61}, Shape{3, -1}}) {
    try {
      Tensor::empty(shape);
      ADD_FAILURE() << to_string(shape) << " was accepted";
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find("overflows"), std::string::npos) << e.what();
    }
  }
}

TEST(Shape, HoldsItsSizesInPlace) {
  Shape shape{2, 3};
  shape.push_back(5);
  EXPECT_EQ(shape, (Shape{2, 3, 5}));
  EXPECT_FALSE(shape == (Shape{2, 3}));
  EXPECT_EQ(shape.back(), 5);
  EXPECT_EQ(shape.to_vector(), (std::vector<int64_t>{2, 3, 5}));
  shape.assign(2, 1);
  EXPECT_EQ(shape, (Shape{1, 1}));
  EXPECT_TRUE(Shape{}.empty());
}

TEST(Shape, RefusesMoreAxesThanItHolds) {
  const std::vector<int64_t> nine(9, 1);
  EXPECT_NE(message_of([&] { Shape shape(nine); }).find("9 axes, at most 8"), std::string::npos);
  EXPECT_NE(message_of([&] { Shape(9, 1); }).find("9 axes, at most 8"), std::string::npos);
  Shape full(8, 1);
  EXPECT_NE(message_of([&] { full.push_back(1); }).find("9 axes, at most 8"), std::string::npos);
}

}  // namespace
}  // namespace adder
