#include "framework/inference/trace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "framework/core/error.h"
#include "framework/interop/source_names.h"
#include "tests/inference/trace_support.h"

namespace adder {
namespace {

using testing_data::fresh_folder;
using testing_data::message_of;
namespace fs = std::filesystem;

constexpr int64_t kVocabulary = 13, kRows = 2, kLength = 9;
constexpr const char* kConfig = R"({"model": {
    "architecture": "mamba", "d_model": 5, "n_layers": 2, "d_state": 3, "tie_embeddings": false}})";

Tensor ids_of(uint64_t seed) { return index_input({kRows, kLength}, seed, kVocabulary); }

class Trace : public testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    folder_ = fresh_folder();
    fs::create_directories(folder_);
    auto config = mamba_config();
    config.tie_embeddings = false;
    const auto model = make_model(config, kVocabulary, DType::f64);
    shake(*model);
    checkpoint_ = write_model(folder_, kConfig, stored_parameters(model->parameters()));
    ids_ = ids_of(3), labels_ = ids_of(4), masked_ = labels_.clone();
    labels_.data<int32_t>()[2] = -100;
    for (int64_t i = 0; i < masked_.size(); i += 2) masked_.data<int32_t>()[i] = -100;
  }
  LoadedModel load() const { return load_model(checkpoint_, model_registry(), GetParam()); }
  std::string input(const std::vector<NamedTensor>& more = {}) const {
    std::vector<NamedTensor> all = {{"input_ids", ids_}, {"labels", labels_}};
    all.insert(all.end(), more.begin(), more.end());
    return write_batch(folder_ + "/batch.h5", all);
  }
  Hdf5File traced(const std::string& batch) const {
    LoadedModel loaded = load();
    trace(loaded, batch, folder_ + "/trace.h5");
    return Hdf5File::open(folder_ + "/trace.h5");
  }
  // The dataset has the model's dtype, and exactly these values.
  void expect_same(const Hdf5File& file, const std::string& name, const Tensor& want) const {
    const Tensor got = file.read(name);
    EXPECT_EQ(got.dtype(), want.dtype()) << name;
    EXPECT_EQ(got.shape(), want.shape()) << name;
    EXPECT_EQ(bits(got), bits(want)) << name;
  }

  std::string folder_, checkpoint_;
  Tensor ids_, labels_, masked_;
};

TEST_P(Trace, HoldsWhatTheModelComputes) {
  const Hdf5File file = traced(input({{"labels_masked", masked_}}));
  const LoadedModel loaded = load();
  Model& model = *loaded.model;
  Pass pass;
  State state;
  const Var logits = model.forward(pass, {ids_, {}}, state, [&](const std::string& name, const Var& x) {
    expect_same(file, "hidden/" + name, x.value());
  });
  expect_same(file, "logits", logits.value());
  expect_same(file, "loss", ops::cross_entropy(logits, labels_).value().reshape({1}));
  expect_same(file, "loss_masked", ops::cross_entropy(logits, masked_).value().reshape({1}));

  loss_and_gradients(model, {ids_, {}}, labels_);
  double squares = 0;
  std::vector<std::string> want = {"decode_logits",   "grad_norm",       "hidden/embed", "hidden/final",
                                   "hidden/layers.0", "hidden/layers.1", "logits",       "loss",
                                   "loss_masked"};
  for (size_t i = 0; i < model.parameters().size(); ++i) {
    const Parameter& p = model.parameters()[i];
    want.push_back("grads/" + p.name);
    expect_same(file, want.back(), p.grad);
    for (int64_t k = 0; k < p.grad.size(); ++k) squares += p.grad.item(k) * p.grad.item(k);
  }
  EXPECT_EQ(file.read("grad_norm", DType::f64, {1}).shape(), Shape{1});
  EXPECT_NEAR(file.read_double("grad_norm"), std::sqrt(squares), 1e-12 * std::sqrt(squares));
  std::sort(want.begin(), want.end());
  EXPECT_EQ(names_in(file), want);
}

