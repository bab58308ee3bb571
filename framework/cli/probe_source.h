// What `adder probe` looks at: the model of a run, a checkpoint or a config, and stretches of tokens for it to read.
#pragma once
#include <memory>
#include <string>

#include "framework/cli/planned_config.h"

namespace adder {

struct ProbeSourceOptions {
  std::string path;        // a run's folder, a checkpoint, or a config: *.json
  bool best = false;       // of a run
  PlannedOptions planned;  // of a config; its own `config` is not looked at
  bool random = false;     // random tokens in place of the text
  int64_t length = 0, probes = 8;  // length 0: the config's context, at most kMostTokens
};
inline constexpr int64_t kMostTokens = 1024;

struct ProbeSource {
  std::string architecture, model, text;  // the last two for people: "runs/x/… (step 2,000)"
  std::unique_ptr<Model> net;             // float64
  Config config;
  int64_t vocabulary = 0;
  std::string dump;                       // the file, where it is a dump of the guard; the text is then its batch
  Tensor ids, labels;                     // (probes, length); every row's last label is scored
};

// Everything is checked before anything is computed: UsageError for options, an architecture that counts or reads real
// numbers; UnreadableError for files.
ProbeSource open_probe(const ProbeSourceOptions& options, const ModelFactory& factory);

}  // namespace adder
