#include "framework/gradient_lab/coordinates.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <numeric>
#include <tuple>

#include "framework/gradient_lab/flat.h"
#include "framework/gradient_lab/spread.h"
#include "framework/training/trainer.h"

namespace adder::lab {
namespace {

// The one batch at every step.
class SameBatch : public BatchSource {
 public:
  explicit SameBatch(const Batch& batch) : batch_(batch) {}
  Batch at(int64_t, int64_t) const override { return batch_; }
  int64_t batch_size() const override { return batch_.ids.dim(0); }
  int64_t length() const override { return batch_.ids.dim(1); }

 private:
  const Batch& batch_;
};

struct Activation {
  std::string place;
  std::vector<double> values;
};

// What stands on the residual stream, and the logits.
std::vector<Activation> activations(Model& model, const Batch& batch) {
  std::vector<Activation> list;
  Pass pass;
  State state;
  const Var logits = model.forward(pass, {batch.ids, batch.resets}, state,
                                   [&](const std::string& name, Var& x) { list.push_back({name, flat(x.value())}); });
  list.push_back({"logits", flat(logits.value())});
  return list;
}

double mean_size(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += std::abs(v);
  return sum / double(x.size());
}

double mean_change(const std::vector<double>& now, const std::vector<double>& then) {
  double sum = 0;
  for (size_t i = 0; i < now.size(); ++i) sum += std::abs(now[i] - then[i]);
  return sum / double(now.size());
}

Config for_width(const Config& config, int64_t width, int64_t steps) {
  Config c = config;
  c.model.d_model = width;
  c.schedule.name = "constant", c.schedule.warmup_steps = 0;
  c.training.steps = std::max(steps, int64_t{1}), c.training.accumulate = 1, c.training.state = "reset";
  return c;
}

bool judged(const CoordinateFit& fit) {
  if (fit.place == "logits") return fit.change && fit.step > 0;
  return fit.place.starts_with("layers.") && !fit.change;
}

// Least squares, each model a point.
void fit_line(CoordinateFit& fit, const std::vector<int64_t>& widths) {
  std::vector<double> x, y;
  for (size_t w = 0; w < widths.size(); ++w)
    for (const double size : fit.sizes[w]) x.push_back(std::log(double(widths[w]))), y.push_back(std::log(size));
  const double n = double(x.size());
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n, mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xx = 0, xy = 0, squares = 0;
  for (size_t i = 0; i < x.size(); ++i) xx += std::pow(x[i] - mean_x, 2), xy += (x[i] - mean_x) * (y[i] - mean_y);
  fit.slope = xy / xx;
  for (size_t i = 0; i < x.size(); ++i) squares += std::pow(y[i] - mean_y - fit.slope * (x[i] - mean_x), 2);
  const double half = n > 2 ? t95(int64_t(n) - 2) * std::sqrt(squares / (n - 2) / xx) : std::numeric_limits<double>::quiet_NaN();
  fit.low = fit.slope - half, fit.high = fit.slope + half;
}

// All fits of one kind of model, filled width by width and seed by seed.
class Table {
 public:
  explicit Table(const CoordinateOptions& options) : options_(options) {}
  void add(const std::string& place, bool change, int64_t step, size_t width, double size) {
    const auto [at, fresh] = index_.try_emplace({place, change, step}, fits_.size());
    if (fresh) fits_.push_back({place, change, step, std::vector<std::vector<double>>(options_.widths.size()), 0, 0, 0});
    fits_[at->second].sizes[width].push_back(size);
  }
  std::vector<CoordinateFit> fitted() {
    std::stable_sort(fits_.begin(), fits_.end(), [](const auto& a, const auto& b) { return a.change < b.change; });
    std::vector<std::string> places;
    for (CoordinateFit& fit : fits_) {
      fit_line(fit, options_.widths), fit.judged = judged(fit);
      if (std::find(places.begin(), places.end(), fit.place) == places.end()) places.push_back(fit.place);
    }
    std::vector<CoordinateFit> sorted;
    for (const std::string& place : places)
      std::copy_if(fits_.begin(), fits_.end(), std::back_inserter(sorted), [&](const auto& fit) { return fit.place == place; });
    return sorted;
  }

 private:
  const CoordinateOptions& options_;
  std::vector<CoordinateFit> fits_;
  std::map<std::tuple<std::string, bool, int64_t>, size_t> index_;
};

}  // namespace

double CoordinateFit::mean(size_t width) const {
  return std::accumulate(sizes[width].begin(), sizes[width].end(), 0.0) / double(sizes[width].size());
}

bool Coordinates::passed() const {
  return std::all_of(fits.begin(), fits.end(), [](const CoordinateFit& fit) { return !fit.judged || fit.within(); });
}

const CoordinateFit& Coordinates::worst() const {
  const auto distance = [](const CoordinateFit& fit) {
    if (!fit.judged) return -1.0;
    return std::isnan(fit.slope) ? std::numeric_limits<double>::infinity() : std::abs(fit.slope);
  };
  return *std::max_element(fits.begin(), fits.end(), [&](const auto& a, const auto& b) { return distance(a) < distance(b); });
}

Coordinates check_coordinates(const Config& config, const ModelFactory& factory, int64_t vocabulary, const Batch& batch,
                              const CoordinateOptions& options) {
  const SameBatch batches(batch);
  Table table(options);
  for (size_t w = 0; w < options.widths.size(); ++w)
    for (int64_t seed = 0; seed < options.seeds; ++seed) {
      Config c = for_width(config, options.widths[w], options.steps);
      c.seed += seed;
      Trainer trainer(c, factory.make(c.model, vocabulary, uint64_t(c.seed), c.dtype()), batches);
      const std::vector<Activation> start = activations(trainer.model(), batch);
      for (int64_t step = 0; step <= options.steps; ++step) {
        const std::vector<Activation> now = step == 0 ? start : activations(trainer.model(), batch);
        for (size_t i = 0; i < now.size(); ++i) {
          table.add(now[i].place, false, step, w, mean_size(now[i].values));
          if (step > 0) table.add(now[i].place, true, step, w, mean_change(now[i].values, start[i].values));
        }
        if (step < options.steps) trainer.step();
      }
    }
  return {options, table.fitted()};
}

}  // namespace adder::lab
