#include "framework/ops/dropout.h"

#include <algorithm>

#include "kernels/dropout/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

const Random kStream(7, "dropout", 3, 11);

std::vector<bool> kept(int64_t n, double p) {
  std::vector<bool> flags;
  for (int64_t i = 0; i < n; ++i) flags.push_back(double(kStream.bits(uint64_t(i))) >= p * 0x1p32);
  return flags;
}

OpCase dropout_case(const Shape& shape, double p) {
  const auto flags = kept(element_count(shape), p);
  return {.op = [p](const std::vector<Var>& in) { return std::vector<Var>{ops::dropout(in[0], p, kStream)}; },
          .ref = reference([flags, p](const auto& in) { return kernels::ref::dropout(in, flags, p); }),
          .inputs = {normal_input(shape, 1)}};
}

TEST(Dropout, MatchesItsDefinition) {
  for (const Shape& shape : {Shape{40}, {7, 5}, {2, 3, 19}})
    for (double p : {0.1, 0.5}) expect_op("dropout", dropout_case(shape, p));
}

TEST(Dropout, SameBitsOnThreadsAndTargets) { expect_bits("dropout", dropout_case({501, 77}, 0.3)); }

TEST(Dropout, DropsTheShareItSays) {
  const int64_t n = 100000;
  const Tensor y = ops::dropout(Tensor::full({n}, 1), 0.3, kStream).value();
  int64_t dropped = 0;
  for (int64_t i = 0; i < n; ++i) dropped += y.item(i) == 0;
  EXPECT_NEAR(double(dropped) / double(n), 0.3, 0.006);  // four standard deviations
  EXPECT_FLOAT_EQ(float(*std::max_element(y.data<float>(), y.data<float>() + n)), 1 / 0.7f);
}

TEST(Dropout, NothingToDropIsTheVariableItself) {
  Tape tape;
  const Var x = tape.leaf(Tensor::full({3}, 2));
  const Var y = ops::dropout(x, 0, kStream);
  EXPECT_EQ(y.node(), x.node());
  EXPECT_EQ(tape.size(), 1u);
}

TEST(Dropout, RefusesAnImpossibleProbability) {
  for (double p : {-0.1, 1.0}) {
    try {
      ops::dropout(Var(Tensor::zeros({2})), p, kStream);
      FAIL() << "no error";
    } catch (const std::exception& e) {
      EXPECT_EQ(e.what(), "[dropout] p is " + std::to_string(p) + ", expected 0 <= p < 1");
    }
  }
}

}  // namespace
}  // namespace adder
