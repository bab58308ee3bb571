// The report of one run of training, from what its folder holds: how it ended on the first screen, then its curves, and
// the config behind them.
#pragma once
#include "framework/report/page.h"

namespace adder::report {

// UnreadableError where config.json or metrics.jsonl is missing or damaged.
Page run_page(const std::string& folder);

}  // namespace adder::report
