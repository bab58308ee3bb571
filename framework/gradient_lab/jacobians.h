// The Jacobians J_t = d h_t / d h_{t-1} of a recurrence along one trajectory, known by their products with vectors.
#pragma once
#include <Eigen/Dense>
#include <cstdint>

namespace adder::lab {

using Matrix = Eigen::MatrixXd;

class Jacobians {
 public:
  virtual ~Jacobians() = default;
  virtual int64_t size() const = 0;   // n, the numbers of a state
  virtual int64_t steps() const = 0;  // t from 0 to steps - 1
  virtual Matrix times(int64_t t, const Matrix& v) const = 0;             // J_t v, v (n, k)
  virtual Matrix transposed_times(int64_t t, const Matrix& u) const = 0;  // J_t^T u, u (n, k)
  // All of it, by n unit adjoints at once.
  virtual Matrix dense(int64_t t) const { return transposed_times(t, Matrix::Identity(size(), size())).transpose(); }
};

}  // namespace adder::lab
