// A step seen along its own line: the loss at theta + s d, where d is the step and s runs through 0 (before) and 1 (after).
// Cockpit's step length alpha (Schneider, Dangel, Hennig 2021, section 3.1): a parabola is fitted to loss and slope at both ends,
// least squares weighted by one over their variances over the rows. Its least point s* gives
//   alpha = 1 / s* - 1:  -1 not moved at all, 0 to the least point, 1 to the other side of the valley, above 1 up the hill
#pragma once

namespace adder::lab {

struct LineEnd {
  double loss = 0, slope = 0;                     // means over the rows; slope = dL/ds
  double loss_variance = 0, slope_variance = 0;   // of those means; 0 or NaN: unknown, and all four weigh alike
};

struct Parabola {
  double constant = 0, slope = 0, curvature = 0;  // constant + slope s + curvature s^2 / 2
  double at(double s) const { return constant + slope * s + curvature * s * s / 2; }
  double least() const { return -slope / curvature; }  // where it is least, if curvature > 0
  double alpha() const;  // NaN where there is no least point ahead of the step
};

Parabola fit_parabola(const LineEnd& before, const LineEnd& after);

}  // namespace adder::lab
