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
#include "framework/ops/cross_entropy.h"
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

// ---- optimizers -----------------------------------------------------------------------------------------------

TEST_F(Trains, EveryOptimizerLearnsAndResumesToTheSameBits) {
  for (const std::string name : {"sgd", "lion", "muon"}) {
    SCOPED_TRACE(name);
    std::vector<std::string> settings = {"optimizer.name=" + name, "model.d_model=9", "model.n_layers=1"};
    if (name == "sgd") settings.push_back("optimizer.momentum=0.9");
    if (name == "lion") settings.push_back("optimizer.betas=[0.9, 0.99]");
    TinyRun whole(settings), first(settings), second(settings);
    const double start = whole.trainer.step().loss;
    whole.steps(11);
    first.steps(5);
    const std::string path = testing::TempDir() + "optimizer_" + name + ".h5";
    write_checkpoint(path, first.trainer.snapshot());
    second.trainer.restore(read_checkpoint(path), path);
    second.steps(7);
    expect_same(whole.trainer.snapshot(), second.trainer.snapshot());
    EXPECT_LT(whole.trainer.loss_of(whole.batches.at(0)), start);
    kernels::set_threads(3);
    TinyRun threads(settings);
    threads.steps(12);
    expect_same(whole.trainer.snapshot(), threads.trainer.snapshot());
    kernels::set_threads(0);
  }
}

TEST_F(Trains, MuonNeedsARateToBeInProportionTo) {
  EXPECT_THROW(TinyRun({"optimizer.name=muon", "optimizer.learning_rate=0", "schedule.min_learning_rate=0"}), UsageError);
}

// ---- z-loss -----------------------------------------------------------------------------------------------------

TEST_F(Trains, ZLossIsTrainedOnButNotTold) {
  TinyRun plain, with({"training.z_loss=0.01"});
  const StepReport a = plain.trainer.step(), b = with.trainer.step();
  EXPECT_EQ(a.loss, b.loss);
  EXPECT_FALSE(a.z_loss.has_value());
  ASSERT_TRUE(b.z_loss.has_value());
  EXPECT_NEAR(*b.z_loss, 0.01 * std::pow(std::log(29.0), 2), 0.01);  // all logits are near 0
  EXPECT_NE(a.grad_norm, b.grad_norm);
  EXPECT_NE(plain.trainer.step().loss, with.trainer.step().loss);
}

// ---- a state that is carried ------------------------------------------------------------------------------------

struct CarryingRun {
  Config config;
  SequentialWindows batches;
  Trainer trainer;
  explicit CarryingRun(std::vector<std::string> settings = {}, const TokenSpan& tokens = some_tokens())
      : config(config_with(with_carry(settings))),
        batches(tokens, {config.training.batch_size, config.training.context_length, config.training.accumulate}, true),
        trainer(config, model_registry().make(config.model, 29, uint64_t(config.seed), config.dtype()), batches) {}
  static std::vector<std::string> with_carry(const std::vector<std::string>& settings) {
    std::vector<std::string> all = {"training.state=carry", "data.order=sequential", "training.batch_size=3",
                                    "model.dropout=0", "model.d_model=8"};
    all.insert(all.end(), settings.begin(), settings.end());
    return all;
  }
  void steps(int64_t n) {
    while (n-- > 0) trainer.step();
  }
};

// With a rate of 0 the losses of windows in a row are those of one long window.
TEST_F(Trains, ACarriedStateReadsOnThroughTheStretch) {
  const std::vector<std::string> settings = {"precision=float64", "optimizer.learning_rate=0", "schedule.min_learning_rate=0"};
  const auto mean_loss = [&](const std::string& length, int64_t steps, const std::string& state) {
    auto all = settings;
    all.push_back("training.context_length=" + length), all.push_back("training.state=" + state);
    all.push_back("model.n_layers=1");
    CarryingRun run(all, some_tokens().slice(0, 3 * 120 + 1));  // a stretch of 120 tokens a row
    double sum = 0;
    for (int64_t i = 0; i < steps; ++i) sum += run.trainer.step().loss / double(steps);
    return sum;
  };
  const double whole = mean_loss("120", 1, "carry");
  EXPECT_NEAR(mean_loss("10", 12, "carry"), whole, 1e-13);
  EXPECT_NEAR(mean_loss("10", 24, "carry"), whole, 1e-13);  // begins anew with the stretch
  EXPECT_GT(std::abs(mean_loss("10", 12, "reset") - whole), 1e-6);
}

TEST_F(Trains, MicroBatchesCarryTheStateOnToo) {
  const std::vector<std::string> settings = {"precision=float64", "optimizer.learning_rate=0", "schedule.min_learning_rate=0",
                                             "training.context_length=10", "training.steps=6"};
  auto accumulated = settings;
  accumulated.push_back("training.accumulate=4");
  CarryingRun one(settings), four(accumulated);
  double sum = 0;
  for (int i = 0; i < 4; ++i) sum += one.trainer.step().loss / 4;
  EXPECT_NEAR(four.trainer.step().loss, sum, 1e-13);
}

void expect_carry_resumes(const std::vector<std::string>& settings) {
  CarryingRun whole(settings), first(settings), second(settings);
  whole.steps(9);
  first.steps(4);
  const std::string path = testing::TempDir() + "carry.h5";
  write_checkpoint(path, first.trainer.snapshot());
  const Checkpoint stored = read_checkpoint(path);
  EXPECT_FALSE(stored.carried.empty());
  second.trainer.restore(stored, path);
  second.steps(5);
  expect_same(whole.trainer.snapshot(), second.trainer.snapshot());
  expect_same(whole.trainer.snapshot().carried, second.trainer.snapshot().carried);
}

