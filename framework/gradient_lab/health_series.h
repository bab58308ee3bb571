// The health of a run's steps, as its metrics.jsonl holds it: read back for a file, a page, and words. metrics.jsonl is the
// one that counts: it is cut at a resume, and a crash costs at most its last line; all of this is made from it anew.
#pragma once
#include <string>
#include <vector>

#include "framework/gradient_lab/gradient_noise.h"
#include "framework/gradient_lab/probe.h"
#include "framework/report/figure.h"
#include "framework/training/metrics.h"

namespace adder::lab {

struct HealthSeries {
  template <class T>
  using Named = std::vector<std::pair<std::string, std::vector<T>>>;  // by step; names in the order of their first line

  std::vector<int64_t> steps;     // those that were looked into
  Named<double> values;           // "train/loss", "grad_norm", "learning_rate", "health/rms/blocks.0", …; NaN where a step has none
  Named<Histogram> histograms;    // "gradient/blocks.0.mixer"; empty where a step has none

  const std::vector<double>* find(const std::string& name) const;
  // tr(Sigma) over |G|^2, both means over the last `most` of the steps that tell them; NaN where none does, or |G|^2 is below 0.
  double noise_scale(size_t most = 20) const;
};

// Lines without health are passed over, and a last one that is only half written. UnreadableError for any other that is no
// JSON object, and where no step was looked into: it names the file, the line and logging.health.
HealthSeries read_health(const std::string& metrics_path);

// What health_findings() says of the steps, once each: the step that it was first said of, and how many said it.
struct SeriesFinding {
  Finding finding;
  int64_t first = 0, steps = 0;
};
std::vector<SeriesFinding> series_findings(const HealthSeries& series);

// HDF5 that xarray opens. /step is an axis of all:
//   /train_loss, global_norm, step_seconds, learning_rate, clip_scale, spike, noise_scale, … (step)
//   /grad_norm, update, outlier, below_eps (step, tensor); /closed, open (step, gate); /rms, kurtosis, … (step, part);
//   /time_step, time_constant (step, decile), their axis being "<part>.low", …; /seconds (step, measure)
//   /histogram_gradient, … (step, histogram_gradient_of, bin), int32 counts; /bin: the least |x| of each
// NaN where a step has no value. Written beside, and renamed.
void write_health_file(const std::string& path, const HealthSeries& series);

// Heat maps of the histograms (bins by steps), of a few parts of each kind, evenly spread over the model.
std::vector<report::Figure> histogram_figures(const HealthSeries& series);
// A page of its own: findings, loss and gradient, the histograms.
void write_health_page(const std::string& path, const HealthSeries& series, const std::string& run, const std::string& command);

}  // namespace adder::lab
