// results.h5: every number of a study by arm and seed, with named axes, so that xarray and other readers of netCDF know them.
#pragma once
#include "framework/studies/study_folder.h"

namespace adder::studies {

// A group a study; what is not there is NaN:
//   arm [A], seed [S], round [R], claim [C]     the axes
//   quality.loss, …  [A, S], timed ones [A, R]  each value, attribute "units"
//   eval_loss [A, S, eval_step]                 of each run, on the validation split
//   train_loss [A, S, train_step]               of each run, of the batches that were logged
//   verdict, effect, low, high, p, n [C]        of the claims
// `runs`: the folder of the runs' own. Replaces the file at `path` once the new one is whole.
void write_results_file(const StudySet& set, const std::vector<Findings>& all, const std::string& runs, const std::string& path);

}  // namespace adder::studies
