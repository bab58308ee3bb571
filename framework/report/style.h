// The style sheet that every page has.
#pragma once
#include <string>

namespace adder::report {

std::string page_css();

}  // namespace adder::report
