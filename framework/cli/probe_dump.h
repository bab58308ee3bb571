// What happened at a step that the guard stopped: the dump's step is made again, and looked into.
#pragma once
#include "framework/config/json.h"
#include "framework/gradient_lab/probe.h"
#include "framework/training/model_file.h"

namespace adder {

struct DumpStory {
  std::string reason;                  // as the run told it
  std::vector<lab::Finding> findings;  // of the step made again: the first op that isn't finite, layers, tensors
};

bool is_dump(const std::string& path);
// "\n  exploding  blocks.0: …", a line a finding.
std::string said(const DumpStory& story);
JsonValue to_json(const DumpStory& story);

// UnreadableError where the file holds no batch: it is no dump.
DumpStory explain_dump(const std::string& path, const ModelFactory& factory);

// The rows that the step read, the passes of one step one after another: "ids", "labels", "resets", …
Tensor dumped(const Checkpoint& checkpoint, const std::string& name);

}  // namespace adder
