#include "framework/cli/version.h"

namespace adder {

std::string version() { return ADDER_VERSION; }

std::string commit() {
  const std::string known = ADDER_COMMIT;
  return known.empty() ? "unknown" : known;
}

std::string version_line() {
  return "adder " + version() + " (commit " + commit() + ", " + ADDER_BUILD + ")";
}

}  // namespace adder
