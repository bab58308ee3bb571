#include "models/ngram.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/core/error.h"
#include "framework/core/shapes.h"

namespace adder {
namespace {

constexpr int64_t kLongestOrder = 32;
constexpr int32_t kNothing = -1;  // in a context: there was no token yet
const Shapes check{"ngram"};

Tensor tensor_of(const std::vector<int32_t>& values) { return Tensor::from({int64_t(values.size())}, values); }

// An n-gram and the place in the text where it begins: the n-gram of length n - 1, and the last token.
struct Occurrence {
  uint64_t key;
  uint32_t place;
};

}  // namespace

void NgramOptions::fields(Fields& f) {
  f("order", order, "tokens of an n-gram: the last one is predicted from those before it", between(1, kLongestOrder));
}

Ngram::Ngram(const NgramOptions& options, int64_t vocabulary, DType dtype)
    : order_(size_t(options.order)), vocabulary_(vocabulary), parameters_(0, dtype), levels_(order_ + 1) {
  if (options.order < 1 || options.order > kLongestOrder)
    throw UsageError("[ngram] order is " + std::to_string(options.order) + ", expected 1 to " +
                     std::to_string(kLongestOrder));
  count({}, {}, nullptr);
}

// ---- counting ---------------------------------------------------------------------------------------------

// Says where the children of each n-gram of that length stand on the next level, which it returns.
Ngram::Level& Ngram::link(size_t length, const std::vector<int32_t>& children) {
  Level &level = levels_[length], &next = levels_[length + 1];
  level.first.assign(1, 0), level.total.clear();
  for (const int32_t n : children) {
    const int64_t begin = level.first.back(), end = begin + n;
    int64_t total = 0;
    for (int64_t i = begin; i < end; ++i) total += next.count[size_t(i)];
    level.first.push_back(end), level.total.push_back(total);
  }
  return next;
}

// Level by level: places that begin with one n-gram, sorted by the token after it.
bool Ngram::count(std::span<const int32_t> tokens, std::span<const int64_t> starts,
                  const std::function<bool()>& stop) {
  if (tokens.size() > size_t(std::numeric_limits<int32_t>::max()))
    throw Error("[ngram] " + std::to_string(tokens.size()) + " tokens, expected at most 2147483647: give less text");
  for (size_t t = 0; t < tokens.size(); ++t)
    if (tokens[t] < 0 || tokens[t] >= vocabulary_)
      check.fail("token " + std::to_string(t) + " is " + std::to_string(tokens[t]) + ", expected 0 to " +
                 std::to_string(vocabulary_ - 1));
  std::vector<size_t> ends(starts.begin(), starts.end());  // of documents
  ends.push_back(tokens.size());
  std::vector<Level> levels(order_ + 1);
  std::vector<uint32_t> begun(tokens.size(), 0);  // the n-gram that begins at each place
  std::vector<Occurrence> found;
  levels_.swap(levels);
  levels_[0].symbol.assign(1, kNothing), levels_[0].count.assign(1, int32_t(tokens.size()));
  for (size_t n = 1; n <= order_; ++n) {
    if (stop && stop()) {
      levels_.swap(levels);
      return false;
    }
    found.clear();
    for (size_t document = 0, t = 0; document < ends.size(); t = ends[document++])
      for (; t + n <= ends[document]; ++t)
        found.push_back({uint64_t(begun[t]) << 32 | uint32_t(tokens[t + n - 1]), uint32_t(t)});
    std::sort(found.begin(), found.end(), [](const Occurrence& a, const Occurrence& b) { return a.key < b.key; });
    std::vector<int32_t> children(levels_[n - 1].symbol.size(), 0);
    Level& level = levels_[n];
    for (size_t i = 0; i < found.size(); ++i) {
      if (i == 0 || found[i].key != found[i - 1].key) {
        level.symbol.push_back(int32_t(uint32_t(found[i].key))), level.count.push_back(0);
        ++children[size_t(found[i].key >> 32)];
      }
      ++level.count.back();
      begun[found[i].place] = uint32_t(level.symbol.size() - 1);
    }
    link(n - 1, children);
  }
  return true;
}

std::vector<NamedTensor> Ngram::counts() const {
  std::vector<NamedTensor> tensors;
  for (size_t n = 1; n <= order_ && !levels_[n].symbol.empty(); ++n) {
    const std::string name = "ngrams." + std::to_string(n);
    const Level& level = levels_[n];
    tensors.push_back({name + ".symbol", tensor_of(level.symbol)});
    tensors.push_back({name + ".count", tensor_of(level.count)});
    if (n == order_) continue;
    std::vector<int32_t> children;
    for (size_t i = 0; i + 1 < level.first.size(); ++i)
      children.push_back(int32_t(level.first[i + 1] - level.first[i]));
    tensors.push_back({name + ".children", tensor_of(children)});
  }
  return tensors;
}

namespace {

// The tensor of that name as a vector; `size` < 0: any length.
std::vector<int32_t> stored(const std::vector<NamedTensor>& counts, const std::string& name, int64_t size,
                            const std::string& where) {
  const auto found = std::find_if(counts.begin(), counts.end(), [&](const NamedTensor& t) { return t.name == name; });
  if (found == counts.end()) throw UnreadableError(where + ": /counts/" + name + " is missing");
  const Tensor& t = found->value;
  if (t.dtype() != DType::i32 || t.rank() != 1 || (size >= 0 && t.size() != size))
    throw UnreadableError(where + ": /counts/" + name + " is " + adder::name(t.dtype()) + " " + to_string(t.shape()) +
                          ", expected int32 [" + (size < 0 ? "n" : std::to_string(size)) + "]");
  return {t.data<int32_t>(), t.data<int32_t>() + t.size()};
}

}  // namespace

void Ngram::set_counts(const std::vector<NamedTensor>& counts, const std::string& where) {
  count({}, {}, nullptr);
  if (counts.empty()) return;
  std::vector<int32_t> children = {int32_t(stored(counts, "ngrams.1.symbol", -1, where).size())};
  size_t used = 0;
  for (size_t n = 1; n <= order_; ++n) {
    int64_t size = 0;
    for (const int32_t c : children) {
      if (c < 0) throw UnreadableError(where + ": /counts/ngrams." + std::to_string(n - 1) + ".children is negative");
      size += c;
    }
    if (size == 0) break;  // the text was shorter
    const std::string name = "ngrams." + std::to_string(n);
    levels_[n].symbol = stored(counts, name + ".symbol", size, where);
    levels_[n].count = stored(counts, name + ".count", size, where);
    const Level& level = link(n - 1, children);
    for (size_t parent = 0, i = 0; parent < children.size(); ++parent)
      for (int32_t c = 0; c < children[parent]; ++c, ++i)
        if (level.symbol[i] < 0 || level.symbol[i] >= vocabulary_ || level.count[i] < 1 ||
            (c > 0 && level.symbol[i] <= level.symbol[i - 1]))
          throw UnreadableError(where + ": /counts/" + name + ": entry " + std::to_string(i) + " is token " +
                                std::to_string(level.symbol[i]) + ", " + std::to_string(level.count[i]) +
                                " times; expected tokens below " + std::to_string(vocabulary_) +
                                " in increasing order, each once or more");
    used += 2;
    children.clear();
    if (n == order_) break;
    children = stored(counts, name + ".children", size, where);
    ++used;
  }
  if (used != counts.size())
    throw UnreadableError(where + ": /counts holds " + std::to_string(counts.size()) + " tensors, expected " +
                          std::to_string(used) + " for model.order " + std::to_string(order_));
  for (size_t n = 0; n < order_; ++n)  // levels that the text didn't reach
    if (levels_[n].first.size() != levels_[n].symbol.size() + 1)
      link(n, std::vector<int32_t>(levels_[n].symbol.size(), 0));
}

// ---- predicting -------------------------------------------------------------------------------------------

int64_t Ngram::child(size_t length, int64_t ngram, int32_t symbol) const {
  const Level& level = levels_[length];
  const std::vector<int32_t>& symbols = levels_[length + 1].symbol;
  const auto begin = symbols.begin() + level.first[size_t(ngram)], end = symbols.begin() + level.first[size_t(ngram) + 1];
  const auto found = std::lower_bound(begin, end, symbol);
  return found != end && *found == symbol ? found - symbols.begin() : -1;
}

void Ngram::push(Context& context, int32_t symbol) const {
  for (size_t n = order_ - 1; n > 0; --n) context[n] = context[n - 1] < 0 ? -1 : child(n - 1, context[n - 1], symbol);
}

void Ngram::probabilities(const Context& context, std::vector<double>& p) const {
  std::fill(p.begin(), p.end(), 1 / double(vocabulary_));
  for (size_t n = 0; n < order_ && context[n] >= 0; ++n) {
    const Level &level = levels_[n], &next = levels_[n + 1];
    const int64_t begin = level.first[size_t(context[n])], end = level.first[size_t(context[n]) + 1];
    if (begin == end) return;  // it ended the text: nothing followed it, nor anything longer that ends with it
    const double types = double(end - begin), all = double(level.total[size_t(context[n])]) + types;
    for (double& x : p) x *= types / all;
    for (int64_t i = begin; i < end; ++i) p[size_t(next.symbol[size_t(i)])] += double(next.count[size_t(i)]) / all;
  }
}

Var Ngram::forward(Pass&, const Tokens& tokens, State& state, const HiddenSink&) {
  const auto [batch, length] = check("ids", tokens.ids, {"batch", "length"});
  if (tokens.resets.defined()) check("resets", tokens.resets, {batch, length});
  const int64_t kept = int64_t(order_) - 1;
  const bool begun = !state.blocks.empty() && !state.blocks[0].empty();
  if (begun && kept > 0) check("state", state.blocks[0][0].value(), {batch, kept});
  const Tensor logits = Tensor::empty({batch, length, vocabulary_}, parameters_.dtype());
  const Tensor after = kept > 0 ? Tensor::full({batch, kept}, kNothing, DType::i32) : Tensor();
  std::vector<double> p(static_cast<size_t>(vocabulary_));
  for (int64_t b = 0; b < batch; ++b) {
    Context context(order_, -1);
    context[0] = 0;
    std::vector<int32_t> read;  // the tokens that count
    const auto read_one = [&](int32_t id) { push(context, id), read.push_back(id); };
    for (int64_t i = 0; begun && i < kept; ++i)
      if (const int32_t id = int32_t(state.blocks[0][0].value().item(b * kept + i)); id != kNothing) read_one(id);
    for (int64_t t = 0; t < length; ++t) {
      const int32_t id = tokens.ids.data<int32_t>()[b * tokens.ids.stride(0) + t];
      if (id < 0 || id >= vocabulary_)
        check.fail("ids[" + std::to_string(b) + ", " + std::to_string(t) + "] is " + std::to_string(id) +
                   ", expected 0 to " + std::to_string(vocabulary_ - 1));
      if (tokens.resets.defined() && tokens.resets.data<int32_t>()[b * tokens.resets.stride(0) + t] != 0) {
        std::fill(context.begin() + 1, context.end(), -1);
        read.clear();
      }
      read_one(id);
      probabilities(context, p);
      by_dtype(logits.dtype(), [&](auto zero) {
        auto* row = logits.data<decltype(zero)>() + (b * length + t) * vocabulary_;
        for (size_t v = 0; v < p.size(); ++v) row[v] = decltype(zero)(std::log(p[v]));
      });
    }
    const int64_t last = std::min(kept, int64_t(read.size()));
    for (int64_t i = 0; i < last; ++i)
      after.data<int32_t>()[(b + 1) * kept - last + i] = read[read.size() - size_t(last - i)];
  }
  state.blocks = {after.defined() ? MixerState{Var(after)} : MixerState{}};
  return Var(logits);
}

std::vector<std::vector<std::string>> Ngram::state_names() const {
  return {order_ > 1 ? std::vector<std::string>{"ngram.context"} : std::vector<std::string>{}};
}

}  // namespace adder
