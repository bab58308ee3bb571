// How fast an arm trains.
#pragma once
#include "framework/studies/measures/measure.h"

namespace adder::studies {

// Seconds a token of a training step of random tokens, after one that warms up: the median of as many steps as fit into
// `seconds`, three at least.
double pace(const Subject& subject, double seconds);

}  // namespace adder::studies
