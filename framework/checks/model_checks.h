// What the checks of check_model have in common: the model under question, runs of it, comparisons.
#pragma once
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "framework/checks/check_op.h"
#include "framework/config/model_config.h"
#include "framework/core/error.h"

namespace adder::model_checks {

inline constexpr DType kBoth[] = {DType::f32, DType::f64};

struct Setup {
  const ModelFactory& factory;
  const ModelConfig& config;
  int64_t vocabulary;
  uint64_t seed;
  int64_t length, memory_length;

  // Its parameters shaken away from where they start, or with some random text counted.
  std::unique_ptr<Model> model(DType dtype, uint64_t variant = 0) const;
  Tensor ids(const Shape& shape, uint64_t stream) const {
    return index_input(shape, seed * 1000 + stream, int32_t(vocabulary));
  }
};

struct Finding {
  bool ok;
  std::string measured;
};
// Ends a check: what differs, and where.
struct Failure : Error {
  using Error::Error;
};

// Each of them one line of the report; see check_model.h.
Finding chunks_and_steps(const Setup& s);
Finding carried_windows(const Setup& s);
Finding packed_documents(const Setup& s);
Finding batch_rows(const Setup& s);
Finding ragged_batch(const Setup& s);
Finding exact_resume(const Setup& s);
Finding threads_agree(const Setup& s);
Finding targets_agree(const Setup& s);
Finding memory_grows(const Setup& s);
Finding gradients_hold(const Setup& s);

// ---- comparing ------------------------------------------------------------------------------------------

std::string shown(double x);
std::string in(DType dtype);  // "float32: "
// max |a - b| / max |b|; infinite where the shapes differ or a difference is no number
double nmax(const Tensor& a, const Tensor& b);
void require_same(const Tensor& a, const Tensor& b, const std::string& what);  // to the bit, or a Failure

// ---- running --------------------------------------------------------------------------------------------

Tensor piece(const Tensor& t, int64_t first, int64_t length);  // of axis 1, a copy
// The resets of a stretch, undefined where no document starts in it: a single token is then a step.
Tensor starts_in(const Tensor& resets, int64_t first, int64_t length);
// int32 (batch, length): 1 at these places of each row
Tensor resets_of(int64_t batch, int64_t length, const std::vector<std::vector<int64_t>>& starts);
// Two starts a row, other ones in each; none at the first two tokens.
std::vector<std::vector<int64_t>> some_starts(const Setup& s, int64_t batch, int64_t length, uint64_t stream);

// Nothing is recorded; the state goes on.
Tensor logits_of(Model& model, const Tensor& ids, State& state, const Tensor& resets = {});
Tensor logits_of(Model& model, const Tensor& ids, const Tensor& resets = {});
// Loss of one window from a zero state, as in training; gradients are left in the parameters.
double loss_and_gradients(Model& model, const Tokens& tokens, const Tensor& labels);

}  // namespace adder::model_checks
