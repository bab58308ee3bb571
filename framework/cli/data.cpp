// adder data: token shards, made and shown.
#include <CLI/CLI.hpp>

#include "framework/cli/command.h"

namespace adder {

Action declare_data_prepare(CLI::App& app);
Action declare_data_show(CLI::App& app);

Action declare_data(CLI::App& app) {
  app.require_subcommand(1);
  app.footer("Example: adder data prepare --help");
  CLI::App* prepare = app.add_subcommand("prepare", "turn text, JSON lines or other shards into token shards");
  CLI::App* show = app.add_subcommand("show", "verify a token shard and show what it holds");
  const Action do_prepare = declare_data_prepare(*prepare), do_show = declare_data_show(*show);
  return [=](const ModelFactory& factory) { return prepare->parsed() ? do_prepare(factory) : do_show(factory); };
}

}  // namespace adder