TEST_P(Trace, DecodesOneTokenAtATime) {
  const Hdf5File file = traced(input());
  const Tensor decoded = file.read("decode_logits");
  EXPECT_EQ(decoded.dtype(), GetParam());
  ASSERT_EQ(decoded.shape(), (Shape{kRows, kLength, kVocabulary}));
  EXPECT_LT(nmax(decoded, file.read("logits")), GetParam() == DType::f64 ? 1e-12 : 1e-5);
  const LoadedModel loaded = load();
  State state;
  for (int64_t t = 0; t < kLength; ++t)
    EXPECT_EQ(bits(decoded.narrow(1, t, 1)), bits(logits_of(*loaded.model, row_of(ids_, t, 1), state))) << t;
  EXPECT_FALSE(file.exists("loss_masked"));
  EXPECT_FALSE(file.exists("greedy"));
}

// The likeliest continuation, the whole text again for each token.
Tensor continued(Model& model, const Tensor& ids, int64_t prompt, int64_t count) {
  const Tensor text = Tensor::zeros({ids.dim(0), prompt + count}, DType::i32);
  text.narrow(1, 0, prompt).copy_from(ids.narrow(1, 0, prompt));
  for (int64_t t = prompt; t < prompt + count; ++t) {
    const Tensor logits = logits_of(model, row_of(text, 0, t));
    for (int64_t b = 0; b < ids.dim(0); ++b) {
      const Tensor row = logits.narrow(0, b, 1).narrow(1, t - 1, 1);
      int32_t best = 0;
      for (int32_t v = 1; v < kVocabulary; ++v)
        if (row.item(v) > row.item(best)) best = v;
      text.data<int32_t>()[b * text.dim(1) + t] = best;
    }
  }
  return row_of(text, prompt, count);
}

TEST_P(Trace, ContinuesGreedilyWhereAsked) {
  const LoadedModel loaded = load();
  const Tensor prompt = Tensor::from<int32_t>({1}, std::vector<int32_t>{5});
  expect_same(traced(input({{"greedy/prompt_len", prompt}})), "greedy/tokens",
              continued(*loaded.model, ids_, 5, 16));
  const Tensor room = Tensor::zeros({kRows, 3}, DType::i32);
  expect_same(traced(input({{"greedy/prompt_len", prompt}, {"greedy/tokens", room}})), "greedy/tokens",
              continued(*loaded.model, ids_, 5, 3));
}

TEST_P(Trace, LeavesNoGradientAndRepeats) {
  LoadedModel loaded = load();
  const std::string batch = input(), a = folder_ + "/a.h5", b = folder_ + "/b.h5";
  trace(loaded, batch, a);
  for (size_t i = 0; i < loaded.model->parameters().size(); ++i)
    EXPECT_FALSE(loaded.model->parameters()[i].grad.defined());
  trace(loaded, batch, b);
  const Hdf5File first = Hdf5File::open(a), second = Hdf5File::open(b);
  ASSERT_EQ(names_in(first), names_in(second));
  for (const std::string& name : names_in(first))
    EXPECT_EQ(bits(first.read(name)), bits(second.read(name))) << name;
}

