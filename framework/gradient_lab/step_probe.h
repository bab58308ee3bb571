// The next step of a run, taken apart: what its rows, the curvature beneath it and the line along it say of batch, learning rate
// and loss. Everything in float64, at its price: each measure says how many backward passes over the batch it costs.
#pragma once
#include "framework/gradient_lab/curvature.h"
#include "framework/gradient_lab/row_gradients.h"
#include "framework/gradient_lab/step_line.h"
#include "framework/nn/histogram.h"
#include "framework/training/trainer.h"

namespace adder::lab {

struct StepProbeOptions {
  int64_t products = 20;  // of the Hessian with a vector: at most so many for the eigenvalue, half as many for the trace; 0: none
};

struct LinePoint {
  double position, distance, loss;  // s along the step, |s d|, and the loss there
};

struct StepProbe {
  int64_t step = 0;                 // from 1: the one that was taken
  double loss = 0, learning_rate = 0, clip_scale = 1;
  double gradient = 0;              // |G| before clipping
  double weights = 0, update = 0;   // |theta|, |d|
  double from_start = 0;            // |theta - theta_0|; NaN: the beginning is not known
  RowFigures rows;
  bool curved = false;              // the next three were measured
  Eigenvalue sharpness;
  TraceEstimate trace;
  double tic = 0;                   // tr(C) / tr(H), C the mean of g_n g_n'
  Parabola parabola;
  double alpha = 0;                 // NaN: no least point ahead, or the step does not move
  std::vector<LinePoint> line;      // empty where the step does not move
  Histogram gradients, parameters;  // of all tensors together
  struct Cost {
    std::string measure;
    double backwards;               // forward and backward passes over the step's rows that it takes
    double seconds;                 // that it took
  };
  std::vector<Cost> costs;          // the first is one backward pass itself
};

// Takes the trainer's next step, which `batches` reads; so the trainer is used up. `start`: its parameters at the run's
// beginning, or empty. An Error for a model that is not float64, and for fewer than two rows with a scored token;
// DivergedError where a number is not finite.
StepProbe probe_step(Trainer& trainer, const BatchSource& batches, const Flat& start, const StepProbeOptions& options = {});

// A number of the above for people: what it is called, what it says in one plain sentence, whose it is.
struct StepMeasure {
  std::string key, name;
  double value;
  std::string cost;  // "8 rows", "20 Hessian products"
  std::string meaning, source;
};
std::vector<StepMeasure> step_measures(const StepProbe& probe);

struct ProbeSubject;
void write_step_page(const std::string& path, const StepProbe& probe, const ProbeSubject& subject);

}  // namespace adder::lab
