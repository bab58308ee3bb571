#include "framework/interop/source_names.h"

#include <map>

#include "framework/core/error.h"
#include "framework/interop/hugging_face.h"

namespace adder {

std::function<NamedTensor(const NamedTensor& ours)> source_names(const LoadedModel& loaded) {
  const std::string& path = loaded.path;
  if (loaded.checkpoint.source_json.empty())
    throw UnreadableError(path +
                          ": keeps no names of another program: its weights were not imported from a " +
                          "Hugging Face folder (adder import, initialize.from); ask for --names own");
  std::map<std::string, SourceTensor> layouts;
  for (const SourceTensor& layout : parse_source_json(loaded.checkpoint.source_json))
    layouts[layout.ours] = layout;
  return [layouts, path](const NamedTensor& ours) -> NamedTensor {
    const auto found = layouts.find(ours.name);
    if (found == layouts.end())
      throw UnreadableError(path + ": /meta/source does not name " + ours.name + "; ask for --names own");
    return {found->second.source, to_source(ours.value, found->second)};
  };
}

}  // namespace adder
