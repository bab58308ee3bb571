// What each number of a step says, in one sentence.
#include <cmath>

#include "framework/gradient_lab/magnitude.h"
#include "framework/gradient_lab/step_probe.h"

namespace adder::lab {
namespace {

std::string said_of_alpha(const StepProbe& p) {
  if (p.update == 0) return "The step does not move: its learning rate is " + rounded(p.learning_rate) + ".";
  if (std::isnan(p.alpha)) return "There is no least point ahead on the fitted parabola: it bends down, or the step goes uphill from its start.";
  if (p.alpha > 0.05) return "The step goes beyond the least point of its line: at 1 it would end as high as it began.";
  if (p.alpha < -0.05) return "The step stops short of the least point of its line: -1 would be no step at all.";
  return "The step ends near the least point of its line.";
}

std::string said_of_test(double value, const char* what) {
  return std::string(what) + (value > 1 ? "; above 1 the batch's gradient is more noise than direction." : "; below 1 the batch's gradient is more direction than noise.");
}

void add_sizes(const StepProbe& p, std::vector<StepMeasure>& list) {
  list.push_back({"loss", "loss", p.loss, "1 backward", "Of the step's own batch, before the step, without dropout and z-loss.", ""});
  list.push_back({"gradient", "gradient norm", p.gradient, "", "Before clipping; the optimizer got " + rounded(p.clip_scale) + " times it.", ""});
  list.push_back({"update_ratio", "update / weights", p.update / p.weights, "1 step", "The step's length over that of all weights: about 1e-3 is usual.", ""});
  if (!std::isnan(p.from_start))
    list.push_back({"from_start", "distance from the start", p.from_start, "", "How far all weights together are from where the run began.", "Cockpit"});
}

void add_rows(const StepProbe& p, std::vector<StepMeasure>& list) {
  const RowFigures& r = p.rows;
  const std::string cost = std::to_string(r.rows) + " rows", N = std::to_string(r.rows);
  list.push_back({"norm_test", "norm test", r.norm_test, cost, said_of_test(r.norm_test, "The standard error of the gradient over its norm"), "Byrd et al. 2012"});
  list.push_back({"inner_product_test", "inner product test", r.inner_product_test, cost, said_of_test(r.inner_product_test, "The part of that along the gradient, which makes a step too long or too short"), "Bollapragada et al. 2018"});
  list.push_back({"orthogonality_test", "orthogonality test", r.orthogonality_test, cost, said_of_test(r.orthogonality_test, "The part of that across the gradient, which leads a step astray"), "Bollapragada et al. 2018"});
  list.push_back({"noise_scale", "noise scale, rows", r.noise.square > 0 ? r.noise.scale() : std::nan(""), cost,
                  r.noise.square > 0 ? "A batch of so many rows is half noise; this one has " + N + "."
                                     : "No gradient is told from the noise in " + N + " rows: |G|^2 comes out below 0.",
                  "McCandlish et al. 2018"});
  list.push_back({"cabs", "CABS, rows", r.cabs(p.learning_rate, p.loss), cost, "The batch that plain gradient descent would want at this learning rate; this one has " + N + ".", "Balles et al. 2017"});
  list.push_back({"mean_gsnr", "mean GSNR", r.mean_gsnr, cost, "Squared mean of a coordinate's gradient over its variance, mean of the coordinates: the larger, the more the rows agree.", "Liu et al. 2020"});
  list.push_back({"early_stopping", "early stopping", r.early_stopping, cost, r.early_stopping > 0 ? "Above 0: the gradient is no larger than its own noise, there is nothing left to learn from this batch." : "Below 0: the gradient is more than its own noise.", "Mahsereci et al. 2017"});
}

void add_curvature(const StepProbe& p, std::vector<StepMeasure>& list) {
  if (!p.curved) return;
  const Eigenvalue& e = p.sharpness;
  const std::string products = std::to_string(e.products) + " Hessian products";
  list.push_back({"sharpness", "sharpness", e.value, products,
                  "The largest eigenvalue of the Hessian" + std::string(e.converged ? "" : ", not converged") + " (one lies within " + rounded(e.residual) +
                      "): plain gradient descent would be unstable above a learning rate of " + rounded(2 / e.value) + ".",
                  "power iteration"});
  list.push_back({"hessian_trace", "trace of the Hessian", p.trace.value, std::to_string(p.trace.products) + " Hessian products",
                  "The sum of all eigenvalues, +- " + rounded(p.trace.error) + ": how curved the loss is over all directions.", "Hutchinson 1990"});
  list.push_back({"tic", "TIC", p.tic, "", "Noise over curvature, tr(C) / tr(H): roughly, what the loss on new data will be above this one, times the rows it learnt from.", "Takeuchi 1976; Thomas et al. 2020"});
}

}  // namespace

std::vector<StepMeasure> step_measures(const StepProbe& p) {
  std::vector<StepMeasure> list;
  add_sizes(p, list);
  list.push_back({"alpha", "step length alpha", p.alpha, "twice " + std::to_string(p.rows.rows) + " rows", said_of_alpha(p), "Cockpit"});
  add_rows(p, list);
  add_curvature(p, list);
  return list;
}

}  // namespace adder::lab
