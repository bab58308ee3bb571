#include "models/registry.h"

#include "framework/core/error.h"
#include "framework/data/tasks/task.h"
#include "models/attention.h"
#include "models/gru.h"
#include "models/language_model.h"
#include "models/linear_ssm.h"
#include "models/lru.h"
#include "models/lstm.h"
#include "models/mamba.h"
#include "models/mamba2.h"
#include "models/min_gru.h"
#include "models/min_lstm.h"
#include "models/ngram.h"
#include "models/rnn.h"
#include "models/s4d.h"

namespace adder {
namespace {

struct Entry {
  Architecture architecture;
  MakeMixer make_mixer;  // null: it is no mixer
};

// A mixer that is made from (ModelConfig, its Options, ParameterScope).
template <class MixerType, class OptionsType>
Entry entry(const char* name, const char* doc, void (*block_defaults)(BlockOptions&) = nullptr) {
  const auto make = [name](const ModelConfig& config, const BlockConfig& block,
                           const ParameterScope& scope) -> std::unique_ptr<Mixer> {
    if (!block.mixer) return std::make_unique<MixerType>(config, OptionsType(), scope);
    const auto* options = dynamic_cast<const OptionsType*>(block.mixer.get());
    if (!options) throw Error(std::string("[models] the options are not those of architecture ") + name);
    return std::make_unique<MixerType>(config, *options, scope);
  };
  return {{name, doc, [] { return std::make_shared<OptionsType>(); }, block_defaults}, make};
}

// A Transformer's block has an MLP; a linear state space is followed by what makes it nonlinear.
void with_mlp(BlockOptions& block) { block.mlp = "swiglu"; }
void with_glu(BlockOptions& block) { block.activation = "gelu", block.output = "glu"; }

// A model of its own, trained by counting.
Entry ngram() {
  Architecture a;
  a.name = "ngram", a.doc = "counts, interpolated by Witten and Bell (1991); no gradients, one pass over the text";
  a.options = [] { return std::make_shared<NgramOptions>(); };
  a.counts = true;
  return {a, nullptr};
}

const std::vector<Entry>& entries() {
  static const std::vector<Entry> list = {
      entry<Attention, AttentionOptions>("attention", "causal attention (Vaswani et al., 2017); GPT-2's or Llama's",
                                         with_mlp),
      entry<Gru, GruOptions>("gru", "gated recurrent unit (Cho et al., 2014), with torch's two biases"),
      entry<LinearSsm, LinearSsmOptions>("linear_ssm", "state space h' = A h + B x, y = C h + D x of dense matrices",
                                         with_glu),
      entry<Lru, LruOptions>("lru", "linear recurrent unit, complex and diagonal (Orvieto et al., 2023)", with_glu),
      entry<Lstm, LstmOptions>("lstm", "long short-term memory (Hochreiter & Schmidhuber, 1997)"),
      entry<Mamba, MambaOptions>("mamba", "selective state space (Gu & Dao, 2023)"),
      entry<Mamba2, Mamba2Options>("mamba2", "state space duality (Dao & Gu, 2024)"),
      entry<MinGru, MinRnnOptions>("min_gru", "minimal GRU (Feng et al., 2024)"),
      entry<MinLstm, MinRnnOptions>("min_lstm", "minimal LSTM (Feng et al., 2024)"),
      ngram(),
      entry<Rnn, RnnOptions>("rnn", "recurrent network (Elman, 1990): h = tanh(W x + U h + b), or relu"),
      entry<S4d, S4dOptions>("s4d", "diagonal state space a channel (Gu et al., 2022)", with_glu),
  };
  return list;
}

class Registry : public ModelFactory {
 public:
  std::vector<Architecture> architectures() const override {
    std::vector<Architecture> list;
    for (const Entry& e : entries()) list.push_back(e.architecture);
    return list;
  }

  std::vector<TaskKind> tasks() const override { return task_kinds(); }

  std::unique_ptr<Model> make(const ModelConfig& config, int64_t vocabulary, uint64_t seed,
                              DType dtype) const override {
    if (config.architecture == "ngram") {
      const auto* options = dynamic_cast<const NgramOptions*>(config.mixer.get());
      return std::make_unique<Ngram>(options ? *options : NgramOptions(), vocabulary, dtype);
    }
    return std::make_unique<LanguageModel>(config, vocabulary, seed, dtype, make_mixer);
  }

 private:
  static std::unique_ptr<Mixer> make_mixer(const ModelConfig& config, const BlockConfig& block,
                                           const ParameterScope& scope) {
    std::string known;
    for (const Entry& e : entries()) {
      if (e.architecture.name == block.architecture && e.make_mixer) return e.make_mixer(config, block, scope);
      if (e.make_mixer) known += (known.empty() ? "" : ", ") + e.architecture.name;
    }
    throw UsageError("[models] model.architecture is \"" + block.architecture + "\", expected one of: " + known);
  }
};

}  // namespace

const ModelFactory& model_registry() {
  static const Registry registry;
  return registry;
}

}  // namespace adder
