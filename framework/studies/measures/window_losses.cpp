#include "framework/studies/measures/window_losses.h"

#include <algorithm>
#include <numeric>

#include "framework/core/error.h"
#include "framework/data/batches.h"
#include "framework/ops/cross_entropy.h"

namespace adder::studies {
namespace {

constexpr int64_t kPiece = 256;          // tokens that a streamed model reads at once
constexpr int64_t kTokensAtOnce = 4096;  // of all rows

// Rows of one length into `losses`, row by row; piece by piece where the state is bounded.
bool read_rows(const Trained& t, const Batch& batch, std::vector<double>& losses) {
  const int64_t rows = batch.ids.dim(0), length = batch.ids.dim(1), piece = t.model.bounded_state() ? kPiece : length;
  const size_t first = losses.size();
  losses.resize(first + size_t(rows * length));
  State state;
  for (int64_t start = 0; start < length; start += piece) {
    if (t.stop()) return false;
    const int64_t count = std::min(piece, length - start);
    Pass pass;
    const Var logits = t.model.forward(pass, {batch.ids.narrow(1, start, count).clone(), {}}, state);
    const Tensor part = ops::token_losses(logits.value(), batch.labels.narrow(1, start, count).clone());
    for (int64_t r = 0; r < rows; ++r)
      std::copy_n(part.data<double>() + r * count, count, losses.begin() + int64_t(first) + r * length + start);
  }
  return true;
}

}  // namespace

std::optional<std::vector<double>> window_losses(const Trained& t, int64_t length, int64_t windows) {
  const EvaluationWindows batches(t.tokens.slice(0, windows * length + 1), length, length, std::max<int64_t>(1, kTokensAtOnce / length));
  std::vector<double> losses;
  for (int64_t i = 0; i < batches.batches(); ++i)
    if (!read_rows(t, batches.at(i), losses)) return std::nullopt;
  return losses;
}

double mean_of(const std::vector<double>& losses, int64_t first, int64_t count) {
  return std::accumulate(losses.begin() + first, losses.begin() + first + count, 0.0) / double(count);
}

int64_t windows_in(const Trained& t, int64_t length, int64_t most) {
  const int64_t windows = std::min(t.tokens.size() - 1, most) / length;
  if (windows < 1)
    throw UsageError("a stretch of " + std::to_string(length) + " tokens is to be read, but the split has " + std::to_string(t.tokens.size()) +
                     " and at most " + std::to_string(most) + " are asked for");
  return windows;
}

void require_one_text(const Config& arm, const std::string& where, const std::string& measure) {
  if (arm.data.task.given())
    throw UsageError(where + ": the measure " + measure + " needs a text; a task is measured at other lengths by data.task.evaluation_lengths and the measure task");
  if (!arm.data.batches.empty()) throw UsageError(where + ": the measure " + measure + " needs a text, data.train, but the arm has data.batches");
  if (arm.data.documents == "separate")
    throw UsageError(where + ": the measure " + measure + " counts positions from the start of a stretch of text, but data.documents is \"separate\": "
                     "each of them starts anew; set it to \"joined\"");
}

void require_rising(const std::vector<int64_t>& values, const std::string& where) {
  if (values.empty()) throw UsageError(where + ": expected at least one");
  for (size_t i = 1; i < values.size(); ++i)
    if (values[i] <= values[i - 1])
      throw UsageError(where + ": " + std::to_string(values[i]) + " follows " + std::to_string(values[i - 1]) + ", expected rising values");
}

}  // namespace adder::studies
