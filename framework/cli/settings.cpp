#include "framework/cli/settings.h"

#include <CLI/CLI.hpp>

namespace adder {

void declare_settings(CLI::App& app, std::vector<std::string>& settings) {
  app.add_option("--set", settings, "overrides a key of the config; may be given again")
      ->type_name("KEY.PATH=VALUE")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
}

}  // namespace adder
