#include "framework/gradient_lab/total_adjoint.h"

#include <algorithm>
#include <cmath>

#include "framework/core/shapes.h"
#include "framework/gradient_lab/magnitude.h"

namespace adder::lab {

TotalAdjoint total_adjoint(Model& model, const Tensor& ids, const Tensor& labels, int64_t rows_at_once) {
  const auto [probes, length] = Shapes{"total_adjoint"}("ids", ids, {"rows", "length"});
  TotalAdjoint total;
  std::vector<std::vector<double>> gathered;  // by place and time, a row each
  for (int64_t first = 0; first < probes; first += rows_at_once) {
    const int64_t count = std::min(rows_at_once, probes - first);
    const Backsweep sweep = backsweep(model, some_rows(ids, first, count), some_rows(labels, first, count));
    total.places = sweep.places, total.streams = sweep.places.size();
    total.places.insert(total.places.end(), sweep.states.begin(), sweep.states.end());
    gathered.resize(total.places.size() * size_t(length));
    size_t place = 0;
    for (const Tensor* norms : {&sweep.stream, &sweep.state})
      for (int64_t p = 0; p < norms->dim(0); ++p, ++place)
        for (int64_t i = 0; i < count * length; ++i)
          gathered[place * size_t(length) + size_t(i % length)].push_back(
              norms->data<double>()[p * count * length + i]);
  }
  total.norms = Tensor::empty({int64_t(total.places.size()), length}, DType::f64);
  for (size_t i = 0; i < gathered.size(); ++i) {
    const bool none = std::isnan(gathered[i][0]);
    total.norms.data<double>()[i] = none ? gathered[i][0] : log10_mean(gathered[i]);
  }
  return total;
}

}  // namespace adder::lab
