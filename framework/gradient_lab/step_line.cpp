#include "framework/gradient_lab/step_line.h"

#include <Eigen/Dense>
#include <cmath>

namespace adder::lab {

double Parabola::alpha() const {
  if (!(curvature > 0) || !(least() > 0)) return std::nan("");
  return 1 / least() - 1;
}

Parabola fit_parabola(const LineEnd& before, const LineEnd& after) {
  Eigen::Matrix<double, 4, 3> a;
  a << 1, 0, 0,    // the loss at 0
      1, 1, 0.5,   // and at 1
      0, 1, 0,     // the slope at 0
      0, 1, 1;     // and at 1
  const Eigen::Vector4d y(before.loss, after.loss, before.slope, after.slope);
  Eigen::Vector4d variance(before.loss_variance, after.loss_variance, before.slope_variance, after.slope_variance);
  if (!(variance.minCoeff() > 0) || !variance.allFinite()) variance.setOnes();
  const Eigen::Vector4d root = variance.cwiseSqrt().cwiseInverse();
  const Eigen::Vector3d w = (root.asDiagonal() * a).colPivHouseholderQr().solve(root.cwiseProduct(y));
  return {w[0], w[1], w[2]};
}

}  // namespace adder::lab
