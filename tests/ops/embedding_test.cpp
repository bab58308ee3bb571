#include "framework/ops/embedding.h"

#include "kernels/embedding/ref.h"
#include "tests/support/check.h"

namespace adder {
namespace {

OpCase embedding_case(int64_t positions, int32_t vocabulary, int64_t channels) {
  return {
      .op = [](const std::vector<Var>& in) { return std::vector<Var>{ops::embedding(in[0].value(), in[1])}; },
      .ref = reference([](const auto& in) { return kernels::ref::embedding(in); }),
      .inputs = {index_input({positions}, 1, vocabulary), normal_input({vocabulary, channels}, 2)}};
}

TEST(Embedding, MatchesItsDefinition) {
  expect_op("embedding", embedding_case(1, 1, 1));
  expect_op("embedding", embedding_case(9, 4, 5));   // repeated ids
  expect_op("embedding", embedding_case(3, 11, 17));  // unused ids
}

TEST(Embedding, SameBitsOnThreadsAndTargets) {
  expect_bits("embedding", embedding_case(3000, 65, 33));
  expect_bits("embedding", embedding_case(500, 5000, 40));
}

TEST(Embedding, TakesAnyShapeOfIds) {
  const Var w = normal_input({5, 3}, 1);
  const Tensor ids = Tensor::from<int32_t>({2, 3}, std::vector<int32_t>{0, 4, 2, 1, 1, 3});
  EXPECT_EQ(ops::embedding(ids, w).shape(), (Shape{2, 3, 3}));
  const Var cut = ops::embedding(ids.narrow(1, 1, 2), w);  // strided ids
  EXPECT_EQ(cut.shape(), (Shape{2, 2, 3}));
  EXPECT_EQ(cut.value().item(9), w.value().item(9));  // id 3, channel 0
  EXPECT_EQ(ops::embedding(Tensor::zeros({0}, DType::i32), w).shape(), (Shape{0, 3}));
}

TEST(Embedding, NamesAnIdOutsideTheVocabulary) {
  const Var w = Tensor::zeros({65, 2});
  for (const int32_t bad : {70, 65, -1}) {
    try {
      ops::embedding(Tensor::from<int32_t>({2, 2}, std::vector<int32_t>{0, 64, 5, bad}), w);
      FAIL() << "no error";
    } catch (const std::exception& e) {
      EXPECT_EQ(e.what(), "[embedding] ids[3] is " + std::to_string(bad) + ", expected 0 to 64");
    }
  }
}

}  // namespace
}  // namespace adder
