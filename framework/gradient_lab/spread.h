// A mean of few values, and how sure it is.
#pragma once
#include <cstdint>
#include <vector>

namespace adder::lab {

// Half the width of Student's 95 % interval in standard errors: 12.71 at one degree of freedom, 1.96 in the end.
double t95(int64_t freedom);

struct MeanInterval {
  double mean, low, high;  // of 95 %; NaN bounds for fewer than two values
};
MeanInterval mean_interval(const std::vector<double>& x);

// The standard deviation of the mean; NaN for fewer than two values.
double standard_error(const std::vector<double>& x);

}  // namespace adder::lab
