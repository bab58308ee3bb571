// Jacobians that are known: given matrices, one a step.
#pragma once
#include <functional>
#include <vector>

#include "framework/core/random.h"
#include "framework/core/tensor.h"
#include "framework/gradient_lab/jacobians.h"

namespace adder::lab {

class GivenJacobians : public Jacobians {
 public:
  GivenJacobians(int64_t size, int64_t steps, std::function<Matrix(int64_t)> at)
      : size_(size), steps_(steps), at_(std::move(at)) {}
  int64_t size() const override { return size_; }
  int64_t steps() const override { return steps_; }
  Matrix times(int64_t t, const Matrix& v) const override { return at_(t) * v; }
  Matrix transposed_times(int64_t t, const Matrix& u) const override { return at_(t).transpose() * u; }
  Matrix dense(int64_t t) const override { return at_(t); }

 private:
  int64_t size_, steps_;
  std::function<Matrix(int64_t)> at_;
};

inline Matrix gaussian(int64_t rows, int64_t columns, double stddev, uint64_t seed, uint64_t step = 0) {
  const Random random(seed, "gaussian", step);
  Matrix m(rows, columns);
  for (int64_t i = 0; i < m.size(); ++i) m.data()[i] = stddev * random.normal(uint64_t(i));
  return m;
}

inline Matrix as_matrix(const Tensor& t) {
  return Eigen::Map<const Eigen::Matrix<double, -1, -1, Eigen::RowMajor>>(t.data<double>(), t.dim(0), t.dim(1));
}

}  // namespace adder::lab
