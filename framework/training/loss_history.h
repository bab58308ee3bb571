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
  // Standard deviations of `loss` above the median of the last kSteps losses; 0 before there are kLeast of them. The
  // deviation is 1.4826 times the median distance from the median, so that neither a fall of the loss nor earlier spikes
  // hide a spike; it is taken as at least a hundredth of the median.
  double spike(double loss) const;
  double clip_fraction() const;  // 0 before the first step

  std::vector<NamedTensor> stored() const;  // "losses" and "clipped", float64
  void restore(const std::vector<NamedTensor>& stored);

 private:
  std::vector<double> losses_, clipped_;
};

}  // namespace adder
