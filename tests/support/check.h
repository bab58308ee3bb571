// check_op as a GoogleTest assertion.
#pragma once
#include <gtest/gtest.h>

#include "framework/checks/check_op.h"

namespace adder {

inline void expect_op(const std::string& name, const OpCase& c) {
  const CheckReport report = check_op(name, c);
  EXPECT_TRUE(report.ok) << report.text;
}
inline void expect_bits(const std::string& name, const OpCase& c) {
  const CheckReport report = check_bits(name, c);
  EXPECT_TRUE(report.ok) << report.text;
}

}  // namespace adder
