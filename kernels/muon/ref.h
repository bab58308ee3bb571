// The definition of one step, the orthogonalisation with it.
#pragma once
#include <algorithm>
#include <cmath>

#include "kernels/array.h"
#include "kernels/newton_schulz/ref.h"

namespace kernels::ref {

struct MuonSettings {
  double lr, momentum, weight_decay = 0;
  double gradient_scale = 1;
};

// in: p, grad, m, all [rows, columns]; out: p, m
inline Arrays<double> muon(const Arrays<double>& in, const MuonSettings& s) {
  Array<double> p = in[0], m = in[2], look = in[1];
  const double keep = s.momentum;
  for (int64_t i = 0; i < p.size(); ++i) {
    const double g = s.gradient_scale * in[1].data[size_t(i)];
    double& mi = m.data[size_t(i)];
    mi = keep * mi + (1 - keep) * g;
    look.data[size_t(i)] = (1 - keep) * g + keep * mi;
  }
  const Array<double> u = newton_schulz(look);
  const double shape = std::sqrt(std::max(1.0, double(p.dim(0)) / double(p.dim(1))));
  for (size_t i = 0; i < p.data.size(); ++i)
    p.data[i] = p.data[i] * (1 - s.lr * s.weight_decay) - s.lr * shape * u.data[i];
  return {p, m};
}

}  // namespace kernels::ref
