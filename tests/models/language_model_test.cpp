#include "models/language_model.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

#include "framework/core/error.h"
#include "framework/training/clip.h"
#include "framework/training/optimizer.h"
#include "kernels/parallel.h"
#include "kernels/simd_target.h"
#include "tests/models/model_support.h"

namespace adder {
namespace {

constexpr int64_t kVocabulary = 13;

TEST(LanguageModel, DeclaresTheAgreedNames) {
  auto config = mamba_config({.n_layers = 1, .bias = true});
  config.tie_embeddings = false;
  const auto model = make_model(config, kVocabulary, DType::f32);
  const ParameterList& list = model->parameters();
  const std::vector<std::tuple<std::string, Shape, bool>> want = {
      {"embedding.weight", {13, 5}, true},
      {"blocks.0.norm.weight", {5}, false},
      {"blocks.0.mixer.in_proj.weight", {20, 5}, true},
      {"blocks.0.mixer.in_proj.bias", {20}, false},
      {"blocks.0.mixer.conv1d.weight", {10, 4}, true},
      {"blocks.0.mixer.conv1d.bias", {10}, false},
      {"blocks.0.mixer.x_proj.weight", {7, 10}, true},
      {"blocks.0.mixer.dt_proj.weight", {10, 1}, true},
      {"blocks.0.mixer.dt_proj.bias", {10}, false},
      {"blocks.0.mixer.A_log", {10, 3}, false},
      {"blocks.0.mixer.D", {10}, false},
      {"blocks.0.mixer.out_proj.weight", {5, 10}, true},
      {"blocks.0.mixer.out_proj.bias", {5}, false},
      {"norm.weight", {5}, false},
      {"head.weight", {13, 5}, true},
  };
  ASSERT_EQ(list.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(list[i].name, std::get<0>(want[i]));
    EXPECT_EQ(list[i].value.shape(), std::get<1>(want[i])) << list[i].name;
    EXPECT_EQ(list[i].decay, std::get<2>(want[i])) << list[i].name;
  }
}

TEST(LanguageModel, CountsMamba130m) {
  const bool poison = arena::poison();
  arena::set_poison(false);
  const auto config = mamba_config({.d_model = 768, .n_layers = 24, .d_state = 16});
  EXPECT_EQ(make_model(config, 50280, DType::f32)->parameters().count(), 129'135'360);
  arena::trim();
  arena::set_poison(poison);
}

TEST(LanguageModel, StartsFromTheSeedAlone) {
  const auto config = mamba_config();
  const auto a = make_model(config, kVocabulary, DType::f32, 1);
  const auto b = make_model(config, kVocabulary, DType::f32, 1);
  const auto c = make_model(config, kVocabulary, DType::f32, 2);
  const auto wide = make_model(config, kVocabulary, DType::f64, 1);
  const Tensor ids = index_input({2, 7}, 1, kVocabulary);
  EXPECT_EQ(bits(logits_of(*a, ids)), bits(logits_of(*b, ids)));
  EXPECT_NE(bits(logits_of(*a, ids)), bits(logits_of(*c, ids)));
  for (size_t i = 0; i < a->parameters().size(); ++i)
    EXPECT_EQ(bits(a->parameters()[i].value), bits(wide->parameters()[i].value.to(DType::f32)));
}

TEST(LanguageModel, ShowsTheResidualStream) {
  const auto model = make_model(mamba_config(), kVocabulary, DType::f32);
  const Tensor ids = index_input({2, 3}, 1, kVocabulary);
  std::vector<std::string> names;
  Pass pass;
  State state;
  model->forward(pass, {ids, {}}, state, [&](const std::string& name, const Var& x) {
    names.push_back(name);
    EXPECT_EQ(x.shape(), (Shape{2, 3, 5})) << name;
  });
  EXPECT_EQ(names, (std::vector<std::string>{"embed", "layers.0", "layers.1", "final"}));
}

// ---- gradients ----

// d loss / d direction against a central difference, every parameter at once.
void expect_gradients(const ModelConfig& config, int64_t length, bool training) {
  const auto model = make_model(config, kVocabulary, DType::f64);
  shake(*model);
  const ParameterList& list = model->parameters();
  const Tokens tokens{index_input({2, length}, 1, kVocabulary), index_input({2, length}, 9, 2)};
  const Tensor labels = index_input({2, length}, 2, kVocabulary);
  loss_and_gradients(*model, tokens, labels, training);
  for (size_t i = 0; i < list.size(); ++i) {
    ASSERT_TRUE(list[i].grad.defined()) << list[i].name;
    const Tensor gradient = list[i].grad.clone(), start = list[i].value.clone();
    const Tensor direction = normal_input(start.shape(), 500 + i);
    double slope = 0;
    for (int64_t k = 0; k < gradient.size(); ++k) slope += gradient.item(k) * direction.item(k);
    const auto loss_at = [&](double h) {
      for (int64_t k = 0; k < start.size(); ++k)
        list[i].value.data<double>()[k] = start.item(k) + h * direction.item(k);
      return loss_and_gradients(*model, tokens, labels, training);
    };
    const double h = 1e-5, difference = (loss_at(h) - loss_at(-h)) / (2 * h);
    list[i].value.copy_from(start);
    EXPECT_NEAR(slope, difference, 1e-7 * std::max(1.0, std::abs(slope))) << list[i].name;
    loss_and_gradients(*model, tokens, labels, training);
  }
}

TEST(LanguageModel, GradientsMatchDifferences) {
  expect_gradients(mamba_config(), 7, false);
  expect_gradients(mamba_config({.d_conv = 1, .bias = true, .conv_bias = false}), 1, false);
  auto config = mamba_config({.d_conv = 2, .dt_rank = 3, .bias = true});
  config.tie_embeddings = false;
  config.norm = "layer_norm";
  config.dropout = 0.25;
  expect_gradients(config, 5, true);
}

TEST(LanguageModel, DropoutActsInTrainingAlone) {
  auto config = mamba_config();
  const Tensor ids = index_input({2, 5}, 1, kVocabulary), labels = index_input({2, 5}, 2, kVocabulary);
  const auto plain = make_model(config, kVocabulary, DType::f32);
  config.dropout = 0.5;
  const auto dropping = make_model(config, kVocabulary, DType::f32);
  shake(*plain), shake(*dropping);
  EXPECT_EQ(loss_and_gradients(*plain, {ids, {}}, labels), loss_and_gradients(*dropping, {ids, {}}, labels));
  const double once = loss_and_gradients(*dropping, {ids, {}}, labels, true);
  EXPECT_NE(loss_and_gradients(*plain, {ids, {}}, labels, true), once);
  EXPECT_EQ(loss_and_gradients(*dropping, {ids, {}}, labels, true), once);
}

TEST(LanguageModel, GradientsFlowThroughCarriedStateUntilItIsDetached) {
  const auto model = make_model(mamba_config({.n_layers = 1}), kVocabulary, DType::f64);
  shake(*model);
  const Tensor ids = index_input({1, 6}, 1, kVocabulary), labels = index_input({1, 3}, 2, kVocabulary);
  const auto gradient_of_second_half = [&](bool detach) {
    model->parameters().clear_gradients();
    Tape tape;
    Pass pass{.tape = &tape};
    State state;
    model->forward(pass, {row_of(ids, 0, 3), {}}, state);
    if (detach) state = state.detach();
    tape.backward(ops::cross_entropy(model->forward(pass, {row_of(ids, 3, 3), {}}, state), labels));
    return model->parameters().find("embedding.weight")->grad.clone();
  };
  const Tensor through = gradient_of_second_half(false), cut = gradient_of_second_half(true);
  // The same loss in one stretch, its first half unlabelled.
  const Tensor all = Tensor::full({1, 6}, -100, DType::i32);
  all.narrow(1, 3, 3).copy_from(labels);
  loss_and_gradients(*model, {ids, {}}, all);
  EXPECT_LT(nmax(through, model->parameters().find("embedding.weight")->grad), 1e-12);
  EXPECT_GT(nmax(cut, through), 1e-6);
}

// ---- the same bits ----

// How many threads work at once: each task waits until `want` of them have come.
size_t threads_at_work(int want) {
  std::mutex mutex;
  std::set<std::thread::id> seen;
  std::atomic<int> here{0};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  kernels::parallel_for(want, [&](int64_t) {
    {
      const std::lock_guard lock(mutex);
      seen.insert(std::this_thread::get_id());
    }
    ++here;
    while (here < want && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  });
  return seen.size();
}

// Loss and every gradient as bytes.
std::string training_bits(DType dtype) {
  const auto model = make_model(mamba_config({.d_model = 40, .n_layers = 2, .d_state = 5}), 70, dtype);
  shake(*model, 0.05);
  const Tokens tokens{index_input({3, 67}, 1, 70), index_input({3, 67}, 2, 2)};
  const double loss = loss_and_gradients(*model, tokens, index_input({3, 67}, 3, 70));
  std::string all(reinterpret_cast<const char*>(&loss), sizeof loss);
  for (size_t i = 0; i < model->parameters().size(); ++i) all += bits(model->parameters()[i].grad);
  return all;
}

TEST(LanguageModel, SameBitsOnThreadsAndTargets) {
  const int threads = kernels::threads();
  const std::string target = kernels::simd_target();
  for (const DType dtype : {DType::f32, DType::f64}) {
    kernels::set_threads(1);
    const std::string want = training_bits(dtype);
    for (const int n : {2, 5}) {
      kernels::set_threads(n);
      EXPECT_EQ(threads_at_work(n), size_t(n));
      EXPECT_TRUE(training_bits(dtype) == want) << n << " threads";
    }
    for (const auto& other : kernels::simd_targets()) {
      if (other == "scalar") continue;  // it has no fused multiply-add: other bits
      kernels::set_simd_target(other);
      EXPECT_TRUE(training_bits(dtype) == want) << other;
    }
    kernels::set_simd_target(target);
  }
  kernels::set_threads(threads);
}

TEST(LanguageModel, ARowOfABatchIsTheRowAlone) {
  const auto model = make_model(mamba_config({.d_model = 19}), kVocabulary, DType::f32);
  shake(*model);
  const Tensor ids = index_input({5, 9}, 1, kVocabulary), together = logits_of(*model, ids);
  for (int64_t b = 0; b < 5; ++b)
    EXPECT_EQ(bits(logits_of(*model, ids.narrow(0, b, 1).clone())), bits(together.narrow(0, b, 1)));
}

#ifndef ADDER_ASAN  // there each buffer is allocated by itself
TEST(LanguageModel, TrainsWithoutAskingTheSystemForMemory) {
  const auto model = make_model(mamba_config({.d_model = 24, .n_layers = 3}), kVocabulary, DType::f32);
  const auto optimizer = make_optimizer({.name = "adamw"}, model->parameters());
  const auto step = [&](uint64_t t) {
    const Tensor ids = index_input({4, 33}, t, kVocabulary);
    loss_and_gradients(*model, {ids, {}}, index_input({4, 33}, t + 50, kVocabulary));
    optimizer->step(1e-3, clip_scale(global_norm(model->parameters()), 1));
    model->parameters().clear_gradients();
  };
  arena::trim();
  step(1);
  const int64_t before = arena::system_allocations();
  for (uint64_t t = 2; t < 6; ++t) step(t);
  EXPECT_EQ(arena::system_allocations(), before);
}
#endif

// ---- refusals ----

std::string message(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "no error";
}

TEST(LanguageModel, NamesThePlaceWhereNumbersStopBeingFinite) {
  const auto model = make_model(mamba_config({.n_layers = 2}), kVocabulary, DType::f32);
  const Tensor ids = index_input({1, 3}, 1, kVocabulary);
  const auto failure = [&](const std::string& parameter) {
    const Parameter* p = model->parameters().find(parameter);
    const Tensor keep = p->value.clone();
    p->value.fill(NAN);
    Tape tape;
    tape.require_finite(true);
    Pass pass{.tape = &tape};
    State state;
    const std::string text = message([&] { model->forward(pass, {ids, {}}, state); });
    p->value.copy_from(keep);
    return text;
  };
  const auto ends_in = [](const std::string& text, const std::string& end) { return text.ends_with(end); };
  EXPECT_PRED2(ends_in, failure("embedding.weight"), "op embedding in embedding, whose parameter embedding.weight is not finite itself");
  EXPECT_PRED2(ends_in, failure("blocks.1.norm.weight"), "op rms_norm in blocks.1.norm, whose parameter blocks.1.norm.weight is not finite itself");
  EXPECT_PRED2(ends_in, failure("blocks.1.mixer.D"), "op selective_scan in blocks.1.mixer, whose parameter blocks.1.mixer.D is not finite itself");
  EXPECT_PRED2(ends_in, failure("norm.weight"), "op rms_norm in norm, whose parameter norm.weight is not finite itself");
}

TEST(LanguageModel, RefusesAForeignState) {
  const auto model = make_model(mamba_config({.n_layers = 2}), kVocabulary, DType::f32);
  State state;
  state.blocks.resize(3);
  const Tensor ids = index_input({1, 2}, 1, kVocabulary);
  EXPECT_EQ(message([&] { logits_of(*model, ids, state); }),
            "[language_model] the state is of 3 blocks, expected 2");
  state.blocks.resize(2);
  state.blocks[1].resize(1);
  EXPECT_EQ(message([&] { logits_of(*model, ids, state); }),
            "[language_model] the state of blocks.1 is of 1 tensors, expected 2");
}

TEST(Registry, RefusesAnUnknownArchitecture) {
  auto config = mamba_config();
  config.architecture = "viper";
  EXPECT_EQ(message([&] { make_model(config, kVocabulary, DType::f32); }),
            "[models] model.architecture is \"viper\", expected one of: attention, "
            "gru, linear_ssm, lru, lstm, mamba, mamba2, min_gru, min_lstm, rnn, s4d");
}

TEST(Registry, ListsEveryArchitectureWithItsOptions) {
  for (const Architecture& a : model_registry().architectures()) {
    EXPECT_FALSE(a.doc.empty()) << a.name;
    ModelConfig config;
    config.architecture = a.name;
    config.d_model = 8, config.n_layers = 1;
    config.mixer = a.options();
    const auto model = make_model(config, kVocabulary, DType::f32);
    const Tensor logits = logits_of(*model, index_input({1, 2}, 1, kVocabulary));
    EXPECT_EQ(logits.shape(), (Shape{1, 2, kVocabulary})) << a.name;
  }
}

}  // namespace
}  // namespace adder
