// Equality of tensors as a GoogleTest assertion.
#pragma once
#include <gtest/gtest.h>

#include <string>

#include "framework/core/tensor.h"

namespace adder {

inline void expect_same(const Tensor& got, const Tensor& want, const std::string& what) {
  ASSERT_EQ(got.shape(), want.shape()) << what;
  for (int64_t i = 0; i < want.size(); ++i) ASSERT_EQ(got.item(i), want.item(i)) << what << ", element " << i;
}

}  // namespace adder
