#include "framework/ops/matrix.h"

#include <gtest/gtest.h>

#include <functional>

#include "framework/core/error.h"
#include "tests/support/check.h"

namespace adder {
namespace {

TEST(Matrix, APointerIsOnlyToDenseMemory) {
  const Tensor x = Tensor::full({2, 5}, 1);
  EXPECT_EQ(ops::pointer<float>(x), x.data<float>());
  EXPECT_EQ(ops::pointer<const float>(x.narrow(0, 1, 1)), x.data<float>() + 5);
  EXPECT_EQ(ops::pointer<float>(Tensor()), nullptr);
  EXPECT_EQ(message_of([&] { ops::pointer<float>(x.narrow(-1, 1, 3)); }),
            "[pointer] a tensor of shape [2, 3] is strided, expected contiguous memory; use dense() or "
            "Adjoints::in_dense()");
}

TEST(Matrix, RowsStepEvenly) {
  const Tensor x = Tensor::full({2, 5, 3}, 1);
  const auto rows = ops::matrix<float>(x.narrow(-1, 1, 2));
  EXPECT_EQ(rows.rows, 10);
  EXPECT_EQ(rows.columns, 2);
  EXPECT_EQ(rows.stride, 3);
  EXPECT_FALSE(ops::matrix<float>(Tensor()));
  EXPECT_EQ(message_of([&] { ops::matrix<float>(x.narrow(1, 1, 3)); }),
            "[matrix] rows of a tensor of shape [2, 3, 3] step unevenly; use with_even_rows()");
}

TEST(Matrix, DenseCopiesOnlyWhatIsStrided) {
  const Tensor x = Tensor::full({2, 5}, 1);
  EXPECT_TRUE(ops::dense(x).same_storage(x));
  EXPECT_TRUE(ops::dense(x.narrow(-1, 1, 3)).contiguous());
  EXPECT_FALSE(ops::dense(Tensor()).defined());
}

}  // namespace
}  // namespace adder
