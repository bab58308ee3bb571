// check_op as a GoogleTest assertion.
#pragma once
#include <gtest/gtest.h>

#include <functional>

#include "framework/checks/check_op.h"
#include "framework/core/error.h"

namespace adder {

inline void expect_op(const std::string& name, const OpCase& c) {
  const CheckReport report = check_op(name, c);
  EXPECT_TRUE(report.ok) << report.text;
}
inline void expect_bits(const std::string& name, const OpCase& c) {
  const CheckReport report = check_bits(name, c);
  EXPECT_TRUE(report.ok) << report.text;
}

// int32 (batch, length): 1 at the given positions of the flattened shape, where documents start; undefined for none.
inline Tensor resets_at(int64_t batch, int64_t length, const std::vector<int64_t>& starts) {
  if (starts.empty()) return {};
  const Tensor resets = Tensor::zeros({batch, length}, DType::i32);
  for (int64_t i : starts) resets.data<int32_t>()[i] = 1;
  return resets;
}

// What the Error says that f throws; "no error" where it throws none.
inline std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace adder
