#include "framework/gradient_lab/backsweep.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/core/error.h"
#include "framework/core/shapes.h"
#include "framework/data/batches.h"
#include "framework/gradient_lab/magnitude.h"

namespace adder::lab {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kNothing = -std::numeric_limits<double>::infinity();

bool no_number(double log10) { return !std::isfinite(log10) && log10 != kNothing; }

// x[b] times 2^exponents[b].
void scale_rows(const Tensor& x, const std::vector<int64_t>& exponents) {
  by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t rows = x.dim(0), n = rows ? x.size() / rows : 0;
    for (int64_t b = 0; b < rows; ++b)
      for (int64_t i = 0; i < n; ++i) {
        T& v = x.data<T>()[b * n + i];
        v = T(std::ldexp(double(v), int(exponents[size_t(b)])));
      }
  });
}

double log10_norm_of_row(const Tensor& x, int64_t b, int64_t exponent) {
  return by_dtype(x.dtype(), [&](auto zero) {
    const int64_t n = x.size() / x.dim(0);
    return log10_norm(x.data<decltype(zero)>() + b * n, n, exponent);
  });
}

// d (sum of the rows' losses) / d logits, row b times 2^-exponents[b]: softmax - one hot, 0 where nothing is scored.
Tensor logit_adjoint(const Tensor& logits, const Tensor& labels, const std::vector<int64_t>& exponents) {
  const int64_t length = logits.dim(1), vocabulary = logits.dim(2);
  const Tensor adjoint = Tensor::zeros(logits.shape(), logits.dtype());
  by_dtype(logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor x = logits.contiguous() ? logits : logits.clone();
    for (int64_t r = 0; r < labels.size(); ++r) {
      const int32_t label = labels.data<int32_t>()[r];
      if (label == kIgnoreLabel) continue;
      const T* row = x.data<T>() + r * vocabulary;
      T* out = adjoint.data<T>() + r * vocabulary;
      const double peak = *std::max_element(row, row + vocabulary);
      double sum = 0;
      for (int64_t v = 0; v < vocabulary; ++v) sum += std::exp(double(row[v]) - peak);
      for (int64_t v = 0; v < vocabulary; ++v) {
        const double p = std::exp(double(row[v]) - peak) / sum - (v == label);
        out[v] = T(std::ldexp(p, -int(exponents[size_t(r / length)])));
      }
    }
  });
  return adjoint;
}

// A cache has as many rows as it was given room for, which a recorded pass and a plain one choose differently; those
// beyond its count hold nothing.
Tensor fitted(const Tensor& adjoint, const Shape& shape) {
  if (adjoint.shape() == shape) return adjoint;
  const Tensor fit = Tensor::zeros(shape, adjoint.dtype());
  const int64_t rows = std::min(adjoint.dim(1), fit.dim(1));
  fit.narrow(1, 0, rows).copy_from(adjoint.narrow(1, 0, rows));
  return fit;
}

bool any_scored(const Tensor& labels) {
  for (int64_t i = 0; i < labels.size(); ++i)
    if (labels.data<int32_t>()[i] != kIgnoreLabel) return true;
  return false;
}


class Sweeper {
 public:
  Sweeper(Model& model, const Tensor& ids, const Tensor& labels, const BacksweepOptions& options)
      : model_(model), ids_(ids), labels_(labels), batch_(ids.dim(0)), length_(ids.dim(1)), options_(options) {
    if (!model.bounded_state()) options_.segment = length_;
    for (const auto& block : model.state_names()) names_.insert(names_.end(), block.begin(), block.end());
    for (const auto& block : model.recurrent_names())
      result_.states.insert(result_.states.end(), block.begin(), block.end());
    result_.state = Tensor::full({int64_t(result_.states.size()), batch_, length_}, kNaN, DType::f64);
    exponents_.assign(size_t(batch_), 0);
  }

  Backsweep run() {
    const int64_t segments = (length_ + options_.segment - 1) / options_.segment;
    const std::vector<State> kept = states_before_groups(segments);
    for (int64_t group = int64_t(kept.size()) - 1; group >= 0; --group) {
      const int64_t first = group * options_.stride, count = std::min(options_.stride, segments - first);
      std::vector<State> before = {kept[size_t(group)]};
      for (int64_t i = 1; i < count; ++i) before.push_back(after(before.back(), first + i - 1));
      for (int64_t i = count - 1; i >= 0; --i) back(before[size_t(i)], first + i);
    }
    stack_stream();
    return std::move(result_);
  }

