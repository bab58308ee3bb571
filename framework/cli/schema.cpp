// adder schema: what a config may say, for an editor or for a reader.
#include <CLI/CLI.hpp>

#include "framework/cli/command.h"
#include "framework/cli/output.h"
#include "framework/config/config.h"
#include "framework/core/error.h"
#include "framework/studies/study_config.h"

namespace adder {

Action declare_schema(CLI::App& app) {
  auto markdown = std::make_shared<bool>(false);
  auto study = std::make_shared<bool>(false);
  app.add_flag("--study", *study, "of study files (adder study) instead");
  app.add_flag("--markdown", *markdown, "the key reference as Markdown tables instead");
  return [markdown, study](const ModelFactory& factory) {
    if (*study) return print(studies::study_schema()), int(kOk);
    print(*markdown ? markdown_reference(factory) : json_schema(factory));
    return int(kOk);
  };
}

}  // namespace adder
