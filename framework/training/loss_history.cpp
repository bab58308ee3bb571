#include "framework/training/loss_history.h"

#include <algorithm>
#include <cmath>

namespace adder {
namespace {

double mean(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v;
  return x.empty() ? 0 : sum / double(x.size());
}

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return (x[(x.size() - 1) / 2] + x[x.size() / 2]) / 2;
}

std::vector<double> values_of(const std::vector<NamedTensor>& stored, const std::string& name) {
  std::vector<double> values;
  for (const NamedTensor& t : stored)
    if (t.name == name)
      for (int64_t i = 0; i < t.value.size(); ++i) values.push_back(t.value.item(i));
  return values;
}

}  // namespace

void LossHistory::add(double loss, bool clipped) {
  losses_.push_back(loss), clipped_.push_back(clipped ? 1 : 0);
  if (losses_.size() <= kSteps) return;
  losses_.erase(losses_.begin()), clipped_.erase(clipped_.begin());
}

double LossHistory::spike(double loss) const {
  if (losses_.size() < kLeast) return 0;
  const double middle = median(losses_);
  std::vector<double> distances;
  for (const double v : losses_) distances.push_back(std::abs(v - middle));
  return (loss - middle) / std::max({1.4826 * median(distances), 1e-2 * std::abs(middle), 1e-12});
}

double LossHistory::clip_fraction() const { return mean(clipped_); }

std::vector<NamedTensor> LossHistory::stored() const {
  if (losses_.empty()) return {};
  const Shape shape = {int64_t(losses_.size())};
  return {{"losses", Tensor::from<double>(shape, losses_)}, {"clipped", Tensor::from<double>(shape, clipped_)}};
}

void LossHistory::restore(const std::vector<NamedTensor>& stored) {
  losses_ = values_of(stored, "losses"), clipped_ = values_of(stored, "clipped");
}

}  // namespace adder
