// What every model keeps, whatever its architecture: one line a promise, with the figure that was measured.
//   full == chunks + steps           to tolerance: random cuts into stretches and single tokens, resets too
//   carried windows == one window    to tolerance: state detached and carried from window to window
//   packed documents stay apart      to the bit: values and gradients; not even a NaN crosses
//   batch row == row alone           to the bit
//   ragged batch == singles          to the bit: stacked states, rows that leave, generate_batch
//   exact resume                     to the bit: optimizer steps, a snapshot on the way, a fresh model restored
//   1 == N threads                   to the bit: loss and gradients; N threads did run
//   SIMD targets agree               to the bit: loss and gradients
//   memory of a step is O(L)         bytes of a training step grow by 2.2 at most where L doubles
//   gradients == differences         float64: each parameter along random directions, through carried state
// Of a config of precision bf16 what is said of float32 holds of float32 with bfloat16 operands; to tolerance means then to
// within a rounding of those.
// The weights are drawn and shaken, so that nothing stands where it starts; the config's sizes are kept. Of a model
// that counts the first five are checked: the others ask for gradients.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "framework/config/model_config.h"

namespace adder {

struct ModelCheck {
  std::string name, measured;  // "exact resume", "6 steps, resumed after 3: same bits"
  bool ok = false;
  double seconds = 0;
};
std::string to_text(const ModelCheck& check);  // one line: name, measured, ok or FAILED, seconds

struct ModelReport {
  std::vector<ModelCheck> checks;
  bool ok() const;
  std::string text() const;  // a line each
};

struct ModelCheckOptions {
  uint64_t seed = 1;
  int64_t length = 40;                 // tokens of a row, at least 8
  int64_t memory_length = 512;         // the longest of three, each half of the next
  std::vector<std::string> only = {};  // checks whose name contains one of these; empty: all
  std::function<void(const ModelCheck&)> on_check = nullptr;  // as soon as each is done
};

std::vector<std::string> model_check_names();

// An Error inside a check is that check's failure. UsageError where `only` names no check. Learned positions
// bound the lengths.
ModelReport check_model(const ModelFactory& factory, const ModelConfig& config, int64_t vocabulary,
                        const ModelCheckOptions& options = {});

}  // namespace adder
