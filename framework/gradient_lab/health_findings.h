// What the health of a step says in words: which layer or tensor, what is wrong, with its figure.
#pragma once
#include "framework/gradient_lab/probe.h"
#include "framework/training/metrics.h"

namespace adder::lab {

// Beyond these a step is no longer healthy. They were set on the faults and seeds of tests/gradient_lab/faults.h that are
// marked for it, and scored on the others.
struct HealthBounds {
  double above_chance = 2;         // nats of the loss above that of equal odds
  double spike = 7;                // standard deviations
  double update_most = 1;          // |update| / |weight|, after the first steps
  double update_least = 1e-8;
  double gradient_least = 1e-9;    // a tensor's gradient over the largest one's
  double depth = 1e3;              // between the gradients of first and last layer, either way
  double rms_most = 300, rms_least = 1e-6, growth = 300;
  double dead = 0.6, saturated = 0.6, gate = 0.95;
  double attention_logit = 60, attention_entropy = 0.02;
  double logit = 60;
  double outlier = 0.5;            // one weight's share of the squares of its tensor
  double constant_least = 0.5, constant_most = 1e6;  // tokens: the upper decile, and the lower
  double below_eps = 0.9;          // of every tensor
  double clip_scale = 1e-3;        // where every step is clipped
};

// `health`: what StepHealth told of a step ("health/…"); other names are passed over. `chance`: the loss of equal odds,
// log of the vocabulary; NaN: unknown. Empty where nothing is wrong.
std::vector<Finding> health_findings(int64_t step, double loss, double chance, const Metrics& health,
                                     const HealthBounds& bounds = {});

}  // namespace adder::lab
