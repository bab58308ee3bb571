#include "framework/interop/source_names.h"

#include <map>

#include "framework/core/error.h"
#include "framework/interop/source_tensor.h"

namespace adder {

std::function<std::vector<NamedTensor>(const NamedTensor& ours)> source_names(const LoadedModel& loaded) {
  const std::string& path = loaded.path;
  if (loaded.checkpoint.source_json.empty())
    throw UnreadableError(path +
                          ": keeps no names of another program: its weights were not imported from a " +
                          "folder of one (adder import, initialize.from); ask for --names own");
  std::map<std::string, SourceTensor> layouts;
  for (const SourceTensor& layout : parse_source_json(loaded.checkpoint.source_json))
    layouts[layout.ours] = layout;
  return [layouts, path](const NamedTensor& ours) {
    const auto found = layouts.find(ours.name);
    if (found == layouts.end())
      throw UnreadableError(path + ": /meta/source does not name " + ours.name + "; ask for --names own");
    std::vector<NamedTensor> theirs;
    for (const Tensor& value : to_source(ours.value, found->second))
      theirs.push_back({found->second.parts[theirs.size()].name, value});
    return theirs;
  };
}

}  // namespace adder
