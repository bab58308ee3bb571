// adder trace: one batch in, everything that the model computes on it out, for h5py to compare.
#include "framework/inference/trace.h"

#include <CLI/CLI.hpp>

#include "framework/cli/command.h"
#include "framework/cli/compute_options.h"
#include "framework/cli/open_model.h"
#include "framework/cli/output.h"
#include "framework/core/error.h"
#include "framework/interop/source_names.h"

namespace adder {
namespace {

struct TraceOptions {
  ModelSource source;
  std::string input, out, names = "own", precision;
  bool json = false;
  ComputeOptions compute;
};

JsonValue to_json(const LoadedModel& loaded, const TraceOptions& options) {
  const Hdf5File file = Hdf5File::open(options.out);
  JsonValue result = describe(loaded), list = JsonValue::array();
  result.set("trace", options.out);
  result.set("loss", file.read_double("loss"));
  for (const Hdf5Dataset& dataset : file.datasets()) {
    JsonValue entry = JsonValue::object(), shape = JsonValue::array();
    for (const int64_t n : dataset.shape) shape.push(JsonValue(n));
    entry.set("path", dataset.path);
    entry.set("shape", std::move(shape));
    entry.set("dtype", dataset.dtype);
    list.push(std::move(entry));
  }
  result.set("datasets", std::move(list));
  return result;
}

int trace_command(const TraceOptions& options, const ModelFactory& factory) {
  options.compute.apply();
  if (options.names != "own" && options.names != "source")
    throw UsageError("--names is \"" + options.names + "\", expected own or source");
  LoadedModel loaded = options.precision.empty()
                           ? open_model(options.source, factory)
                           : open_model(options.source, factory, precision_named(options.precision));
  trace(loaded, options.input, options.out, options.names == "source" ? source_names(loaded) : nullptr);
  if (options.json) {
    print_json(to_json(loaded, options));
    return kOk;
  }
  const Hdf5File file = Hdf5File::open(options.out);
  print(options.out + ": " + std::to_string(file.datasets().size()) + " datasets, loss " +
        significant(file.read_double("loss"), 9) + " nats a token\n");
  return kOk;
}

}  // namespace

Action declare_trace(CLI::App& app) {
  auto options = std::make_shared<TraceOptions>();
  declare_source(app, options->source);
  app.add_option("--input", options->input,
                 "HDF5 with input_ids and labels (labels shifted, -100 not scored)")
      ->required()
      ->type_name("FILE");
  app.add_option("--out", options->out, "the HDF5 file to write")->required()->type_name("FILE");
  app.add_option("--names", options->names, "own, or source: names and shapes of the imported folder")
      ->type_name("KIND")
      ->capture_default_str();
  app.add_option("--precision", options->precision, "float32 or float64, of weights and products alike; default: the checkpoint's")
      ->type_name("NAME");
  app.add_flag("--json", options->json, "the list of datasets as one JSON document");
  declare_compute(app, options->compute);
  return [options](const ModelFactory& factory) { return trace_command(*options, factory); };
}

}  // namespace adder
