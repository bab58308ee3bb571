// Ctrl-C and SIGTERM as a question that a loop asks between two steps.
#pragma once

namespace adder {

// While it lives, the first SIGINT or SIGTERM is noted; a second ends the process at once (128 + its number).
class Interruption {
 public:
  explicit Interruption(bool announce = false);  // announce: say at once on stderr what the first signal does
  ~Interruption();  // the handlers from before are back
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  bool requested() const;
  int exit_code() const;  // 130 or 143; 0 where none came
};

}  // namespace adder