 private:
  struct Leaf {
    size_t block, tensor;
    std::string name;
    Var var;
  };

  int64_t start(int64_t segment) const { return segment * options_.segment; }
  Tensor piece(const Tensor& t, int64_t segment) const {
    const int64_t first = start(segment);
    return t.narrow(1, first, std::min(options_.segment, length_ - first)).clone();
  }

  State after(const State& before, int64_t segment) const {
    Pass pass;
    State state = before;
    model_.forward(pass, {piece(ids_, segment), {}}, state);
    return state.detach();
  }

  std::vector<State> states_before_groups(int64_t segments) const {
    std::vector<State> kept;
    State state;
    const int64_t last = (segments - 1) / options_.stride * options_.stride;
    for (int64_t i = 0; i <= last; ++i) {
      if (i % options_.stride == 0) kept.push_back(state);
      if (i < last) state = after(state, i);
    }
    return kept;
  }

  // The state as leaves of the tape; integers (a cache's counts) stay constants.
  static std::vector<Leaf> make_leaves(Tape& tape, State& state, const std::vector<std::string>& names) {
    std::vector<Leaf> leaves;
    size_t next = 0;
    for (size_t i = 0; i < state.blocks.size(); ++i)
      for (size_t j = 0; j < state.blocks[i].size(); ++j, ++next) {
        Var& tensor = state.blocks[i][j];
        if (tensor.dtype() == DType::i32) continue;
        tensor = tape.leaf(tensor.value());
        leaves.push_back({i, j, names[next], tensor});
      }
    return leaves;
  }

  void back(const State& before, int64_t segment) {
    const Tensor labels = piece(labels_, segment);
    const bool scored = any_scored(labels);
    const int64_t first = start(segment);
    if (!scored && carried_.empty()) return note_nothing(first);
    Tape tape;
    Pass pass;
    State state = before;
    const std::vector<Leaf> leaves = make_leaves(tape, state, names_);
    const Var logits = model_.forward(pass, {piece(ids_, segment), {}}, state, [&](const std::string& name, Var& x) {
      if (name == "embed") x = tape.leaf(x.value());
      watch_stream(name, x, first);
    });
    tape.backward(outputs(state, logits, scored ? labels : Tensor()));
    take(leaves, first);
  }

  void watch_stream(const std::string& name, const Var& x, int64_t first) {
    const auto found = std::find(result_.places.begin(), result_.places.end(), name);
    const size_t place = size_t(found - result_.places.begin());
    if (found == result_.places.end()) {
      result_.places.push_back(name);
      stream_.push_back(Tensor::full({batch_, length_}, kNothing, DType::f64));
    }
    watch(x, [this, place, first](const Tensor& adjoint) { note(stream_[place], adjoint, first); });
  }

  void note(const Tensor& norms, const Tensor& adjoint, int64_t first) const {
    by_dtype(adjoint.dtype(), [&](auto zero) {
      using T = decltype(zero);
      const Tensor a = adjoint.contiguous() ? adjoint : adjoint.clone();
      const int64_t length = a.dim(1), n = a.dim(2);
      for (int64_t b = 0; b < batch_; ++b)
        for (int64_t t = 0; t < length; ++t) {
          const double norm = log10_norm(a.data<T>() + (b * length + t) * n, n, scale_[size_t(b)]);
          if (no_number(norm)) refuse(first + t, b);
          norms.data<double>()[b * length_ + first + t] = norm;
        }
    });
  }

  // No loss comes in this segment or after it.
  void note_nothing(int64_t first) {
    for (size_t s = 0; first > 0 && s < result_.states.size(); ++s)
      for (int64_t b = 0; b < batch_; ++b) state_norm(s, b, first - 1) = kNothing;
  }
  double& state_norm(size_t s, int64_t b, int64_t t) {
    return result_.state.data<double>()[(int64_t(s) * batch_ + b) * length_ + t];
  }

  // Adjoints of what the segment puts out, all of row b divided by 2^scale_[b].
  std::vector<std::pair<Var, Tensor>> outputs(const State& state, const Var& logits, const Tensor& labels) {
    std::vector<int64_t> change(size_t(batch_), 0);
    scale_.assign(size_t(batch_), 0);
    for (int64_t b = 0; b < batch_; ++b) {
      const bool here = labels.defined() && any_scored(labels.narrow(0, b, 1).clone());
      scale_[size_t(b)] = here ? std::max<int64_t>(exponents_[size_t(b)], 0) : exponents_[size_t(b)];
      change[size_t(b)] = exponents_[size_t(b)] - scale_[size_t(b)];
    }
    std::vector<std::pair<Var, Tensor>> list;
    if (labels.defined()) list.emplace_back(logits, logit_adjoint(logits.value(), labels, scale_));
    for (const Carried& c : carried_) {
      const Var& out = state.blocks[c.block][c.tensor];
      if (!out.tape()) continue;
      scale_rows(c.adjoint, change);
      list.emplace_back(out, fitted(c.adjoint, out.shape()));
    }
    return list;
  }

