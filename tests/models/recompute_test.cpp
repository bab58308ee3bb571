// training.recompute: the same bits, in less memory.
#include <gtest/gtest.h>

#include "framework/measure/random_tokens.h"
#include "framework/training/trainer.h"
#include "tests/models/model_support.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 19;

Config config_of(const std::string& architecture, bool recompute, const std::string& more = "") {
  return parse_config(R"({"data": {"train": "none"}, "model": {"architecture": ")" + architecture +
                          R"(", "d_model": 16, "n_layers": 6, "dropout": 0.2)" + more +
                          R"(}, "schedule": {"name": "constant"}, "training": {"recompute": )" +
                          (recompute ? "true" : "false") + "}}",
                      "test", {}, model_registry());
}

std::vector<double> trained(const Config& config, const BatchSource& batches, int64_t* peak = nullptr) {
  Trainer trainer(config, make_model(config.model, kVocabulary, DType::f32), batches);
  trainer.step();
  arena::reset_peak();
  const int64_t before = arena::bytes_in_use();
  trainer.step();
  if (peak) *peak = arena::peak_bytes_in_use() - before;
  std::vector<double> values;
  const ParameterList& parameters = trainer.model().parameters();
  for (size_t i = 0; i < parameters.size(); ++i)
    for (int64_t j = 0; j < parameters[i].value.size(); ++j) values.push_back(parameters[i].value.item(j));
  return values;
}

TEST(Recompute, SameBitsForEveryArchitecture) {
  const RandomTokens batches(kVocabulary, 2, 13);
  for (const Architecture& a : model_registry().architectures()) {
    if (a.counts) continue;
    EXPECT_EQ(trained(config_of(a.name, true), batches), trained(config_of(a.name, false), batches)) << a.name;
  }
}

#ifndef ADDER_ASAN  // the sanitizer's build gives each buffer a system allocation of its own
TEST(Recompute, LessMemory) {
  const RandomTokens batches(kVocabulary, 2, 200);
  int64_t kept = 0, anew = 0;
  trained(config_of("mamba", false), batches, &kept);
  trained(config_of("mamba", true), batches, &anew);
  EXPECT_LT(double(anew), 0.4 * double(kept));
}
#endif

}  // namespace
}  // namespace adder
