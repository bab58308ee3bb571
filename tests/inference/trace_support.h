// Checkpoints and batch files to trace.
#pragma once
#include <string>

#include "framework/inference/trace.h"
#include "tests/data/files.h"
#include "tests/models/model_support.h"

namespace adder {

// A checkpoint in `folder` with these weights; `config`: {"model": {…}}.
inline std::string write_model(const std::string& folder, const std::string& config,
                               std::vector<NamedTensor> tensors, const std::string& source_json = "") {
  Checkpoint checkpoint;
  checkpoint.model = std::move(tensors);
  checkpoint.config_json = config;
  checkpoint.source_json = source_json;
  const std::string path = folder + "/model.h5";
  write_checkpoint(path, checkpoint);
  return path;
}

inline std::string write_batch(const std::string& path, const std::vector<NamedTensor>& datasets) {
  Hdf5File file = Hdf5File::create(path);
  for (const NamedTensor& d : datasets) file.write(d.name, d.value);
  file.close();
  return path;
}

inline std::vector<std::string> names_in(const Hdf5File& file) {
  std::vector<std::string> names;
  for (const Hdf5Dataset& d : file.datasets()) names.push_back(d.path.substr(1));
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace adder
