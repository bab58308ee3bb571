#include "framework/training/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>

#include "framework/config/config.h"
#include "framework/core/error.h"
#include "kernels/parallel.h"
#include "kernels/simd_target.h"
#include "models/registry.h"

namespace adder {
namespace {

constexpr char kConfig[] = R"({
  "name": "t", "data": {"train": "unused.txt"},
  "model": {"architecture": "mamba", "d_model": 19, "n_layers": 2, "d_state": 5, "dropout": 0.1},
  "optimizer": {"learning_rate": 0.01},
  "schedule": {"name": "cosine", "warmup_steps": 3, "decay_steps": 20, "min_learning_rate": 0.001},
  "training": {"steps": 12, "batch_size": 7, "context_length": 33}
})";

TokenSpan some_tokens() {
  std::vector<int32_t> ids;
  const Random random(5, "test text");
  for (uint64_t i = 0; i < 3000; ++i) ids.push_back(int32_t(random.below(i, 4) ? i % 11 : random.below(i + 9000, 29)));
  return TokenSpan::from(ids);
}

Config config_with(const std::vector<std::string>& overrides) { return parse_config(kConfig, "test", overrides, model_registry()); }

struct TinyRun {
  Config config;
  RandomWindows batches;
  Trainer trainer;
  explicit TinyRun(const std::vector<std::string>& overrides = {})
      : config(config_with(overrides)),
        batches(some_tokens(),
                {config.training.batch_size, config.training.context_length, config.training.accumulate}, uint64_t(config.seed)),
        trainer(config, model_registry().make(config.model, 29, uint64_t(config.seed), config.dtype()), batches) {}
  void steps(int64_t n) {
    while (n-- > 0) trainer.step();
  }
};

void expect_same(const std::vector<NamedTensor>& a, const std::vector<NamedTensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].name, b[i].name);
    ASSERT_EQ(a[i].value.shape(), b[i].value.shape());
    EXPECT_EQ(0, std::memcmp(a[i].value.raw(), b[i].value.raw(), size_t(a[i].value.size()) * bytes_of(a[i].value.dtype())))
        << a[i].name;
  }
}

void expect_same(const Checkpoint& a, const Checkpoint& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.tokens, b.tokens);
  expect_same(a.model, b.model);
  ASSERT_EQ(a.optimizer.size(), b.optimizer.size());
  for (size_t s = 0; s < a.optimizer.size(); ++s) expect_same(a.optimizer[s].second, b.optimizer[s].second);
}

class Trains : public testing::Test {
 protected:
  void TearDown() override {
    kernels::set_threads(0);
    kernels::set_simd_target("");
  }
};

TEST_F(Trains, LossFalls) {
  TinyRun run({"training.steps=60", "schedule.decay_steps=60"});
  const double first = run.trainer.step().loss;
  run.steps(58);
  const double last = run.trainer.step().loss;
  EXPECT_NEAR(first, std::log(29.0), 0.1);
  EXPECT_LT(last, first - 1);
}

TEST_F(Trains, ResumedRunHasTheSameBits) {
  TinyRun whole, first, second;
  whole.steps(12);
  first.steps(5);
  const std::string path = testing::TempDir() + "resume.h5";
  write_checkpoint(path, first.trainer.snapshot());
  second.trainer.restore(read_checkpoint(path), path);
  EXPECT_EQ(second.trainer.steps_done(), 5);
  second.steps(7);
  expect_same(whole.trainer.snapshot(), second.trainer.snapshot());
}

// All `count` threads must be inside a task at once for any of them to leave.
void expect_threads_run(int count) {
  std::mutex mutex;
  std::condition_variable all;
  std::set<std::thread::id> seen;
  kernels::parallel_for(count, [&](int64_t) {
    std::unique_lock lock(mutex);
    seen.insert(std::this_thread::get_id());
    all.notify_all();
    all.wait_for(lock, std::chrono::seconds(20), [&] { return int(seen.size()) == count; });
  });
  ASSERT_EQ(int(seen.size()), count) << "threads that ran at once";
}

TEST_F(Trains, AnyNumberOfThreadsGivesTheSameBits) {
  kernels::set_threads(1);
  TinyRun one;
  one.steps(4);
  for (int count : {2, 5}) {
    kernels::set_threads(count);
    expect_threads_run(count);
    TinyRun many;
    many.steps(4);
    expect_same(one.trainer.snapshot(), many.trainer.snapshot());
  }
}

TEST_F(Trains, SimdTargetsGiveTheSameBits) {
  TinyRun best;
  best.steps(4);
  for (const auto& target : kernels::simd_targets()) {
    if (target == "scalar") continue;  // no fused multiply-add there
    kernels::set_simd_target(target);
    TinyRun other;
    other.steps(4);
    expect_same(best.trainer.snapshot(), other.trainer.snapshot());
  }
}

TEST_F(Trains, AccumulatedPartsAddUpToTheWholeBatch) {
  // One part repeated: the mean gradient of equal parts is the part's own.
  struct Same : BatchSource {
    Batch batch;
    Batch at(int64_t, int64_t) const override { return batch; }
    int64_t batch_size() const override { return batch.ids.dim(0); }
    int64_t length() const override { return batch.ids.dim(1); }
  } source;
  source.batch = RandomWindows(some_tokens(), {4, 9, 1}, 1).at(0);
  const auto trained = [&](const std::string& accumulate) {
    const Config c = config_with({"model.dropout=0", "precision=float64", accumulate});
    Trainer t(c, model_registry().make(c.model, 29, 1, DType::f64), source);
    const double norm = t.step().grad_norm;
    return std::pair(norm, t.tokens());
  };
  const auto [one, tokens_one] = trained("training.accumulate=1");
  const auto [four, tokens_four] = trained("training.accumulate=4");
  EXPECT_NEAR(one, four, 1e-12 * one);
  EXPECT_EQ(tokens_four, 4 * tokens_one);
}

TEST_F(Trains, DivergenceNamesStepModuleAndOp) {
  TinyRun run({"precision=float32"});
  run.steps(2);
  Parameter* weight = run.trainer.model().parameters().find("blocks.1.mixer.conv1d.weight");
  ASSERT_NE(weight, nullptr);
  weight->value.fill(std::nan(""));
  const Checkpoint before = run.trainer.snapshot();
  try {
    run.trainer.step();
    FAIL() << "no error";
  } catch (const DivergedError& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("step 3"), std::string::npos) << text;
    EXPECT_NE(text.find("causal_conv1d in blocks.1"), std::string::npos) << text;
    EXPECT_EQ(e.exit_code(), kDiverged);
  }
  EXPECT_EQ(run.trainer.steps_done(), 2);
}

#ifndef ADDER_ASAN  // there each buffer is allocated by itself
TEST_F(Trains, NothingIsAllocatedFromTheSystemAfterTheFirstSteps) {
  TinyRun run;
  run.steps(2);
  const int64_t before = arena::system_allocations();
  run.steps(3);
  EXPECT_EQ(arena::system_allocations(), before);
}
#endif

}  // namespace
}  // namespace adder
