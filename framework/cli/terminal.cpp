#include "framework/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace adder {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

Terminal terminal(int descriptor) {
  Terminal t;
  t.interactive = isatty(descriptor) && environment("TERM") != "dumb";
  t.colour = t.interactive && environment("NO_COLOR").empty();
  return t;
}

int terminal_width(int descriptor) {
  winsize size{};
  return ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace adder
