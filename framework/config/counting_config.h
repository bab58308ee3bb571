// What the config of a model that counts (nn/counting_model.h) settles by itself.
#pragma once
#include "framework/config/config.h"

namespace adder {

// It reads the text once: that is its one step. Its context is no window, so an evaluation goes on through the whole
// text unless evaluation.state says otherwise. UsageError for keys that then have no effect, and for data.batches, where
// the config is to train from. Other models stay as they are.
void settle_counting(Config& config, Use use);

}  // namespace adder
