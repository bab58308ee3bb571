#include "models/registry.h"

#include "framework/core/error.h"
#include "models/language_model.h"
#include "models/mamba.h"

namespace adder {
namespace {

struct Entry {
  Architecture architecture;
  MakeMixer make_mixer;
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

const std::vector<Entry>& entries() {
  static const std::vector<Entry> list = {
      entry<Mamba, MambaOptions>("mamba", "selective state space (Gu & Dao, 2023)"),
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

  std::unique_ptr<Model> make(const ModelConfig& config, int64_t vocabulary, uint64_t seed,
                              DType dtype) const override {
    return std::make_unique<LanguageModel>(config, vocabulary, seed, dtype, make_mixer);
  }

 private:
  static std::unique_ptr<Mixer> make_mixer(const ModelConfig& config, const BlockConfig& block,
                                           const ParameterScope& scope) {
    std::string known;
    for (const Entry& e : entries()) {
      if (e.architecture.name == block.architecture) return e.make_mixer(config, block, scope);
      known += (known.empty() ? "" : ", ") + e.architecture.name;
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
