#include "framework/config/task_config.h"

#include <algorithm>

namespace adder {

void TaskOptions::length_fields(Fields& f, const char* what_length_counts) {
  f("length", length, what_length_counts, count_range(1));
  f("min_length", min_length,
    "shortest training example: lengths are uniform from here to length, the rows filled up with positions that "
    "are not scored; 0: all have one length",
    count_range(0));
}

void TaskConfig::fields(Fields& f) {
  f("name", name, "the task, which brings keys of its own; none: text");
  // Visitors that only look share this list with the reader; the object itself was made non-const.
  if (options) const_cast<TaskOptions&>(*options).fields(f);
  f("examples", examples, "size of a fixed training set, read over and over in one order; 0: fresh examples at every step",
    count_range(0));
  f("evaluation_lengths", evaluation_lengths,
    "lengths to evaluate beside the training length, at the end of the run and by adder eval", count_range(1));
  f("evaluation_examples", evaluation_examples, "held-out examples a length", count_range(1));
  f("threshold", threshold, "the task counts as solved from here on, in the task's own metric; 0: the task's own",
    at_least(0));
  f("threshold_length", threshold_length, "at this length, evaluated every time; 0: length", count_range(0));
}

std::vector<int64_t> TaskConfig::lengths() const {
  std::vector<int64_t> all = evaluation_lengths;
  all.insert(all.end(), {options->length, goal_length()});
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

}  // namespace adder
