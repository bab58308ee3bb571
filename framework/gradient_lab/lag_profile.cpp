#include "framework/gradient_lab/lag_profile.h"

#include <algorithm>

#include "framework/core/shapes.h"
#include "framework/data/batches.h"

namespace adder::lab {
namespace {

// All but the last label of each row are not scored.
Tensor last_labels(const Tensor& labels) {
  const Tensor last = Tensor::full(labels.shape(), kIgnoreLabel, DType::i32);
  const int64_t t = labels.dim(1) - 1;
  last.narrow(1, t, 1).copy_from(labels.narrow(1, t, 1));
  return last;
}

// Column k of `to` is time `last - k` of `from`, both rows of their own.
void by_lag(const double* from, int64_t last, double* to, int64_t lags) {
  for (int64_t k = 0; k <= lags; ++k) to[k] = from[last - k];
}

}  // namespace

LagProfile lag_profile(Model& model, const Tensor& ids, const Tensor& labels, int64_t lags, int64_t rows_at_once) {
  const Shapes check{"lag_profile"};
  const auto [probes, length] = check("ids", ids, {"probes", "length"});
  check("labels", labels, {probes, length});
  if (lags < 2 || lags >= length)
    check.fail("lags is " + std::to_string(lags) + ", expected 2 to the tokens before the last, " +
               std::to_string(length - 1));
  const Tensor scored = last_labels(labels);
  LagProfile profile;
  for (int64_t first = 0; first < probes; first += rows_at_once) {
    const int64_t count = std::min(rows_at_once, probes - first);
    const Backsweep sweep = backsweep(model, some_rows(ids, first, count), some_rows(scored, first, count));
    const int64_t places = int64_t(sweep.places.size()), states = int64_t(sweep.states.size());
    if (sweep.places.empty() || sweep.places[0] != "embed")
      check.fail("the model shows no \"embed\" of its stream, whose adjoint is wanted");
    if (first == 0) {
      profile.places = sweep.places, profile.states = sweep.states;
      profile.stream = Tensor::empty({places, probes, lags + 1}, DType::f64);
      profile.state = Tensor::empty({states, probes, lags + 1}, DType::f64);
    }
    const auto gather = [&](const Tensor& from, int64_t series, const Tensor& to) {
      for (int64_t s = 0; s < series; ++s)
        for (int64_t b = 0; b < count; ++b)
          by_lag(from.data<double>() + (s * count + b) * length, length - 1,
                 to.data<double>() + (s * probes + first + b) * (lags + 1), lags);
    };
    gather(sweep.stream, places, profile.stream);
    gather(sweep.state, states, profile.state);
  }
  profile.embedding = some_rows(profile.stream, 0, 1).reshape({probes, lags + 1});
  profile.memory = fit_memory(profile.embedding);
  return profile;
}

}  // namespace adder::lab