  [[noreturn]] void refuse(int64_t t, int64_t b) const {
    throw DivergedError("[backsweep] the adjoint at token " + std::to_string(t) + " of row " + std::to_string(b) +
                        " is not finite: the model's own numbers are not, or one segment grows beyond what " +
                        name(model_.parameters().dtype()) + " holds; try --precision float64");
  }

  // The adjoints of the state before the segment, each row scaled to a norm between 1 and 2.
  void take(const std::vector<Leaf>& leaves, int64_t first) {
    carried_.clear();
    for (const Leaf& leaf : leaves)
      if (const Tensor adjoint = leaf.var.node()->gathered(); adjoint.defined())
        carried_.push_back({leaf.block, leaf.tensor, adjoint.clone()});
    if (first > 0) note_states(leaves, first - 1);
    std::vector<int64_t> change(size_t(batch_), 0);
    for (int64_t b = 0; b < batch_; ++b) {
      double norm = kNothing;  // of the largest of the tensors
      for (const Carried& c : carried_) {
        const double one = log10_norm_of_row(c.adjoint, b, 0);
        if (no_number(one)) refuse(first, b);
        norm = std::max(norm, one);
      }
      const int64_t exponent = norm > kNothing ? int64_t(std::floor(norm / std::log10(2.0))) : 0;
      change[size_t(b)] = -exponent;
      exponents_[size_t(b)] = norm > kNothing ? scale_[size_t(b)] + exponent : 0;
    }
    for (const Carried& c : carried_) scale_rows(c.adjoint, change);
  }

  void note_states(const std::vector<Leaf>& leaves, int64_t t) {
    for (const Leaf& leaf : leaves) {
      const auto found = std::find(result_.states.begin(), result_.states.end(), leaf.name);
      if (found == result_.states.end()) continue;
      const size_t s = size_t(found - result_.states.begin());
      for (int64_t b = 0; b < batch_; ++b) state_norm(s, b, t) = kNothing;
      for (const Carried& c : carried_)
        if (c.block == leaf.block && c.tensor == leaf.tensor)
          for (int64_t b = 0; b < batch_; ++b) state_norm(s, b, t) = log10_norm_of_row(c.adjoint, b, scale_[size_t(b)]);
    }
  }

  void stack_stream() {
    result_.stream = Tensor::empty({int64_t(stream_.size()), batch_, length_}, DType::f64);
    for (size_t p = 0; p < stream_.size(); ++p)
      result_.stream.narrow(0, int64_t(p), 1).copy_from(stream_[p].reshape({1, batch_, length_}));
  }

  struct Carried {
    size_t block, tensor;
    Tensor adjoint;
  };

  Model& model_;
  const Tensor ids_, labels_;
  const int64_t batch_, length_;
  BacksweepOptions options_;
  std::vector<std::string> names_;   // of all state tensors, in their order
  std::vector<Tensor> stream_;       // a place each
  std::vector<Carried> carried_;     // adjoints of the state after the segment that is next …
  std::vector<int64_t> exponents_;   // … of row b divided by 2^exponents_[b]
  std::vector<int64_t> scale_;       // the same of the segment at hand
  Backsweep result_;
};

}  // namespace

Backsweep backsweep(Model& model, const Tensor& ids, const Tensor& labels, const BacksweepOptions& options) {
  const Shapes check{"backsweep"};
  const auto [batch, length] = check("ids", ids, {"batch", "length"});
  check("labels", labels, {batch, length});
  if (batch < 1 || length < 1) check.fail("ids has shape " + to_string(ids.shape()) + ", expected at least one token");
  if (options.segment < 1 || options.stride < 1)
    check.fail("segment is " + std::to_string(options.segment) + ", stride " + std::to_string(options.stride) +
               ", expected at least 1");
  if (!any_scored(labels)) check.fail("no label is scored, expected at least one");
  return Sweeper(model, ids, labels, options).run();
}

}  // namespace adder::lab
