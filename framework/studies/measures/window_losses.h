// The losses of a trained model over long stretches of a text.
#pragma once
#include <optional>
#include <vector>

#include "framework/studies/measures/measure.h"

namespace adder::studies {

// The loss of each token of the text's first `windows` stretches of `length`, nats, in the order of the text. The state is
// reset before each stretch. A model whose state is bounded reads it in pieces, its state going on, so that memory does not
// grow with the length; attention without a window reads it whole. None where `stop` gave up.
std::optional<std::vector<double>> window_losses(const Trained& trained, int64_t length, int64_t windows);

// Of `count` losses from `first` on.
double mean_of(const std::vector<double>& losses, int64_t first, int64_t count);

// How many stretches of `length` fit both the text and `most` tokens. UsageError where none does.
int64_t windows_in(const Trained& trained, int64_t length, int64_t most);

// UsageError where `arm` is of a task, or keeps documents apart: then a position in a stretch is none in a text.
void require_one_text(const Config& arm, const std::string& where, const std::string& measure);

// UsageError unless rising, at least one.
void require_rising(const std::vector<int64_t>& values, const std::string& where);

}  // namespace adder::studies
