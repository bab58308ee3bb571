// A probe as files: HDF5 with named axes, and a page to read.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "framework/gradient_lab/probe.h"

namespace adder::lab {

// What was probed, in words.
struct ProbeSubject {
  std::string title;                                       // "lstm: reach of the gradient"
  std::vector<std::pair<std::string, std::string>> facts;  // model, text, …: names and values
  std::string command;                                     // that makes it all again
};

// Lags for a figure or a table: all of the first, then ever further apart; the first is `from`, the last `lags`.
std::vector<int64_t> spread_lags(int64_t from, int64_t lags, double ratio);

// "the gradient vanishes: reach in time, blocks.0"
std::string headline(const std::vector<Finding>& findings);
// "12 tokens [11, 14]; a tenth is left after 20"
std::string shown_memory(const MemoryLength& memory);

// Norms are base-10 logarithms, minus infinity for 0.
//   /stream (place, probe, lag), /state (state, probe, lag): profiles; /place, /state_name, /probe, /lag: their axes
//   /total/adjoint (place, time): of the sum of all losses
//   /long_jacobian/<block>/sigma_max, frobenius (lag): log10; stable_rank (lag)
//   /lyapunov/<block>/exponents, errors (exponent), batches (batch, exponent): nats a token; exponent, batch: their axes
// xarray opens the root, and each block as a group. Written beside, and renamed.
void write_probe_file(const std::string& path, const Probe& probe, const ProbeSubject& subject);
void write_probe_page(const std::string& path, const Probe& probe, const ProbeSubject& subject);

}  // namespace adder::lab
