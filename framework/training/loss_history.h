// The losses of the last steps, and which of them were clipped: what a spike is measured by. Part of a run's state, so
// that a resumed run judges as the run left alone.
#pragma once
#include <vector>

#include "framework/core/tensor.h"

namespace adder {

class LossHistory {
 public:
  static constexpr size_t kSteps = 128, kLeast = 16;

  void add(double loss, bool clipped);
  // Standard deviations (at least a thousandth of the mean) of `loss` above the mean of the last kSteps losses; 0 before
  // there are kLeast of them.
  double spike(double loss) const;
  double clip_fraction() const;  // 0 before the first step

  std::vector<NamedTensor> stored() const;  // "losses" and "clipped", float64
  void restore(const std::vector<NamedTensor>& stored);

 private:
  std::vector<double> losses_, clipped_;
};

}  // namespace adder
