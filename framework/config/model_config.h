// What a config says of the model, and the table of architectures that the program hands in: the framework
// reads and checks a model's keys without knowing any model.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "framework/config/fields.h"
#include "framework/config/task_config.h"
#include "framework/nn/model.h"

namespace adder {

// What stands around the mixer of a block, with norm_position "pre":
//   x = x + output(activation(mixer(norm(x))));  x = x + mlp(norm(x))
// and with "post":
//   x = norm(x + output(activation(mixer(x))));  x = norm(x + mlp(x))
struct BlockOptions : Options {
  std::string activation = "none";
  std::string output = "none";
  bool output_bias = true;
  std::string mlp = "none";
  int64_t d_mlp = 0;
  bool mlp_bias = false;
  void fields(Fields& f) override;
};

// One kind of block.
struct BlockConfig : BlockOptions {
  std::string architecture;
  // The keys that the architecture declares. Not changed once read, so that copies may share it:
  //   const auto& options = dynamic_cast<const MambaOptions&>(*config.mixer);
  std::shared_ptr<const Options> mixer;
  void fields(Fields& f) override;

 protected:
  void mixer_fields(Fields& f) const;
};

// The architecture whose blocks are listed one by one.
inline constexpr char kHybrid[] = "hybrid";

struct ModelConfig : BlockConfig {
  int64_t d_model = 128;
  int64_t n_layers = 4;
  std::vector<BlockConfig> blocks;  // of a hybrid, over and over until there are n_layers; else empty
  bool tie_embeddings = true;
  bool head_bias = false;
  double embedding_init = 0.02;
  bool zero_head = false;
  std::string positions = "none";
  int64_t max_positions = 0;  // a loaded config that has positions holds the number itself
  double dropout = 0;
  std::string norm = "rms_norm";
  std::string norm_position = "pre";
  bool norm_bias = true;
  double norm_eps = 1e-5;
  bool residual = true;
  std::string parametrisation = "standard";
  int64_t base_width = 0;
  // Of an architecture that counts: then it has no other keys than that one's.
  bool counts = false;
  void fields(Fields& f) override;

  // Not part of the config's text: real inputs a position in place of token ids, as data.task has them. The model
  // then has one output.
  int64_t features = 0;
  // Nor is this one: Config.precision is "bf16", so that products with weights take bfloat16 operands where the model
  // is one of float32.
  bool bf16 = false;

  // Under muP d_model over base_width, else 1.
  double width_ratio() const { return parametrisation == "mup" ? double(d_model) / double(base_width) : 1; }

  bool hybrid() const { return architecture == kHybrid; }
  const BlockConfig& block(int64_t i) const {
    return blocks.empty() ? *this : blocks[size_t(i) % blocks.size()];
  }
};

struct Architecture {
  std::string name;
  std::string doc;
  std::function<std::shared_ptr<Options>()> options;  // fresh, with defaults; null: no keys of its own
  std::function<void(BlockOptions&)> block_defaults = nullptr;  // where a block of it needs others
  bool counts = false;  // no kind of block but a model of its own, trained by counting (nn/counting_model.h)
};

struct ModelFactory {
  virtual ~ModelFactory() = default;
  virtual std::vector<Architecture> architectures() const = 0;
  virtual std::vector<TaskKind> tasks() const { return {}; }  // that data.task may name
  // Parameters are drawn from `seed`; dtype f32 or f64. With config.features the vocabulary is 1.
  virtual std::unique_ptr<Model> make(const ModelConfig& config, int64_t vocabulary, uint64_t seed,
                                      DType dtype) const = 0;
};

}  // namespace adder
