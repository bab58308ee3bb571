#include "framework/data/batches.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "framework/core/error.h"
#include "framework/core/random.h"
#include "framework/data/hdf5.h"
#include "tests/data/files.h"

namespace adder {
namespace {

using namespace testing_data;

TokenSpan counting(int64_t n) {
  std::vector<int32_t> ids(size_t(std::max<int64_t>(n, 0)));
  std::iota(ids.begin(), ids.end(), 0);
  return TokenSpan::from(ids);
}

std::vector<int32_t> values(const Tensor& t) { return {t.data<int32_t>(), t.data<int32_t>() + t.size()}; }
bool equal(const Batch& a, const Batch& b) {
  return a.ids.shape() == b.ids.shape() && values(a.ids) == values(b.ids) &&
         values(a.labels) == values(b.labels);
}

// Token i is i, so that a row tells where it came from.
void expect_windows(const Batch& batch, const std::vector<int64_t>& starts) {
  const int64_t length = batch.ids.dim(1);
  ASSERT_EQ(batch.ids.dim(0), int64_t(starts.size()));
  ASSERT_EQ(batch.labels.shape(), batch.ids.shape());
  for (size_t row = 0; row < starts.size(); ++row)
    for (int64_t t = 0; t < length; ++t) {
      ASSERT_EQ(batch.ids.item(int64_t(row) * length + t), starts[row] + t);
      ASSERT_EQ(batch.labels.item(int64_t(row) * length + t), starts[row] + t + 1);
    }
}

TEST(RandomWindows, AreAPureFunctionOfSeedStepAndMicroStep) {
  const RandomWindows a(counting(1000), {.batch_size = 4, .context_length = 7}, 5);
  const RandomWindows b(counting(1000), {.batch_size = 4, .context_length = 7}, 5);
  const RandomWindows other(counting(1000), {.batch_size = 4, .context_length = 7}, 6);
  const Batch late = a.at(9, 1);
  for (int64_t step = 0; step < 5; ++step) EXPECT_TRUE(equal(a.at(step), b.at(step)));
  EXPECT_TRUE(equal(late, b.at(9, 1)));
  EXPECT_FALSE(equal(a.at(0), a.at(1)));
  EXPECT_FALSE(equal(a.at(0, 0), a.at(0, 1)));
  EXPECT_FALSE(equal(a.at(0), other.at(0)));
  const Random random(5, "order", 9, 1);
  std::vector<int64_t> starts;
  for (uint64_t row = 0; row < 4; ++row) starts.push_back(int64_t(random.below(row, 1000 - 7)));
  expect_windows(late, starts);
}

TEST(RandomWindows, ReachEveryStartAndNothingBeyond) {
  const RandomWindows source(counting(12), {.batch_size = 8, .context_length = 5}, 1);
  std::set<int32_t> starts;
  for (int64_t step = 0; step < 100; ++step) {
    const Batch batch = source.at(step);
    for (int64_t row = 0; row < 8; ++row) {
      starts.insert(batch.ids.data<int32_t>()[row * 5]);
      ASSERT_LE(batch.labels.data<int32_t>()[row * 5 + 4], 11);
    }
  }
  EXPECT_EQ(starts, (std::set<int32_t>{0, 1, 2, 3, 4, 5, 6}));
}

TEST(RandomWindows, TextShorterThanTheContext) {
  EXPECT_HAS(message_of<UnreadableError>([] { RandomWindows(counting(5), {.context_length = 5}, 1); }),
             "5 tokens, expected at least training.context_length + 1 = 6");
  EXPECT_EQ(RandomWindows(counting(6), {.context_length = 5}, 1).at(0).ids.item(0), 0);
  EXPECT_THROW(RandomWindows(counting(6), {.batch_size = 0}, 1), UsageError);
}

TEST(SequentialWindows, WalkTheTextOverAndOver) {
  const SequentialWindows source(counting(24), {.batch_size = 2, .context_length = 5});  // starts 0, 5, 10, 15
  EXPECT_EQ(source.windows(), 4);
  expect_windows(source.at(0), {0, 5});
  expect_windows(source.at(1), {10, 15});
  expect_windows(source.at(2), {0, 5});
  EXPECT_FALSE(source.continues(1));
  const SequentialWindows odd(counting(16), {.batch_size = 2, .context_length = 5, .accumulate = 2});
  expect_windows(odd.at(0, 0), {0, 5});
  expect_windows(odd.at(0, 1), {10, 0});
  expect_windows(odd.at(1, 0), {5, 10});
}

TEST(SequentialWindows, StreamsGoOnRowByRow) {
  const SequentialWindows source(counting(36), {.batch_size = 2, .context_length = 5, .accumulate = 2}, true);
  ASSERT_EQ(source.windows(), 7);  // three a row
  expect_windows(source.at(0, 0), {0, 15});
  expect_windows(source.at(0, 1), {5, 20});
  expect_windows(source.at(1, 0), {10, 25});
  expect_windows(source.at(1, 1), {0, 15});
  EXPECT_FALSE(source.continues(0, 0));
  EXPECT_TRUE(source.continues(0, 1));
  EXPECT_TRUE(source.continues(1, 0));
  EXPECT_FALSE(source.continues(1, 1));
  EXPECT_HAS(message_of<UnreadableError>([] {
               SequentialWindows(counting(11), {.batch_size = 3, .context_length = 5}, true);
             }), "2 windows of 5 tokens");
}

// ---- documents --------------------------------------------------------------------------------------------

// Token i is i; documents start at 0, 4, 9 and 10.
TokenSpan four_documents() {
  std::vector<int32_t> ids(16);
  std::iota(ids.begin(), ids.end(), 0);
  return TokenSpan::from(ids, {0, 4, 9, 10});
}

constexpr int32_t kNone = kIgnoreLabel;

TEST(Documents, BatchesMarkStartsAndPredictNoneOfThem) {
  const SequentialWindows source(four_documents(), {.batch_size = 3, .context_length = 5});
  const Batch batch = source.at(0);
  EXPECT_EQ(values(batch.ids), (std::vector<int32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}));
  EXPECT_EQ(values(batch.resets), (std::vector<int32_t>{1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0}));
  EXPECT_EQ(values(batch.labels),
            (std::vector<int32_t>{1, 2, 3, kNone, 5, 6, 7, 8, kNone, kNone, 11, 12, 13, 14, 15}));
  const TokenSpan tail = four_documents().slice(10, 6);  // no document starts but with the first token
  EXPECT_EQ(values(SequentialWindows(tail, {.context_length = 5}).at(0).resets),
            (std::vector<int32_t>{1, 0, 0, 0, 0}));
  EXPECT_FALSE(SequentialWindows(four_documents().slice(5, 4), {.context_length = 3}).at(0).resets.defined());
  EXPECT_FALSE(SequentialWindows(counting(6), {.context_length = 5}).at(0).resets.defined());
}

TEST(Documents, ALabelBeyondTheWindowIsIgnoredToo) {
  const SequentialWindows source(four_documents(), {.context_length = 4});
  EXPECT_EQ(values(source.at(0).labels), (std::vector<int32_t>{1, 2, 3, kNone}));
  EXPECT_EQ(values(source.at(0).resets), (std::vector<int32_t>{1, 0, 0, 0}));
}

TEST(Documents, RandomWindowsHaveThem) {
  const RandomWindows source(four_documents(), {.batch_size = 8, .context_length = 6}, 3);
  const Batch batch = source.at(0);
  ASSERT_TRUE(batch.resets.defined());
  for (int64_t i = 0; i < batch.ids.size(); ++i) {
    const int32_t id = values(batch.ids)[size_t(i)], label = values(batch.labels)[size_t(i)];
    EXPECT_EQ(values(batch.resets)[size_t(i)], int(id == 0 || id == 4 || id == 9 || id == 10));
    EXPECT_EQ(label, id == 3 || id == 8 || id == 9 ? kNone : id + 1);
  }
}

TEST(Documents, EvaluationScoresEachTokenButFirstOnes) {
  for (const int64_t window : {1, 3, 5, 20})
    for (int64_t stride = 1; stride <= std::min<int64_t>(window, 5); ++stride) {
      const EvaluationWindows pass(four_documents(), window, stride, 2);
      std::multiset<int32_t> scored;
      for (int64_t b = 0; b < pass.batches(); ++b)
        for (const int32_t label : values(pass.at(b).labels))
          if (label != kNone) scored.insert(label);
      EXPECT_EQ(scored, (std::multiset<int32_t>{1, 2, 3, 5, 6, 7, 8, 11, 12, 13, 14, 15}));
    }
}

// ---- from a file ------------------------------------------------------------------------------------------

struct FileBatchesTest : testing::Test {
  std::string path = fresh_folder() + "/batches.h5";
  Shape shape{3, 2, 2};
  std::vector<int32_t> ids{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1};
  std::vector<int32_t> labels{1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, -100};

