#include "framework/gradient_lab/gradient_noise.h"

#include "framework/core/error.h"

namespace adder::lab {

GradientNoise gradient_noise(int64_t small, double small_square, int64_t big, double big_square) {
  if (small < 1 || small >= big)
    throw Error("[gradient_noise] the batches have " + std::to_string(small) + " and " + std::to_string(big) +
                " rows, expected at least 1, and more in the second");
  const double b = double(small), B = double(big);
  return {(B * big_square - b * small_square) / (B - b), (small_square - big_square) / (1 / b - 1 / B)};
}

}  // namespace adder::lab
