// From argc and argv to an exit code: one place where every error becomes a line on stderr.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <iostream>
#include <new>

#include "framework/cli/command.h"
#include "framework/cli/compute_options.h"
#include "framework/cli/output.h"
#include "framework/cli/version.h"
#include "framework/config/fields.h"
#include "framework/core/error.h"

namespace adder {
namespace {

// The first word is a command, or asks for help or version; else say what it could have been.
void check_first_word(int argc, char** argv) {
  const std::string word = argc > 1 ? argv[1] : "";
  if (argc < 2 || word == "-h" || word == "--help" || word == "--version") return;
  if (word[0] == '-')
    throw UsageError("there is no option " + word + "; a command comes first, see `adder --help`");
  std::vector<std::string> names;
  for (const Command& command : commands()) names.push_back(command.name);
  if (std::find(names.begin(), names.end(), word) != names.end()) return;
  const std::string near = nearest(word, names);
  throw UsageError("there is no command \"" + word + "\"" +
                   (near.empty() ? "" : "; did you mean \"" + near + "\"?") + "; `adder --help` lists them");
}

// " (did you mean --tokens?)" for the first word that looks like an option and is none.
std::string suggestion(const CLI::App& command) {
  std::vector<std::string> known;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  for (const std::string& word : command.remaining()) {
    if (!word.starts_with("--")) continue;
    const std::string near = nearest(word.substr(0, word.find('=')), known);
    return near.empty() ? "" : "; did you mean " + near + "?";
  }
  return "";
}

std::string usage_text(const CLI::ParseError& problem, const CLI::App& app) {
  const CLI::App* chosen = &app;  // the innermost: prepare, in adder data prepare
  std::string name = "adder";
  while (!chosen->get_subcommands().empty()) chosen = chosen->get_subcommands()[0], name += " " + chosen->get_name();
  const bool surplus = dynamic_cast<const CLI::ExtrasError*>(&problem);
  return std::string(problem.what()) + (surplus && chosen != &app ? suggestion(*chosen) : "") +
         "; see `" + name + " --help`";
}

int parse_and_run(int argc, char** argv, const ModelFactory& factory) {
  check_first_word(argc, argv);
  CLI::App app("Adder trains small language models from a config file, and shows how they learn.", "adder");
  app.set_version_flag("--version", version_line(), "print version, commit and build");
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 ok, 1 failure, 2 usage or config, 3 unreadable data or checkpoint, 4 diverged,\n"
      "5 a check failed, 130 and 143 interrupted after saving.\n"
      "Example: adder train configs/mamba_tiny.json");
  std::vector<std::pair<CLI::App*, Action>> actions;
  for (const Command& command : commands()) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    actions.emplace_back(sub, command.declare(*sub));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help, --version
    app.exit(wanted);
    std::cout.flush();
    return kOk;
  } catch (const CLI::ParseError& problem) {
    throw UsageError(usage_text(problem, app));
  }
  if (!app.got_subcommand("doctor")) check_simd();  // the doctor tells it itself
  for (const auto& [sub, action] : actions)
    if (sub->parsed()) {
      const int code = action(factory);
      flush_output();
      return code;
    }
  return kFailure;
}

}  // namespace

int run(int argc, char** argv, const ModelFactory& factory) {
  std::signal(SIGXFSZ, SIG_IGN);  // a write beyond the file-size limit then fails with an error that can be told
  try {
    return parse_and_run(argc, argv, factory);
  } catch (const Error& problem) {
    report_error(problem.what());
    return problem.exit_code();
  } catch (const std::bad_alloc&) {
    report_error("out of memory; a smaller training.batch_size, training.context_length or model needs less");
  } catch (const std::length_error&) {
    report_error("out of memory: a size is larger than this machine can address");
  } catch (const std::exception& problem) {
    report_error(problem.what());
  }
  return kFailure;
}

}  // namespace adder
