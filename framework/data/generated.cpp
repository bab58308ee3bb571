#include "framework/data/generated.h"

#include "framework/core/error.h"
#include "framework/data/hidden_markov.h"
#include "framework/data/markov_chain.h"

namespace adder {
namespace {

constexpr int64_t kMostEntries = int64_t{1} << 22;  // of a table of probabilities
constexpr int64_t kMostStates = 1024;               // of a hidden chain, whose stationary distribution is n^3 / 3
constexpr double kLeastConcentration = 0.1;         // below it probabilities underflow to 0

std::string key(const char* name) { return std::string("data.generated.") + name; }

void check_concentration(const char* name, double found) {
  if (!(found >= kLeastConcentration))
    throw UsageError(key(name) + " is " + std::to_string(found) + ", expected at least " +
                     std::to_string(kLeastConcentration) + ", below which probabilities are 0");
}

void check_symbols(const GeneratedOptions& o) {
  if (o.symbols < 2)
    throw UsageError(key("symbols") + " is " + std::to_string(o.symbols) + ", expected at least 2");
}

void check_markov(const GeneratedOptions& o) {
  check_symbols(o);
  check_concentration("concentration", o.concentration);
  if (o.order < 0) throw UsageError(key("order") + " is " + std::to_string(o.order) + ", expected 0 or more");
  int64_t entries = 1;
  for (int64_t i = 0; i <= o.order; ++i) {
    if (entries > kMostEntries / o.symbols)
      throw UsageError(key("symbols") + " " + std::to_string(o.symbols) + " to the power " + key("order") +
                       " + 1 (" + std::to_string(o.order + 1) + ") probabilities, expected at most " +
                       std::to_string(kMostEntries) + "; make one of them smaller");
    entries *= o.symbols;
  }
}

void check_hmm(const GeneratedOptions& o) {
  check_symbols(o);
  check_concentration("concentration", o.concentration);
  check_concentration("emission_concentration", o.emission_concentration);
  if (o.states < 1 || o.states > kMostStates)
    throw UsageError(key("states") + " is " + std::to_string(o.states) + ", expected 1 to " +
                     std::to_string(kMostStates));
  if (!(o.persistence >= 0 && o.persistence < 1))
    throw UsageError(key("persistence") + " is " + std::to_string(o.persistence) + ", expected 0 or more, and below 1");
  if (o.symbols > kMostEntries / o.states)
    throw UsageError(key("states") + " " + std::to_string(o.states) + " times " + key("symbols") + " " +
                     std::to_string(o.symbols) + " emissions, expected at most " + std::to_string(kMostEntries));
}

}  // namespace

const std::vector<std::string>& source_names() {
  static const std::vector<std::string> names = {"markov", "hmm"};
  return names;
}

TextSourcePtr make_source(const GeneratedOptions& options) {
  if (options.name == "markov") {
    check_markov(options);
    return std::make_shared<MarkovChain>(MarkovChain::drawn(options));
  }
  if (options.name == "hmm") {
    check_hmm(options);
    return std::make_shared<HiddenMarkov>(HiddenMarkov::drawn(options));
  }
  throw UsageError(key("name") + " is \"" + options.name + "\", expected markov or hmm");
}

TokenDataset generate_dataset(const TextSource& source, const GeneratedOptions& options,
                              int64_t context_length) {
  const auto stream = [&](const char* name, int64_t tokens) {
    if (tokens != 0 && tokens <= context_length)
      throw UnreadableError(key(name) + "_tokens is " + std::to_string(tokens) +
                            ", expected at least training.context_length + 1 = " +
                            std::to_string(context_length + 1));
    return tokens ? TokenSpan::from(source.draw(name, tokens), {}, source.symbols()) : TokenSpan();
  };
  TokenDataset data;
  data.tokenizer = ids_tokenizer(source.symbols());
  data.train = stream("train", options.train_tokens);
  data.validation = stream("validation", options.validation_tokens);
  data.test = stream("test", options.test_tokens);
  return data;
}

}  // namespace adder
