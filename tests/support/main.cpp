#include <gtest/gtest.h>

#include "framework/core/tensor.h"

// Fresh buffers hold NaN in every test, so that a kernel which leaves an element unwritten is found out.
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  adder::arena::set_poison(true);
  return RUN_ALL_TESTS();
}
