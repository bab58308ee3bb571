// --set KEY.PATH=VALUE: the option of every command that takes a config.
#pragma once
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace adder {

void declare_settings(CLI::App& app, std::vector<std::string>& settings);

}  // namespace adder
