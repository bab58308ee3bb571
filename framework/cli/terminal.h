// What the terminal behind a file descriptor can show.
#pragma once

namespace adder {

struct Terminal {
  bool interactive = false;  // lines may be redrawn: a terminal, and TERM is not "dumb"
  bool colour = false;       // interactive, and NO_COLOR is not set (or empty)
};

Terminal terminal(int descriptor);
int terminal_width(int descriptor);  // columns; 80 where it isn't known

}  // namespace adder