  void write(const Shape& label_shape) {
    Hdf5File file = Hdf5File::create(path);
    file.write("/input_ids", Tensor::from(shape, ids));
    file.write("/labels", Tensor::from(label_shape, labels));
    file.close();
  }
  std::string error() {
    return message_of<UnreadableError>([&] { FileBatches(path, 10); });
  }
};

TEST_F(FileBatchesTest, BatchKAtStepK) {
  write(shape);
  const FileBatches source(path, 10);
  EXPECT_EQ(source.count(), 3);
  EXPECT_EQ(source.batch_size(), 2);
  EXPECT_EQ(source.length(), 2);
  EXPECT_EQ(values(source.at(1).ids), (std::vector<int32_t>{4, 5, 6, 7}));
  EXPECT_EQ(values(source.at(2).labels), (std::vector<int32_t>{9, 0, 1, -100}));
  EXPECT_EQ(source.at(0).ids.shape(), (Shape{2, 2}));
  EXPECT_HAS(message_of<UnreadableError>([&] { source.at(3); }),
             "holds 3 batches, batch 3 (from 0) was asked for");
  EXPECT_HAS(message_of<UnreadableError>([&] { source.require_steps(4); }), "set training.steps to 3 or less");
  source.require_steps(3);
  EXPECT_EQ(values(FileBatches(path, 10, 2).at(1, 0).ids), (std::vector<int32_t>{8, 9, 0, 1}));
  EXPECT_THROW(FileBatches(path, 10, 2).require_steps(2), UnreadableError);
}

TEST_F(FileBatchesTest, IdsOutsideTheVocabulary) {
  ids[7] = 10;
  write(shape);
  EXPECT_HAS(error(), "/input_ids: batch 1, row 1, position 1: found 10, expected 0 to 9");
  ids[7] = -100;
  write(shape);
  EXPECT_HAS(error(), "/input_ids: batch 1, row 1, position 1: found -100");
  ids[7] = 7, labels[2] = -1;
  write(shape);
  EXPECT_HAS(error(), "/labels: batch 0, row 1, position 0: found -1, expected 0 to 9 or -100");
}

TEST_F(FileBatchesTest, WrongLayout) {
  write({3, 4});
  EXPECT_HAS(error(), "/labels: found int32 [3, 4], expected integers [batches, rows, length]");
  write({3, 4, 1});
  EXPECT_HAS(error(), "/labels: found shape [3, 4, 1], expected that of /input_ids, [3, 2, 2]");
  Hdf5File file = Hdf5File::create(path);
  file.write("/input_ids", Tensor::zeros({1, 1, 1}));
  file.close();
  EXPECT_HAS(error(), "there is no dataset /labels");
  EXPECT_HAS(message_of<UnreadableError>([&] { FileBatches(path + "x", 10); }), "no such file");
}

TEST(FileBatches, ParityFile) {
  const std::string path = std::string(ADDER_SOURCE_DIR) + "/../shared/parity/hf/mamba/train.h5";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "../shared/parity/hf/mamba/train.h5 is absent";
  const FileBatches source(path, 64);
  EXPECT_EQ(source.count(), 20);
  EXPECT_EQ(source.batch_size(), 2);
  EXPECT_EQ(source.length(), 32);
  source.require_steps(20);
}

// ---- evaluation -------------------------------------------------------------------------------------------

// How often each token is scored, and that it is scored with its own number and enough context.
std::vector<int> coverage(int64_t n, int64_t window, int64_t stride, int64_t batch_size) {
  const EvaluationWindows pass(counting(n), window, stride, batch_size);
  std::vector<int> scored(size_t(n), 0);
  int64_t total = 0;
  for (int64_t b = 0; b < pass.batches(); ++b) {
    const Batch batch = pass.at(b);
    const int64_t length = batch.ids.dim(1);
    EXPECT_LE(batch.ids.dim(0), batch_size);
    EXPECT_LE(length, window);
    EXPECT_TRUE(length == window || b + 1 == pass.batches());  // a shorter one only at the end
    for (int64_t i = 0; i < batch.ids.size(); ++i) {
      const int32_t id = batch.ids.data<int32_t>()[i], label = batch.labels.data<int32_t>()[i];
      if (label == kIgnoreLabel) continue;
      EXPECT_EQ(label, id + 1);
      EXPECT_TRUE(label <= window || i % length >= window - stride);
      ++scored[size_t(label)];
      ++total;
    }
  }
  EXPECT_EQ(total, pass.scored());
  return scored;
}

TEST(EvaluationWindows, ScoreEveryTokenAfterTheFirstOnce) {
  for (const int64_t window : {1, 2, 3, 7, 8})
    for (int64_t stride = 1; stride <= window; ++stride)
      for (const int64_t batch_size : {1, 3})
        for (int64_t n = 2; n < 40; ++n) {
          std::vector<int> expected(size_t(n), 1);
          expected[0] = 0;
          ASSERT_EQ(coverage(n, window, stride, batch_size), expected)
              << "n " << n << " window " << window << " stride " << stride << " batch " << batch_size;
        }
}

TEST(EvaluationWindows, CountOfBatches) {
  EXPECT_EQ(EvaluationWindows(counting(65), 16, 16, 4).batches(), 1);  // four windows, no rest
  EXPECT_EQ(EvaluationWindows(counting(66), 16, 16, 4).batches(), 2);  // and a rest of one
  EXPECT_EQ(EvaluationWindows(counting(66), 16, 16, 4).at(1).ids.shape(), (Shape{1, 1}));
  EXPECT_EQ(EvaluationWindows(counting(10), 16, 16, 4).at(0).ids.shape(), (Shape{1, 9}));
  EXPECT_EQ(EvaluationWindows(counting(26), 16, 4, 4).at(1).ids.shape(),
            (Shape{1, 13}));  // 12 before, 1 scored
}

TEST(EvaluationWindows, WrongArguments) {
  EXPECT_THROW(EvaluationWindows(counting(9), 4, 5, 1), UsageError);
  EXPECT_THROW(EvaluationWindows(counting(9), 4, 0, 1), UsageError);
  EXPECT_THROW(EvaluationWindows(counting(1), 4, 4, 1), UnreadableError);
  EXPECT_THROW(EvaluationWindows(counting(9), 4, 4, 1).at(2), Error);
}

}  // namespace
}  // namespace adder
