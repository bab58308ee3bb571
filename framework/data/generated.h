// Texts drawn from a source whose statistics are known exactly, so that a model's loss has a floor: what the
// source itself, knowing all tokens before, would lose on the same tokens. Everything is a pure function of
// the options: the source, and each stream of tokens.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "framework/data/dataset.h"

namespace adder {

// The keys of the config's section `data.generated`.
struct GeneratedOptions {
  std::string name = "none";      // one of source_names()
  int64_t symbols = 16;           // V
  int64_t order = 2;              // markov: tokens that the next one depends on
  int64_t states = 16;            // hmm
  double concentration = 0.3;     // of the rows of transitions; from 0.1 on
  double emission_concentration = 0.3;  // hmm: of the rows of emissions
  double persistence = 0;               // hmm: how often a state stays without a move, below 1
  int64_t train_tokens = 1'000'000, validation_tokens = 100'000, test_tokens = 0;
  uint64_t seed = 1;
};

class TextSource {
 public:
  virtual ~TextSource() = default;
  virtual std::string description() const = 0;  // "Markov chain of order 2 over 16 symbols"
  virtual int64_t symbols() const = 0;
  // The first `count` tokens of a stream. Streams of other names are independent of it.
  virtual std::vector<int32_t> draw(const std::string& stream, int64_t count) const = 0;
  // The loss of each token in nats, given all tokens before it in `tokens`, under the source itself: on average
  // no predictor without foresight loses less.
  virtual std::vector<double> losses(const TokenSpan& tokens) const = 0;
  // Nats a token in the long run; none where it has no closed form.
  virtual std::optional<double> entropy_rate() const = 0;
};
using TextSourcePtr = std::shared_ptr<const TextSource>;

const std::vector<std::string>& source_names();  // markov, hmm
// UsageError: sizes whose tables would not fit, a concentration out of range, a name that there is not.
TextSourcePtr make_source(const GeneratedOptions& options);

// The streams "train", "validation" and "test" as a dataset, whose tokenizer is ids_tokenizer(V). UnreadableError
// where a stream that is asked for is shorter than context_length + 1.
TokenDataset generate_dataset(const TextSource& source, const GeneratedOptions& options, int64_t context_length);

}  // namespace adder