TEST_F(Trains, ACarriedRunResumesToTheSameBits) {
  expect_carry_resumes({"training.context_length=13"});
  expect_carry_resumes({"training.context_length=13", "training.accumulate=2", "model.d_conv=1"});  // an empty tensor
}

TEST_F(Trains, ACarriedCacheResumesToTheSameBits) {
  // Attention's cache holds integers, and its shape varies until the window is full.
  const std::string text = R"({"name": "t", "data": {"train": "unused.txt", "order": "sequential"},
    "model": {"architecture": "attention", "d_model": 8, "n_layers": 2, "n_heads": 2, "window": 40, "mlp": "gelu"},
    "training": {"steps": 9, "batch_size": 3, "context_length": 13, "state": "carry"}})";
  const auto source = [&](const Config& c) {
    return std::make_unique<SequentialWindows>(some_tokens(), WindowOptions{c.training.batch_size, c.training.context_length}, true);
  };
  const auto run = [&](int64_t stop) {
    const Config c = parse_config(text, "test", {}, model_registry());
    const auto batches = source(c);
    auto trainer = std::make_unique<Trainer>(c, model_registry().make(c.model, 29, 1, c.dtype()), *batches);
    for (int64_t i = 0; i < 9; ++i) {
      if (i == stop) {
        const std::string path = testing::TempDir() + "cache.h5";
        write_checkpoint(path, trainer->snapshot());
        trainer = std::make_unique<Trainer>(c, model_registry().make(c.model, 29, 7, c.dtype()), *batches);
        trainer->restore(read_checkpoint(path), path);
      }
      trainer->step();
    }
    return trainer->snapshot();
  };
  const Checkpoint whole = run(-1);
  for (const int64_t stop : {1, 2, 5}) {
    const Checkpoint resumed = run(stop);
    expect_same(whole, resumed);
    expect_same(whole.carried, resumed.carried);
  }
}

TEST_F(Trains, ACheckpointWithoutItsCarriedStateIsRefused) {
  CarryingRun first, second;
  first.steps(2);
  Checkpoint c = first.trainer.snapshot();
  c.carried.pop_back();  // positions: none before this token
  c.carried.pop_back();
  EXPECT_THROW(second.trainer.restore(c, "x.h5"), UnreadableError);
}

TEST_F(Trains, AStateThatGrowsIsNotCarried) {
  const std::string text = R"({"name": "t", "data": {"train": "unused.txt"},
    "model": {"architecture": "attention", "d_model": 8, "n_layers": 1, "n_heads": 2}})";
  for (const std::string section : {"training", "evaluation"}) {
    const Config c = parse_config(text, "test", {section + ".state=carry"}, model_registry());
    const SequentialWindows batches(some_tokens(), {2, 8}, true);
    try {
      Trainer(c, model_registry().make(c.model, 29, 1, c.dtype()), batches);
      ADD_FAILURE() << "no error";
    } catch (const UsageError& e) {
      EXPECT_EQ(e.what(), section + ".state is \"carry\", but attention's cache grows with the text; set model.window, or " +
                              section + ".state \"reset\"");
    }
  }
}

// ---- documents --------------------------------------------------------------------------------------------------

TEST_F(Trains, DocumentsInARowDoNotSeeEachOther) {
  const Config c = config_with({"model.dropout=0"});
  auto model = model_registry().make(c.model, 29, 1, c.dtype());
  const auto losses_of = [&](int32_t last) {  // of the second document's labels, in a row that holds two
    std::vector<int32_t> ids;
    for (int32_t i = 0; i < 14; ++i) ids.push_back(i == 6 ? last : i % 5 + 3);
    const Batch batch = SequentialWindows(TokenSpan::from(ids, {0, 7}), {1, 13}).at(0);
    Pass pass;
    State state;
    const Var logits = model->forward(pass, {batch.ids, batch.resets}, state);
    const Tensor losses = ops::token_losses(logits.value(), batch.labels);
    EXPECT_EQ(losses.item(6), 0);  // the first document's last token predicts nothing
    return std::vector<double>(losses.data<double>() + 7, losses.data<double>() + 13);
  };
  EXPECT_EQ(losses_of(1), losses_of(2));
}

// A step over packed documents is the step over each of them alone, weighed by its labels.
TEST_F(Trains, PackedDocumentsHaveTheLossOfEachAlone) {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 27; ++i) ids.push_back(i * i % 29);
  const std::vector<int64_t> starts = {0, 5, 6, 15};
  const Config c = config_with({"precision=float64", "training.batch_size=1", "training.context_length=26", "model.dropout=0"});
  const auto loss_of = [&](const TokenSpan& tokens) {
    const SequentialWindows batches(tokens, {1, tokens.size() - 1});
    Trainer trainer(c, model_registry().make(c.model, 29, 1, c.dtype()), batches);
    return trainer.step().loss;
  };
  double sum = 0;
  for (const auto& [first, last] : {std::pair{0, 5}, {6, 15}, {15, 27}})
    sum += loss_of(TokenSpan::from({ids.begin() + first, ids.begin() + last})) * (last - first - 1);
  EXPECT_NEAR(loss_of(TokenSpan::from(ids, starts)), sum / (4 + 8 + 11), 1e-13);
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