TEST_P(Trace, RefusesABatchThatIsNone) {
  LoadedModel loaded = load();
  const std::string out = folder_ + "/out.h5";
  const auto error = [&](const std::vector<NamedTensor>& datasets) {
    const std::string batch = write_batch(folder_ + "/bad.h5", datasets);
    const std::string text = message_of<UnreadableError>([&] { trace(loaded, batch, out); });
    EXPECT_HAS(text, batch);
    EXPECT_FALSE(fs::exists(out));
    return text;
  };
  const auto with = [](Tensor t, int64_t at, int32_t value) {
    t.data<int32_t>()[at] = value;
    return t;
  };
  const NamedTensor ids{"input_ids", ids_}, labels{"labels", labels_};
  const auto one = [](int32_t value) { return Tensor::from<int32_t>({1}, std::vector<int32_t>{value}); };
  EXPECT_HAS(error({ids}),
             "there is no dataset /labels; expected input_ids and labels, integers [rows, length]");
  EXPECT_HAS(error({labels}), "there is no dataset /input_ids");
  EXPECT_HAS(error({ids, {"labels", Tensor::zeros({kRows, kLength})}}),
             "/labels: found float32 [2, 9]; expected");
  EXPECT_HAS(error({{"input_ids", ids_.reshape({1, kRows, kLength})}, labels}),
             "a file with one of the batches");
  EXPECT_HAS(error({{"input_ids", Tensor::zeros({0, 3}, DType::i32)}, labels}), "found int32 [0, 3]");
  EXPECT_HAS(error({ids, {"labels", row_of(labels_, 0, 4)}}),
             "found shape [2, 4], expected that of /input_ids, [2, 9]");
  EXPECT_HAS(error({{"input_ids", with(ids_.clone(), 10, 13)}, labels}),
             "row 1, position 1: found 13, expected 0 to 12");
  EXPECT_HAS(error({{"input_ids", with(ids_.clone(), 1, -100)}, labels}),
             "row 0, position 1: found -100, expected 0 to 12;");
  EXPECT_HAS(error({ids, {"labels", with(labels_.clone(), 9, -1)}}),
             "row 1, position 0: found -1, expected 0 to 12 or -100");
  EXPECT_HAS(error({ids, labels, {"labels_masked", with(labels_.clone(), 0, 99)}}),
             "/labels_masked: row 0, position 0");
  EXPECT_HAS(error({ids, labels, {"greedy/prompt_len", one(0)}}), "found 0, expected 1 to the 9 positions");
  EXPECT_HAS(error({ids, labels, {"greedy/prompt_len", one(10)}}), "found 10, expected 1 to");
  const NamedTensor wrong_rows{"greedy/tokens", Tensor::zeros({3, 4}, DType::i32)};
  EXPECT_HAS(error({ids, labels, {"greedy/prompt_len", one(3)}, wrong_rows}),
             "found shape [3, 4], expected [2, count]");
  EXPECT_HAS(message_of<UnreadableError>([&] { trace(loaded, folder_ + "/none.h5", out); }), "no such file");
}

TEST_P(Trace, OverwritesNeitherItsInputNorTheCheckpoint) {
  LoadedModel loaded = load();
  const std::string batch = input();
  const std::string same = folder_ + "/../" + fs::path(folder_).filename().string() + "/batch.h5";
  EXPECT_HAS(message_of<UsageError>([&] { trace(loaded, batch, same); }), "is the batch itself");
  EXPECT_HAS(message_of<UsageError>([&] { trace(loaded, batch, checkpoint_); }), "is the checkpoint itself");
  EXPECT_TRUE(Hdf5File::open(batch).exists("input_ids"));
  EXPECT_HAS(message_of<Error>([&] { trace(loaded, batch, folder_ + "/none/trace.h5"); }), "none/trace.h5");
}

TEST_P(Trace, SourceNamesNeedAnImportedModel) {
  LoadedModel loaded = load();
  EXPECT_HAS(message_of<UnreadableError>([&] { source_names(loaded); }),
             checkpoint_ + ": keeps no names of another program");
  loaded.checkpoint.source_json = R"({"model_type": "x", "tensors": [
    {"ours": "embedding.weight", "source": "wte", "shape": [5, 13], "transposed": true}]})";
  const auto names = source_names(loaded);
  const auto theirs = names({"embedding.weight", loaded.model->parameters()[0].value});
  ASSERT_EQ(theirs.size(), 1u);
  const NamedTensor& turned = theirs[0];
  EXPECT_EQ(turned.name, "wte");
  ASSERT_EQ(turned.value.shape(), (Shape{5, 13}));
  EXPECT_EQ(turned.value.item(1), loaded.model->parameters()[0].value.item(5));
  const std::string out = folder_ + "/out.h5";
  EXPECT_HAS(message_of<UnreadableError>([&] { trace(loaded, input(), out, names); }),
             "does not name blocks.0.norm.weight");
  EXPECT_FALSE(fs::exists(out));
  for (const auto& entry : fs::directory_iterator(folder_)) EXPECT_NE(entry.path().extension(), ".adder-tmp");
}

INSTANTIATE_TEST_SUITE_P(Precision, Trace, testing::Values(DType::f32, DType::f64),
                         [](const auto& info) { return name(info.param); });

}  // namespace
}  // namespace adder
