// evaluate_task(): equal to a direct count, whatever the rows at once and the windows.
#include "framework/inference/evaluate_task.h"

#include "framework/core/error.h"
#include "tests/models/model_support.h"
#include "tests/support/check.h"
#include "tests/support/tasks.h"

namespace adder {
namespace {

ModelConfig model_config(const OneTask& task, const std::string& keys) {
  return parse_config(R"({"data": {"task": {"name": ")" + task.config.name + R"("}}, "model": {"d_model": 8, "n_layers": 2, )" +
                          keys + "}}",
                      "model.json", {}, model_registry())
      .model;
}

std::unique_ptr<Model> shaken(const OneTask& task, const std::string& keys, DType dtype = DType::f32) {
  auto model = make_model(model_config(task, keys), task->vocabulary(), dtype);
  shake(*model);
  return model;
}

Tensor output_of(Model& model, const Batch& batch) {
  Pass pass;
  State state;
  return model.forward(pass, {batch.ids, {}, batch.features}, state).value();
}

TEST(EvaluateTask, CountsWhatIsRight) {
  for (const char* keys : {R"("architecture": "mamba")", R"("architecture": "attention", "n_heads": 2)"}) {
    const OneTask task(R"("name": "selective_copying", "length": 10, "tokens": 3, "symbols": 3)");
    const auto model = shaken(task, keys);
    const TaskEvaluation e = evaluate_task(*model, *task, 17, {.examples = 70, .seed = 5});
    const Batch batch = evaluation_examples(*task, 5, 17, 0, 70);
    const Tensor logits = output_of(*model, batch);
    double nats = 0;
    int64_t right = 0, all_right = 0;
    for (int64_t r = 0; r < 70; ++r) {
      int64_t wrong = 0;
      for (int64_t t = 0; t < 20; ++t) {
        const int64_t label = int64_t(batch.labels.item(r * 20 + t)), vocabulary = task->vocabulary();
        if (label == kIgnoreLabel) continue;
        double total = 0;
        int64_t best = 0;
        for (int64_t v = 0; v < vocabulary; ++v) {
          total += std::exp(logits.item((r * 20 + t) * vocabulary + v));
          if (logits.item((r * 20 + t) * vocabulary + v) > logits.item((r * 20 + t) * vocabulary + best)) best = v;
        }
        nats += std::log(total) - logits.item((r * 20 + t) * vocabulary + label);
        wrong += best != label, right += best == label;
      }
      all_right += wrong == 0;
    }
    EXPECT_TRUE(e.complete);
    EXPECT_EQ(e.examples, 70);
    EXPECT_EQ(e.scored, 210);
    EXPECT_NEAR(e.loss, nats / 210, 1e-5);
    EXPECT_EQ(e.token_accuracy, double(right) / 210);
    EXPECT_EQ(e.sequence_accuracy, double(all_right) / 70);
    EXPECT_GT(e.token_accuracy, 0);
    EXPECT_LT(e.token_accuracy, 1);
  }
}

TEST(EvaluateTask, RealInputsHaveASquaredError) {
  const OneTask task(R"("name": "adding", "length": 8)");
  const auto model = shaken(task, R"("architecture": "gru")");
  const TaskEvaluation e = evaluate_task(*model, *task, 8, {.examples = 30, .seed = 5});
  const Batch batch = evaluation_examples(*task, 5, 8, 0, 30);
  const Tensor y = output_of(*model, batch);
  double total = 0;
  for (int64_t r = 0; r < 30; ++r) total += std::pow(y.item(r * 8 + 7) - batch.targets.item(r * 8 + 7), 2);
  EXPECT_NEAR(e.loss, total / 30, 1e-6);
  EXPECT_EQ(e.metric(TaskMetric::loss), e.loss);
  EXPECT_TRUE(std::isnan(e.token_accuracy));
  EXPECT_TRUE(std::isnan(e.sequence_accuracy));
}

// In float64 the two ways differ by rounding alone; what is likeliest is the same.
TEST(EvaluateTask, StreamedEqualsWhole) {
  const OneTask task(R"("name": "selective_copying", "length": 40, "tokens": 4, "symbols": 5)");
  for (const char* keys : {R"("architecture": "mamba", "d_conv": 4)", R"("architecture": "lstm")",
                           R"("architecture": "min_gru", "d_conv": 3)", R"("architecture": "s4d")",
                           R"("architecture": "attention", "n_heads": 2, "window": 6)"}) {
    const auto model = shaken(task, keys, DType::f64);
    ASSERT_TRUE(model->bounded_state());
    const TaskEvaluation whole = evaluate_task(*model, *task, 40, {.examples = 20, .seed = 5});
    for (const int64_t window : {1, 7, 43}) {
      const TaskEvaluation streamed = evaluate_task(*model, *task, 40, {.examples = 20, .seed = 5, .window = window});
      EXPECT_NEAR(streamed.loss, whole.loss, 1e-10) << keys << ", window " << window;
      EXPECT_EQ(streamed.token_accuracy, whole.token_accuracy) << keys;
      EXPECT_EQ(streamed.sequence_accuracy, whole.sequence_accuracy) << keys;
      EXPECT_EQ(streamed.scored, 80);
    }
  }
}

// Memory is that of a window: the example itself aside it does not grow with the length.
TEST(EvaluateTask, StreamingTakesConstantMemory) {
  const OneTask task(R"("name": "parity")");
  const auto model = shaken(task, R"("architecture": "mamba")");
  const auto peak = [&](int64_t length) {
    arena::trim();
    const int64_t before = arena::bytes_in_use();
    arena::reset_peak();
    evaluate_task(*model, *task, length, {.examples = 1, .seed = 5, .window = 128});
    return arena::peak_bytes_in_use() - before - 8 * length;
  };
  const int64_t small = peak(512), large = peak(8192);
  EXPECT_LT(double(large), 1.1 * double(small)) << small << " and " << large << " bytes";
}

TEST(EvaluateTask, ModelsWithoutBoundedStateHaveALimit) {
  const OneTask task(R"("name": "parity")");
  const auto model = shaken(task, R"("architecture": "attention", "n_heads": 2)");
  EXPECT_NO_THROW(require_evaluable(*model, *task, kLongestWhole));
  const std::string said = message_of([&] { evaluate_task(*model, *task, kLongestWhole + 1, {}); });
  EXPECT_NE(said.find("examples of length 32769 have 32769 positions"), std::string::npos) << said;
  EXPECT_NE(said.find("data.task.evaluation_lengths"), std::string::npos) << said;
  EXPECT_NO_THROW(require_evaluable(*shaken(task, R"("architecture": "gru")"), *task, 1 << 24));
}

TEST(EvaluateTask, GivesUpWhenAsked) {
  const OneTask task(R"("name": "parity")");
  const auto model = shaken(task, R"("architecture": "gru")");
  int asked = 0;
  const TaskEvaluation e =
      evaluate_task(*model, *task, 100, {.examples = 10, .seed = 5, .window = 10, .stop = [&] { return ++asked > 3; }});
  EXPECT_FALSE(e.complete);
  EXPECT_EQ(asked, 4);
}

}  // namespace
}  // namespace adder
