// The coordinate check of muP (Yang et al., "Tensor Programs V", 2021, figure 5): is a typical number of an activation as large in
// a wide model as in a narrow one, at the start and while the first steps are taken? Models of several widths train on one batch;
// a line is fitted to log(size) over log(width). Slope 0: rates that work at one width work at another.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "framework/config/config.h"
#include "framework/data/batches.h"

namespace adder::lab {

struct CoordinateOptions {
  std::vector<int64_t> widths = {64, 128, 256, 512, 1024};  // of d_model, rising
  int64_t seeds = 3, steps = 4;                       // models of each width, from the config's seed on; steps of each
};

inline constexpr double kSlopeBound = 0.1;

// One activation ("layers.0", "logits") after one number of steps: the mean of its absolute values, or of those of its change since
// the start.
struct CoordinateFit {
  std::string place;
  bool change = false;
  int64_t step = 0;
  std::vector<std::vector<double>> sizes;  // by width, by seed
  double slope, low, high;                 // of log size over log width by least squares, with its 95 % t interval
  bool judged = false;                     // counts for the verdict
  bool within() const { return slope >= -kSlopeBound && slope <= kSlopeBound; }  // not of a NaN
  double mean(size_t width) const;         // over the seeds
};

struct Coordinates {
  CoordinateOptions options;
  std::vector<CoordinateFit> fits;  // by place, size before change, by step
  bool passed() const;              // every judged one is within the bound
  const CoordinateFit& worst() const;  // the judged one whose slope is farthest from 0
};

// Judged are the sizes of each block's output at every step, and the change of the logits since the start at every step but the
// first: under muP the logits of an untrained model vanish as 1/sqrt(width), and must not stay so. The rate is the config's
// from the first step, without warmup or decay. UsageError of the model for a width that does not fit it; DivergedError.
Coordinates check_coordinates(const Config& config, const ModelFactory& factory, int64_t vocabulary, const Batch& batch,
                              const CoordinateOptions& options);

// "layers.1 after 3 steps grows as width^0.41 [0.33, 0.49]"
std::string shown(const CoordinateFit& fit);
std::string headline(const Coordinates& coordinates);
void write_coordinate_page(const std::string& path, const Coordinates& coordinates,
                           const std::vector<std::pair<std::string, std::string>>& facts, const std::string& command);

}  // namespace adder::lab
