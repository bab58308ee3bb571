// The command line. A command is one file that says what it takes and does, and its line in commands.cpp.
//
//   Action declare_schema(CLI::App& app) {
//     auto markdown = std::make_shared<bool>(false);
//     app.add_flag("--markdown", *markdown, "the key reference instead");
//     return [markdown](const ModelFactory& factory) { …; return kOk; };
//   }
#pragma once
#include <functional>
#include <vector>

#include "framework/config/model_config.h"

namespace CLI {
class App;
}

namespace adder {

// What a command does once its options are parsed: the exit code, or an Error.
using Action = std::function<int(const ModelFactory& factory)>;

struct Command {
  const char* name;
  const char* summary;               // one line of `adder --help`
  Action (*declare)(CLI::App& app);  // adds the command's options to app
};

const std::vector<Command>& commands();

// The whole program: parses, runs, tells on stderr what went wrong; the exit code is one of core/error.h.
int run(int argc, char** argv, const ModelFactory& factory);

}  // namespace adder
