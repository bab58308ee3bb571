// What a forward pass keeps: cuts in time, documents in a row, rows in a batch.
#include <algorithm>

#include "framework/checks/model_checks.h"
#include "framework/core/random.h"
#include "framework/data/batches.h"
#include "framework/inference/generate.h"

namespace adder::model_checks {
namespace {

constexpr double kFloat32Limit = 2e-5, kFloat64Limit = 1e-10;  // max |error| / max |logit|
// Where products round their operands to bfloat16: a last bit of a scan that was cut in time may round to the other
// neighbour, 2^-8 away.
constexpr double kBf16Limit = 1e-2;

// The worst error in each number type against its limit.
class Tolerance {
 public:
  explicit Tolerance(bool bf16) : bf16_(bf16), float32_limit_(bf16 ? kBf16Limit : kFloat32Limit) {}
  void add(DType dtype, double error) { worst(dtype) = std::max(worst(dtype), error); }
  Finding finding() const {
    return {float32_ <= float32_limit_ && float64_ <= kFloat64Limit,
            (bf16_ ? "bf16 " : "float32 ") + shown(float32_) + " (limit " + shown(float32_limit_) + "), float64 " +
                shown(float64_) + " (limit " + shown(kFloat64Limit) + ")"};
  }

 private:
  double& worst(DType dtype) { return dtype == DType::f32 ? float32_ : float64_; }
  bool bf16_;
  double float32_limit_, float32_ = 0, float64_ = 0;
};

}  // namespace

// ---- parallel == recurrent ------------------------------------------------------------------------------

namespace {

// Lengths that add up to `length`: all single tokens, a stretch and single tokens, then at random.
std::vector<int64_t> random_cut(const Setup& s, int64_t length, uint64_t number) {
  const Random random(s.seed, "check cuts", number);
  std::vector<int64_t> cut;
  for (int64_t t = 0; t < length; t += cut.back()) {
    const int64_t rest = length - t;
    int64_t n = 1;
    if (number == 1 && t == 0) n = length / 2;
    if (number > 1 && random.uniform(uint64_t(2 * t)) < 0.6)
      n = 1 + int64_t(random.below(uint64_t(2 * t + 1), uint64_t(length / 2)));
    cut.push_back(std::min(n, rest));
  }
  return cut;
}

}  // namespace

Finding chunks_and_steps(const Setup& s) {
  constexpr uint64_t kCuts = 6;
  const int64_t batch = 2, length = s.length;
  Tolerance worst(s.config.bf16);
  for (const DType dtype : kBoth) {
    const auto model = s.model(dtype);
    const Tensor ids = s.ids({batch, length}, 1);
    for (const bool packed : {false, true}) {
      const Tensor resets = packed ? resets_of(batch, length, some_starts(s, batch, length, 1)) : Tensor();
      const Tensor want = logits_of(*model, ids, resets), got = Tensor::like(want);
      for (uint64_t number = 0; number < kCuts; ++number) {
        State state;
        int64_t t = 0;
        for (const int64_t n : random_cut(s, length, number)) {
          got.narrow(1, t, n).copy_from(logits_of(*model, piece(ids, t, n), state, starts_in(resets, t, n)));
          t += n;
        }
        worst.add(dtype, nmax(got, want));
      }
    }
  }
  return worst.finding();
}

Finding carried_windows(const Setup& s) {
  constexpr int64_t kWindows = 4, kBatch = 3;
  const int64_t window = s.length / kWindows, length = kWindows * window;
  Tolerance worst(s.config.bf16);
  for (const DType dtype : kBoth) {
    const auto model = s.model(dtype);
    const Tensor ids = s.ids({kBatch, length}, 2), want = logits_of(*model, ids), got = Tensor::like(want);
    State state;
    for (int64_t t = 0; t < length; t += window) {
      Tape tape;
      Pass pass{.tape = &tape};
      got.narrow(1, t, window).copy_from(model->forward(pass, {piece(ids, t, window), {}}, state).value());
      state = state.detach();
    }
    worst.add(dtype, nmax(got, want));
  }
  return worst.finding();
}

// ---- documents ------------------------------------------------------------------------------------------

namespace {

void another_token(const Tensor& ids, int64_t row, int64_t position, int64_t vocabulary) {
  int32_t& id = ids.data<int32_t>()[row * ids.stride(0) + position];
  id = int32_t((id + 1) % vocabulary);
}

// The last token of each document becomes another: what stands in later documents stays. The first document
// is what it is alone.
void documents_apart(const Setup& s, Model& model, DType dtype) {
  const int64_t batch = 2, length = s.length;
  const auto starts = some_starts(s, batch, length, 3);
  const Tensor ids = s.ids({batch, length}, 3), resets = resets_of(batch, length, starts);
  const Tensor logits = logits_of(model, ids, resets);
  for (int64_t b = 0; b < batch; ++b) {
    const Tensor row = logits.narrow(0, b, 1);
    for (const int64_t start : starts[size_t(b)]) {
      const Tensor other = ids.clone();
      another_token(other, b, start - 1, s.vocabulary);
      const Tensor changed = logits_of(model, other, resets).narrow(0, b, 1);
      require_same(piece(changed, start, length - start), piece(row, start, length - start),
                   in(dtype) + "logits of a document after another token in the one before");
    }
    const int64_t first = starts[size_t(b)][0];
    const Tensor alone = logits_of(model, piece(ids.narrow(0, b, 1), 0, first));
    require_same(alone, piece(row, 0, first), in(dtype) + "logits of the first document and of it alone");
  }
}

// Gradients of the last document's loss, with other tokens in the documents before.
void gradients_apart(const Setup& s, Model& model, DType dtype) {
  const int64_t length = s.length, start = length / 2;
  const Tensor ids = s.ids({1, length}, 4), labels = s.ids({1, length}, 5), other = ids.clone();
  const Tensor resets = resets_of(1, length, {{start}});
  for (int64_t t = 0; t < start; ++t) {
    labels.data<int32_t>()[t] = kIgnoreLabel;
    another_token(other, 0, t, s.vocabulary);
  }
  const ParameterList& list = model.parameters();
  const double loss = loss_and_gradients(model, {ids, resets}, labels);
  std::vector<Tensor> gradients;
  for (size_t i = 0; i < list.size(); ++i)
    gradients.push_back(list[i].grad.defined() ? list[i].grad.clone() : Tensor());
  if (loss_and_gradients(model, {other, resets}, labels) != loss)
    throw Failure(in(dtype) + "the loss of a document knows the one before");
  for (size_t i = 0; i < list.size(); ++i)  // as numbers: -0 is 0
    if (gradients[i].defined() && list[i].grad.defined() && nmax(list[i].grad, gradients[i]) != 0)
      throw Failure(in(dtype) + "the gradient of " + list[i].name + " from a document knows the one before");
  model.parameters().clear_gradients();
}

// Logits without those of the last id.
Tensor but_the_last_id(const Tensor& logits) { return logits.narrow(-1, 0, logits.dim(-1) - 1); }

// A token of the first document has an embedding that is no number.
void no_nan_crosses(const Setup& s, Model& model, DType dtype) {
  const Parameter* table = model.parameters().find("embedding.weight");
  if (!table || table->value.rank() != 2 || table->value.dim(0) != s.vocabulary) return;
  const int64_t length = s.length, start = length / 2, rest = length - start;
  const Tensor ids = index_input({1, length}, s.seed + 6, int32_t(s.vocabulary - 1)), bad = ids.clone();
  bad.data<int32_t>()[start - 1] = int32_t(s.vocabulary - 1);
  const Tensor keep = table->value.clone();
  table->value.narrow(0, s.vocabulary - 1, 1).fill(NAN);
  const Tensor resets = resets_of(1, length, {{start}}), at_once = resets_of(1, rest, {{0}});
  const auto tail = [&](const Tensor& text) {
    return but_the_last_id(piece(logits_of(model, text, resets), start, rest));
  };
  const auto carried_tail = [&](const Tensor& text) {
    State state;
    logits_of(model, piece(text, 0, start), state);
    return but_the_last_id(logits_of(model, piece(text, start, rest), state, at_once));
  };
  const Tensor full = tail(bad), full_clean = tail(ids);
  const Tensor carried = carried_tail(bad), carried_clean = carried_tail(ids);
  table->value.copy_from(keep);
  require_same(full, full_clean, in(dtype) + "logits of a document after a NaN in the one before");
  require_same(carried, carried_clean,
               in(dtype) + "logits of a document that starts after a state with a NaN");
}

}  // namespace

Finding packed_documents(const Setup& s) {
  for (const DType dtype : kBoth) {
    const auto model = s.model(dtype);
    documents_apart(s, *model, dtype);
    if (!model->differentiable()) continue;
    gradients_apart(s, *model, dtype);
    no_nan_crosses(s, *model, dtype);
  }
  return {true, s.config.counts ? "logits: same bits" : "logits, gradients, NaN: same bits"};
}

// ---- batches --------------------------------------------------------------------------------------------

namespace {

std::vector<std::vector<int32_t>> ragged_prompts(const Setup& s) {
  std::vector<std::vector<int32_t>> prompts;
  for (const int64_t length : {int64_t{3}, s.length / 2, int64_t{1}, s.length / 3, s.length / 2 - 1}) {
    const Tensor ids = s.ids({length}, 20 + prompts.size());
    prompts.emplace_back(ids.data<int32_t>(), ids.data<int32_t>() + length);
  }
  return prompts;
}

int64_t steps_of(const Setup& s) { return std::min<int64_t>(6, s.length / 2); }

// Prompts read singly; steps in one batch, some of whose rows leave on the way.
void ragged_steps(const Setup& s, Model& model, DType dtype) {
  const int64_t steps = steps_of(s);
  const auto prompts = ragged_prompts(s);
  std::vector<State> single;
  std::vector<int64_t> rows;
  for (const auto& prompt : prompts) {
    rows.push_back(int64_t(rows.size()));
    logits_of(model, Tensor::from<int32_t>({1, int64_t(prompt.size())}, prompt), single.emplace_back());
  }
  State batch = State::stack(single);
  for (int64_t step = 0; step < steps; ++step) {
    if (step == steps / 2) {
      batch = batch.rows({0, 1, 4});
      rows = {0, 1, 4};
    }
    const Tensor ids = s.ids({int64_t(rows.size()), 1}, 30 + uint64_t(step));
    const Tensor logits = logits_of(model, ids, batch);
    for (size_t k = 0; k < rows.size(); ++k) {
      const Tensor alone = logits_of(model, ids.narrow(0, int64_t(k), 1).clone(), single[size_t(rows[k])]);
      require_same(logits.narrow(0, int64_t(k), 1), alone,
                   in(dtype) + "step " + std::to_string(step) + ": logits of row " + std::to_string(rows[k]) +
                       " and of its single run");
    }
  }
}

void generated_alike(const Setup& s, Model& model) {
  const SamplingOptions sampling{.temperature = 0.9, .top_k = 7, .seed = s.seed};
  const auto prompts = ragged_prompts(s);
  std::vector<std::vector<int32_t>> together(prompts.size());
  generate_batch(model, prompts, steps_of(s), sampling, [&](int64_t row, int32_t token) {
    together[size_t(row)].push_back(token);
    return row != 2 || together[2].size() < 3;
  });
  for (size_t r = 0; r < prompts.size(); ++r) {
    std::vector<int32_t> alone;
    generate(model, prompts[r], r == 2 ? 3 : steps_of(s), sampling, [&](int32_t token) {
      alone.push_back(token);
      return true;
    });
    if (alone != together[r])
      throw Failure("row " + std::to_string(r) + " of generate_batch is not what generate gives");
  }
}

}  // namespace

Finding batch_rows(const Setup& s) {
  constexpr int64_t kBatch = 5;
  const Tensor ids = s.ids({kBatch, s.length - 1}, 7), next = s.ids({kBatch, 1}, 8);
  for (const DType dtype : kBoth) {
    const auto model = s.model(dtype);
    State together;
    const Tensor all = logits_of(*model, ids, together), all_next = logits_of(*model, next, together);
    for (int64_t b = 0; b < kBatch; ++b) {
      State alone;
      const std::string row = " of row " + std::to_string(b) + " and of it alone";
      require_same(logits_of(*model, ids.narrow(0, b, 1).clone(), alone), all.narrow(0, b, 1),
                   in(dtype) + "logits" + row);
      require_same(logits_of(*model, next.narrow(0, b, 1).clone(), alone), all_next.narrow(0, b, 1),
                   in(dtype) + "logits of the next token" + row);
    }
  }
  return {true, std::to_string(kBatch) + " rows: same bits"};
}

Finding ragged_batch(const Setup& s) {
  for (const DType dtype : kBoth) {
    const auto model = s.model(dtype);
    ragged_steps(s, *model, dtype);
    generated_alike(s, *model);
  }
  return {true, "5 prompts, rows that leave: same bits"};
}

}  // namespace adder::model_checks
