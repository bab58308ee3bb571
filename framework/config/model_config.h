// What a config says of the model, and the table of architectures that the program hands in: the framework
// reads and checks a model's keys without knowing any model.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "framework/config/fields.h"
#include "framework/nn/model.h"

namespace adder {

struct ModelConfig : Options {
  std::string architecture;
  int64_t d_model = 128;
  int64_t n_layers = 4;
  // The keys that the architecture declares. Not changed once read, so that copies may share it:
  //   const auto& options = dynamic_cast<const MambaOptions&>(*config.mixer);
  std::shared_ptr<const Options> mixer;
  bool tie_embeddings = true;
  double dropout = 0;
  std::string norm = "rms_norm";
  double norm_eps = 1e-5;
  void fields(Fields& f) override;
};

struct Architecture {
  std::string name;
  std::string doc;
  std::function<std::shared_ptr<Options>()> options;  // fresh, with defaults; null: no keys of its own
};

struct ModelFactory {
  virtual ~ModelFactory() = default;
  virtual std::vector<Architecture> architectures() const = 0;
  // Parameters are drawn from `seed`; dtype f32 or f64.
  virtual std::unique_ptr<Model> make(const ModelConfig& config, int64_t vocabulary, uint64_t seed,
                                      DType dtype) const = 0;
};

}  // namespace adder
