// Which program this is; the build hands the strings in.
#pragma once
#include <string>

namespace adder {

std::string version();       // "0.1.0"
std::string commit();        // "5123472d0c1b", or "unknown" outside a git checkout
std::string version_line();  // "adder 0.1.0 (commit 5123472d0c1b, Release)"

}  // namespace adder
