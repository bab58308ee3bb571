#include "framework/checks/model_checks.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "framework/core/random.h"
#include "framework/nn/counting_model.h"
#include "framework/ops/cross_entropy.h"

namespace adder::model_checks {
namespace {

constexpr int64_t kCounted = 2000;  // tokens that a model that counts has read

// Away from the start, so that no parameter can be left out unnoticed; a matrix by so little that a
// recurrence through it still contracts.
void shake(const ParameterList& list, uint64_t seed) {
  for (size_t i = 0; i < list.size(); ++i) {
    const Tensor& value = list[i].value;
    const double stddev = value.rank() < 2 ? 0.3 : std::min(0.3, 0.6 / std::sqrt(double(value.columns())));
    value.add(normal_input(value.shape(), seed * 1000 + 100 + i, stddev).to(list.dtype()));
  }
}

}  // namespace

std::unique_ptr<Model> Setup::model(DType dtype, uint64_t variant) const {
  auto made = factory.make(config, vocabulary, seed + variant, dtype);
  shake(made->parameters(), seed + variant);
  if (auto* counting = dynamic_cast<CountingModel*>(made.get())) {
    const Tensor text = ids({kCounted}, 60 + variant);
    counting->count({text.data<int32_t>(), size_t(text.size())});
  }
  return made;
}

// ---- comparing ------------------------------------------------------------------------------------------

std::string shown(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", x);
  return text;
}

double nmax(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return HUGE_VAL;
  const Tensor x = a.to(DType::f64).clone(), y = b.to(DType::f64).clone();
  double error = 0, peak = 1e-300;
  for (int64_t i = 0; i < y.size(); ++i) {
    const double d = std::abs(x.data<double>()[i] - y.data<double>()[i]);
    if (std::isnan(d)) return HUGE_VAL;
    error = std::max(error, d), peak = std::max(peak, std::abs(y.data<double>()[i]));
  }
  return error / peak;
}

namespace {
bool same_bits(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  const Tensor x = a.clone(), y = b.clone();
  return x.shape() == y.shape() && x.dtype() == y.dtype() &&
         std::memcmp(x.raw(), y.raw(), size_t(x.size()) * bytes_of(x.dtype())) == 0;
}
}  // namespace

void require_same(const Tensor& a, const Tensor& b, const std::string& what) {
  if (!same_bits(a, b))
    throw Failure(what + " differ by " + shown(a.defined() && b.defined() ? nmax(a, b) : HUGE_VAL));
}

std::string in(DType dtype) { return std::string(name(dtype)) + ": "; }

// ---- running --------------------------------------------------------------------------------------------

Tensor piece(const Tensor& t, int64_t first, int64_t length) {
  return t.defined() ? t.narrow(1, first, length).clone() : t;
}

Tensor starts_in(const Tensor& resets, int64_t first, int64_t length) {
  const Tensor part = piece(resets, first, length);
  for (int64_t i = 0; part.defined() && i < part.size(); ++i)
    if (part.data<int32_t>()[i] != 0) return part;
  return {};
}

Tensor logits_of(Model& model, const Tensor& ids, State& state, const Tensor& resets) {
  Pass pass;
  return model.forward(pass, {ids, resets}, state).value();
}
Tensor logits_of(Model& model, const Tensor& ids, const Tensor& resets) {
  State state;
  return logits_of(model, ids, state, resets);
}

Tensor resets_of(int64_t batch, int64_t length, const std::vector<std::vector<int64_t>>& starts) {
  const Tensor resets = Tensor::zeros({batch, length}, DType::i32);
  for (int64_t b = 0; b < batch; ++b)
    for (const int64_t t : starts[size_t(b)]) resets.data<int32_t>()[b * length + t] = 1;
  return resets;
}

std::vector<std::vector<int64_t>> some_starts(const Setup& s, int64_t batch, int64_t length,
                                              uint64_t stream) {
  const Random random(s.seed, "check documents", stream);
  std::vector<std::vector<int64_t>> starts;
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t half = length / 2;
    starts.push_back({2 + int64_t(random.below(uint64_t(2 * b), uint64_t(half - 2))),
                      half + int64_t(random.below(uint64_t(2 * b + 1), uint64_t(length - half)))});
  }
  return starts;
}

double loss_and_gradients(Model& model, const Tokens& tokens, const Tensor& labels) {
  model.parameters().clear_gradients();
  Tape tape;
  Pass pass{.tape = &tape, .training = true, .seed = 7};
  State state;
  const Var loss = ops::cross_entropy(model.forward(pass, tokens, state), labels);
  tape.backward(loss);
  return loss.value().item();
}

}  // namespace adder::model_checks
