// The curse of memory as a figure and a table: how strongly the last output feels the parameter, against the memory 1 / (1 - lambda).
#pragma once
#include <string>
#include <vector>

#include "framework/gradient_lab/curse_of_memory.h"
#include "framework/report/figure.h"

namespace adder::lab {

struct CursePoint {
  double lambda;
  std::vector<Sensitivity> measured;  // by parametrisation, in the order of kParametrisations
  std::vector<double> formula;
};
// Values of lambda whose memory doubles, from 2 to 512 steps; x of autocorrelation rho^D.
std::vector<CursePoint> measure_curse(double rho, int64_t samples, uint64_t seed);

report::Palette curse_palette();
report::Figure curse_figure(const std::vector<CursePoint>& points, double rho);  // lines: the formula; markers: measured
report::Table curse_table(const std::vector<CursePoint>& points);                // root mean squares, and measured over formula
// The largest |measured / formula - 1|.
double worst_miss(const std::vector<CursePoint>& points);
void write_curse_page(const std::string& path, const std::vector<CursePoint>& points, double rho, const std::string& command);

}  // namespace adder::lab
