// adder export: a run or a checkpoint becomes a folder that transformers or torch reads.
#include <CLI/CLI.hpp>

#include "framework/cli/command.h"
#include "framework/cli/open_model.h"
#include "framework/cli/output.h"
#include "framework/core/error.h"
#include "framework/interop/export_model.h"
#include "framework/training/durable_folder.h"

namespace adder {
namespace {

struct ExportCommand {
  ModelSource source;
  std::string folder;
  ExportOptions format;
  bool json = false;
};

int export_command(const ExportCommand& options, const ModelFactory& factory) {
  DurableFolder::check(options.folder);
  const LoadedModel loaded = open_model(options.source, factory);
  const ForeignFolder folder = foreign_folder(loaded, factory, options.format);
  for (const std::string& caution : folder.cautions) warn(caution);
  write_foreign_folder(folder, options.folder);
  const int64_t tensors = int64_t(folder.tensors.size());
  if (options.json) {
    JsonValue result = describe(loaded);
    result.set("folder", options.folder);
    result.set("format", folder.format);
    result.set("dtype", folder.dtype);
    result.set("tensors", tensors);
    result.set("bytes", folder.bytes());
    result.set("tokenizer", folder.tokenizer.empty() ? JsonValue() : JsonValue(folder.tokenizer));
    print_json(result);
  } else {
    print(options.folder + ": " + folder.format + ", " + with_commas(loaded.model->parameters().count()) +
          " parameters in " + with_commas(tensors) + " tensors, " + folder.dtype + ", " +
          (folder.tokenizer.empty() ? "no tokenizer" : "tokenizer " + folder.tokenizer) + ", of " +
          shown_checkpoint(loaded) + "\n");
  }
  return kOk;
}

}  // namespace

Action declare_export(CLI::App& app) {
  auto options = std::make_shared<ExportCommand>();
  declare_source(app, options->source);
  app.add_option("DIR", options->folder, "the folder to write, new or empty")->required()->type_name("PATH");
  app.add_option(
         "--format", options->format.format,
         "mamba, mamba2, gpt2, llama (Hugging Face's) or torch (nn.RNN, nn.LSTM, nn.GRU); default: what fits")
      ->type_name("NAME");
  app.add_option("--dtype", options->format.dtype,
                 "float32, bfloat16 or float64; default: as the weights are")
      ->type_name("NAME");
  app.add_flag("--json", options->json, "the result as one JSON document");
  return [options](const ModelFactory& factory) { return export_command(*options, factory); };
}

}  // namespace adder
