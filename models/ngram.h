// An n-gram model, interpolated by Witten and Bell (1991; Chen & Goodman, 1999, section 2.6): the baseline of every
// language model. With h the last n - 1 tokens, h' without the oldest of them, c(h, w) how often w followed h,
// c(h) the sum of that over w, T(h) how many different w followed h, V ids:
//   P_n(w | h) = (c(h, w) + T(h) P_(n-1)(w | h')) / (c(h) + T(h)),   P_0(w) = 1 / V
// and P_n = P_(n-1) where h was never followed by anything. Logits are log P of the highest order, or of as many
// tokens as the text has had. Counts are exact, to 2^31 - 1 tokens.
#pragma once
#include "framework/config/model_config.h"
#include "framework/nn/counting_model.h"

namespace adder {

struct NgramOptions : Options {
  int64_t order = 5;
  void fields(Fields& f) override;
};

class Ngram : public CountingModel {
 public:
  Ngram(const NgramOptions& options, int64_t vocabulary, DType dtype);

  ParameterList& parameters() override { return parameters_; }  // none
  int64_t vocabulary() const override { return vocabulary_; }
  // tokens.ids (B, L) to logits (B, L, V).
  Var forward(Pass& pass, const Tokens& tokens, State& state, const HiddenSink& hidden = nullptr) override;
  // ngram.context (B, order - 1) int32: the last tokens, the oldest first; -1 where the text has not had as many.
  std::vector<std::vector<std::string>> state_names() const override;

  bool count(std::span<const int32_t> tokens, std::span<const int64_t> starts,
             const std::function<bool()>& stop) override;
  // ngrams.<n>.symbol, .count and, but for the longest, .children (one entry an n-gram, int32): its last token, how
  // often it came, and how many n-grams of length n + 1 begin with it. They are sorted, so that those stand together.
  std::vector<NamedTensor> counts() const override;
  void set_counts(const std::vector<NamedTensor>& counts, const std::string& where) override;

 private:
  // The n-grams of one length.
  struct Level {
    std::vector<int32_t> symbol, count;
    std::vector<int64_t> first;  // entry i: where those that begin with n-gram i start on the next level; and the end
    std::vector<int64_t> total;  // how often something followed n-gram i
  };
  // For each length below the order the n-gram that the text ends with, by its place on its level; -1: never seen.
  using Context = std::vector<int64_t>;

  Level& link(size_t length, const std::vector<int32_t>& children);
  int64_t child(size_t length, int64_t ngram, int32_t symbol) const;
  void push(Context& context, int32_t symbol) const;
  void probabilities(const Context& context, std::vector<double>& p) const;

  size_t order_;
  int64_t vocabulary_;
  ParameterList parameters_;
  std::vector<Level> levels_;  // by length, from the empty one to order
};

}  // namespace adder
