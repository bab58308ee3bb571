// The scaling laws of a study (scaling_fit.h): fitted to its runs, each a point of parameters outside embedding and head,
// tokens of training and loss.
#pragma once
#include "framework/report/page.h"
#include "framework/studies/scaling_fit.h"
#include "framework/studies/study_config.h"
#include "framework/studies/verdict.h"

namespace adder::studies {

struct Arm;
struct StudyPlan;
struct Findings;

// UsageError where a fit names no arm or value that there is, or its arms' sizes can't tell its constants.
void check_fits(const StudyConfig& study, const std::vector<Arm>& arms);

struct FitFinding {
  std::vector<std::string> arms;                 // by point
  std::vector<statistics::ScalingPoint> points;  // runs with a value
  int64_t missing = 0;                           // runs without one
  std::string why;                               // where there is no fit; else empty
  statistics::ScalingFit fit;
  // Of a generated text: what no model can lose less than. NaN: it isn't known.
  double source_loss = 0;   // the source's own loss on the very tokens that were scored
  double entropy_rate = 0;  // in the long run
  bool covers(double truth) const { return fit.floor.low <= truth && truth <= fit.floor.high; }
};

// In the order of the study's fits.
std::vector<FitFinding> fits_of(const StudyPlan& plan, const Findings& findings);
JsonValue fits_json(const StudyPlan& plan, const std::vector<FitFinding>& fits);
void fit_part(report::Page& page, const StudyPlan& plan, const std::vector<FitFinding>& fits, const report::Palette& palette);

}  // namespace adder::studies
