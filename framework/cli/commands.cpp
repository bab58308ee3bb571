#include "framework/cli/command.h"

namespace adder {

Action declare_train(CLI::App& app);
Action declare_eval(CLI::App& app);
Action declare_generate(CLI::App& app);
Action declare_plan(CLI::App& app);
Action declare_bench(CLI::App& app);
Action declare_doctor(CLI::App& app);
Action declare_check(CLI::App& app);
Action declare_study(CLI::App& app);
Action declare_report(CLI::App& app);
Action declare_probe(CLI::App& app);
Action declare_inspect(CLI::App& app);
Action declare_trace(CLI::App& app);
Action declare_import(CLI::App& app);
Action declare_export(CLI::App& app);
Action declare_data(CLI::App& app);
Action declare_schema(CLI::App& app);

const std::vector<Command>& commands() {
  static const std::vector<Command> table = {
      {"train", "train a model as a config says; Ctrl-C saves, --resume goes on", declare_train},
      {"eval", "loss, perplexity and bits per byte of a model on a text; or how well it solves its task", declare_eval},
      {"generate", "continue a prompt; streams while it decodes", declare_generate},
      {"plan", "parameters, FLOPs, memory and time of a run before it runs", declare_plan},
      {"bench", "each kernel's and model's speed beside what this machine can do", declare_bench},
      {"doctor", "what was built, what this machine has, and what is missing", declare_doctor},
      {"check", "measure what every model keeps: parallel == recurrent, gradients, same bits", declare_check},
      {"study", "compare architectures: matched, seeded, timed, with intervals and a verdict a claim", declare_study},
      {"report", "the page of a study, or of one run, from what its folder holds", declare_report},
      {"probe", "how far back gradients reach, where they vanish or explode, in words", declare_probe},
      {"inspect", "verify a checkpoint and show its tensors, config and origin", declare_inspect},
      {"trace", "everything that a model computes on one batch, as HDF5", declare_trace},
      {"import", "turn a Hugging Face folder into a checkpoint", declare_import},
      {"export", "turn a model into a Hugging Face folder, or torch's names", declare_export},
      {"data", "prepare: text into token shards; show: what one holds", declare_data},
      {"schema", "JSON Schema of configs, for editors; or the key reference", declare_schema},
  };
  return table;
}

}  // namespace adder
