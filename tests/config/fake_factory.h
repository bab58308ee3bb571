// Two architectures that only declare keys, for tests of the config.
#pragma once
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "framework/config/config.h"
#include "framework/core/error.h"
#include "gtest/gtest.h"

namespace adder {

struct FakeMambaOptions : Options {
  int64_t d_state = 16, d_conv = 4, expand = 2, dt_rank = 0;
  bool bias = false, conv_bias = true;
  void fields(Fields& f) override {
    f("d_state", d_state, "state per channel", at_least(1));
    f("d_conv", d_conv, "taps of the convolution", at_least(1));
    f("expand", expand, "inner width over d_model", at_least(1));
    f("dt_rank", dt_rank, "rank of the step size; 0: d_model / 16, rounded up", at_least(0));
    f("bias", bias, "projections have biases");
    f("conv_bias", conv_bias, "the convolution has a bias");
  }
};

struct FakeAttentionOptions : Options {
  int64_t n_heads = 4;
  double d_state = 0.5;
  void fields(Fields& f) override {
    f("n_heads", n_heads, "number of heads", at_least(1));
    f("d_state", d_state, "a key that mamba has with another type", above(0));
  }
};

struct FakeFactory : ModelFactory {
  std::vector<Architecture> architectures() const override {
    return {{"mamba", "selective state space", [] { return std::make_shared<FakeMambaOptions>(); }},
            {"attention", "looks back", [] { return std::make_shared<FakeAttentionOptions>(); },
             [](BlockOptions& block) { block.mlp = "swiglu"; }},
            {"mean", "has no keys", nullptr}};
  }
  std::unique_ptr<Model> make(const ModelConfig&, int64_t, uint64_t, DType) const override { return nullptr; }
};

// The text of the UsageError that `action` throws; a failure where it throws nothing.
template <class F>
std::string usage_error(F&& action) {
  try {
    action();
  } catch (const UsageError& error) {
    EXPECT_EQ(error.exit_code(), 2);
    return error.what();
  }
  ADD_FAILURE() << "no UsageError was thrown";
  return "";
}

// A file in this test's own folder below TempDir; its path.
inline std::string write_temporary(const std::string& name, const std::string& text) {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / (std::string(test->test_suite_name()) + "." + test->name());
  std::filesystem::create_directories((folder / name).parent_path());
  std::ofstream((folder / name).string(), std::ios::binary) << text;
  return (folder / name).string();
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace adder

#define EXPECT_HAS(text, part) \
  EXPECT_TRUE(::adder::has(text, part)) << "text: " << text << "\nlacks: " << part
