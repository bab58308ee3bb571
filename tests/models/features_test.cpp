// Models of real inputs: features in place of an embedding, one output, a squared error.
#include <filesystem>

#include "framework/core/error.h"
#include "framework/ops/squared_error.h"
#include "framework/training/model_file.h"
#include "framework/training/trainer.h"
#include "tests/models/model_support.h"
#include "tests/support/check.h"
#include "tests/support/tasks.h"

namespace adder {
namespace {

Config config_of(const std::string& model, const std::vector<std::string>& settings = {}) {
  return parse_config(R"({"data": {"task": {"name": "adding", "length": 9}}, "model": {"d_model": 6, "n_layers": 2, )" + model +
                          R"(}, "training": {"batch_size": 3}})",
                      "adding.json", settings, model_registry());
}
constexpr char kMamba[] = R"("architecture": "mamba", "d_state": 2)";

struct AddingRun {
  Config config;
  TaskBatches batches;
  Trainer trainer;
  explicit AddingRun(const std::string& model, const std::vector<std::string>& settings = {})
      : config(config_of(model, settings)),
        batches(task_of(config.data.task), {config.training.batch_size, 1, 1}, 5),
        trainer(config, make_model(config.model, 1, config.dtype()), batches) {}
};

TEST(Features, EnterByALinearMap) {
  AddingRun run(kMamba);
  ParameterList& parameters = run.trainer.model().parameters();
  EXPECT_EQ(parameters[0].name, "features.weight");
  EXPECT_EQ(parameters[0].value.shape(), (Shape{6, 2}));
  EXPECT_EQ(parameters[1].name, "features.bias");
  EXPECT_EQ(parameters.find("embedding.weight"), nullptr);
  EXPECT_EQ(parameters.find("head.weight")->value.shape(), (Shape{1, 6}));
  EXPECT_EQ(run.trainer.model().features(), 2);
  EXPECT_EQ(run.trainer.model().vocabulary(), 1);
}

TEST(Features, FullEqualsChunksAndSteps) {
  for (const char* keys : {kMamba, R"("architecture": "attention", "n_heads": 3)", R"("architecture": "lstm")"}) {
    AddingRun run(keys, {"precision=float64"});
    Model& model = run.trainer.model();
    shake(model);
    const Tensor features = run.batches.at(0).features;
    const auto through = [&](int64_t first, int64_t length, State& state) {
      Pass pass;
      return model.forward(pass, {{}, {}, row_of(features, first, length)}, state).value();
    };
    State fresh, carried;
    const Tensor whole = through(0, 9, fresh);
    for (const auto& [first, length] : {std::pair<int64_t, int64_t>{0, 4}, {4, 1}, {5, 4}})
      EXPECT_LT(nmax(through(first, length, carried), row_of(whole, first, length)), 1e-12) << keys;
  }
}

TEST(Features, GradientsAgreeWithDifferences) {
  AddingRun run(kMamba, {"precision=float64"});
  Model& model = run.trainer.model();
  shake(model);
  const Batch batch = run.batches.at(0);
  const auto loss = [&] { return run.trainer.loss_of(batch); };
  Tape tape;
  Pass pass{.tape = &tape};
  State state;
  const Var y = model.forward(pass, {{}, {}, batch.features}, state);
  tape.backward(ops::mean_squared_error(y, batch.targets, batch.labels));
  for (const char* name : {"features.weight", "features.bias", "head.weight", "blocks.0.mixer.A_log"}) {
    Parameter& p = *model.parameters().find(name);
    double* x = p.value.data<double>();
    const double kept = x[1 % p.value.size()], step = 1e-5;
    x[1 % p.value.size()] = kept + step;
    const double above = loss();
    x[1 % p.value.size()] = kept - step;
    const double below = loss();
    x[1 % p.value.size()] = kept;
    EXPECT_NEAR(p.grad.item(1 % p.value.size()), (above - below) / (2 * step), 1e-8) << name;
  }
}

TEST(Features, ACheckpointHoldsTheModel) {
  AddingRun run(kMamba);
  run.trainer.step();
  const std::string path = testing::TempDir() + "features_test.h5";
  write_checkpoint(path, run.trainer.snapshot());
  LoadedModel loaded = load_model(path, model_registry());
  EXPECT_EQ(loaded.model->features(), 2);
  EXPECT_EQ(loaded.config.model.features, 2);
  const Batch batch = run.batches.at(3);
  Pass pass;
  State state, other;
  EXPECT_EQ(bits(loaded.model->forward(pass, {{}, {}, batch.features}, state).value()),
            bits(run.trainer.model().forward(pass, {{}, {}, batch.features}, other).value()));
  AddingRun resumed(kMamba);
  resumed.trainer.restore(read_checkpoint(path), path);
  EXPECT_EQ(resumed.trainer.step().loss, run.trainer.step().loss);
  std::filesystem::remove(path);
}

TEST(Features, NothingElseIsTakenForThem) {
  AddingRun real(kMamba);
  const Tensor ids = Tensor::zeros({1, 3}, DType::i32), features = Tensor::zeros({1, 3, 2});
  const auto forward = [](Model& model, const Tokens& tokens) {
    Pass pass;
    State state;
    model.forward(pass, tokens, state);
  };
  EXPECT_EQ(message_of([&] { forward(real.trainer.model(), {ids, {}}); }),
            "[language_model] this model takes real inputs, features (batch, length, 2), not token ids: it was made for a "
            "task such as adding");
  EXPECT_EQ(message_of([&] { forward(real.trainer.model(), {{}, {}, Tensor::zeros({1, 3, 4})}); }),
            "[language_model] features has shape [1, 3, 4], expected [batch, length, 2]");
  const auto text = make_model(mamba_config(), 7, DType::f32);
  EXPECT_EQ(message_of([&] { forward(*text, {{}, {}, features}); }),
            "[language_model] features are given, but this model takes token ids");
  ModelConfig tied = config_of(kMamba).model;
  tied.tie_embeddings = true;
  EXPECT_EQ(message_of([&] { make_model(tied, 1, DType::f32); }),
            "[language_model] model.tie_embeddings is true, but with real inputs there is no embedding");
}

}  // namespace
}  // namespace adder
