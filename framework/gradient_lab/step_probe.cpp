#include "framework/gradient_lab/step_probe.h"

#include <chrono>
#include <cmath>

#include "framework/core/error.h"
#include "framework/gradient_lab/spread.h"
#include "framework/training/clip.h"

namespace adder::lab {
namespace {

constexpr double kForward = 1.0 / 3;  // of a forward and backward pass

Histogram histogram_of(const Flat& values) {
  Histogram h;
  for (const double v : values) h.add(v);
  return h;
}

BatchLoss loss_of_next_step(Trainer& trainer, const BatchSource& batches) {
  std::vector<Batch> parts;
  for (int64_t micro = 0; micro < trainer.config().training.accumulate; ++micro)
    parts.push_back(batches.at(trainer.steps_done(), micro));
  return BatchLoss(trainer.model(), std::move(parts));
}

// The variance of the mean of these.
double variance_of_mean(const std::vector<double>& x) { return std::pow(standard_error(x), 2); }

class StepProbing {
 public:
  StepProbing(Trainer& trainer, const BatchSource& batches)
      : trainer_(trainer), loss_(loss_of_next_step(trainer, batches)), before_(flat_values(trainer.model().parameters())) {
    if (loss_.rows() < 2)
      throw Error("[step] the step reads " + std::to_string(loss_.rows()) +
                  " row with a scored token, expected at least 2: the spread of a batch is that of its rows");
  }

  StepProbe probe;

  void measure_gradient() {
    timed("backward", 1, [&] { batch_ = loss_.gradient(); });
    probe.loss = batch_.loss, probe.gradient = norm(batch_.gradient), probe.weights = norm(before_);
    probe.gradients = histogram_of(batch_.gradient), probe.parameters = histogram_of(before_);
  }

  void measure_rows() {
    RowGradients gradients(batch_.gradient);
    timed("rows", 1, [&] {
      for (int64_t n = 0; n < loss_.rows(); ++n) gradients.add(loss_.row(n).gradient);
    });
    probe.rows = gradients.figures();
  }

  void measure_curvature(int64_t products) {
    if (products < 1) return;
    const int64_t size = int64_t(before_.size());
    const Product product = [&](const Flat& v) { return hessian_product(loss_, before_, v); };
    timed("sharpness", 0, [&] { probe.sharpness = largest_eigenvalue(product, size, products); });
    probe.costs.back().backwards = 2 * double(probe.sharpness.products);
    const int64_t probes = std::max<int64_t>(2, products / 2);
    timed("trace", 2 * double(probes), [&] { probe.trace = trace_estimate(product, size, probes); });
    probe.tic = probe.rows.mean_square / probe.trace.value;
    probe.curved = true;
  }

  void take_step() {
    timed("step", 1, [&] {
      const StepReport report = trainer_.step();
      probe.step = report.step, probe.learning_rate = report.learning_rate;
      probe.clip_scale = clip_scale(report.grad_norm, trainer_.config().training.clip_norm);
    });
    step_ = difference(flat_values(trainer_.model().parameters()), before_);
    probe.update = norm(step_), probe.alpha = std::nan("");
  }

  void measure_line() {
    if (probe.update == 0) return;
    timed("alpha", 2, [&] {
      probe.parabola = fit_parabola(end_at(0), end_at(1));
      probe.alpha = probe.parabola.alpha();
    });
    constexpr int kPoints = 13;  // from -0.5 to 2.5
    timed("line", kPoints * kForward, [&] {
      for (int i = 0; i < kPoints; ++i) {
        const double s = -0.5 + 0.25 * i;
        move_to(s);
        probe.line.push_back({s, std::abs(s) * probe.update, loss_.loss()});
      }
    });
    move_to(1);
  }

 private:
  template <class F>
  void timed(const char* measure, double backwards, F f) {
    const auto start = std::chrono::steady_clock::now();
    f();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    probe.costs.push_back({measure, backwards, taken.count()});
  }

  void move_to(double s) {
    Flat at = before_;
    add_scaled(at, s, step_);
    put_values(trainer_.model().parameters(), at);
  }

  LineEnd end_at(double s) {
    move_to(s);
    std::vector<double> losses, slopes;
    for (int64_t n = 0; n < loss_.rows(); ++n) {
      const LossAndGradient row = loss_.row(n);
      losses.push_back(row.loss), slopes.push_back(dot(row.gradient, step_));
    }
    return {mean_interval(losses).mean, mean_interval(slopes).mean, variance_of_mean(losses), variance_of_mean(slopes)};
  }

  Trainer& trainer_;
  BatchLoss loss_;
  Flat before_, step_;
  LossAndGradient batch_;
};

}  // namespace

StepProbe probe_step(Trainer& trainer, const BatchSource& batches, const Flat& start, const StepProbeOptions& options) {
  if (trainer.model().parameters().dtype() != DType::f64) throw Error("[step] the model is float32, expected float64");
  StepProbing probing(trainer, batches);
  probing.probe.from_start = start.empty() ? std::nan("") : norm(difference(flat_values(trainer.model().parameters()), start));
  probing.measure_gradient();
  probing.measure_rows();
  probing.measure_curvature(options.products);
  probing.take_step();
  probing.measure_line();
  return std::move(probing.probe);
}

}  // namespace adder::lab
