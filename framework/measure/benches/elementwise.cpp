// Passes over rows x columns that compute an element from one or two, and their like; limited by memory, or by exponentials.
#include "framework/measure/benches/families.h"
#include "framework/ops/activation.h"
#include "framework/ops/add.h"
#include "framework/ops/dropout.h"
#include "framework/ops/embedding.h"
#include "framework/ops/gated.h"
#include "framework/ops/matrix.h"
#include "framework/ops/mul.h"
#include "framework/ops/rotary.h"
#include "framework/ops/scale.h"
#include "framework/ops/softmax.h"
#include "kernels/activation/ref.h"
#include "kernels/add/ref.h"
#include "kernels/column_sum/column_sum.h"
#include "kernels/dropout/ref.h"
#include "kernels/embedding/ref.h"
#include "kernels/gated/ref.h"
#include "kernels/kernel.h"
#include "kernels/mul/ref.h"
#include "kernels/rotary/ref.h"
#include "kernels/scale/ref.h"
#include "kernels/softmax/ref.h"

namespace adder {
namespace {

using Inputs = std::vector<Var>;

OpFamily activation(const std::string& name, Var (*op)(const Var&), kernels::ActivationKind kind) {
  return {"activation/" + name,
          [=](const Sizes& s) -> OpCase {
            return {.op = [=](const Inputs& v) { return Inputs{op(v[0])}; },
                    .ref = reference([=](const auto& v) { return kernels::ref::activation(kind, v); }),
                    .inputs = {normal_input(s, 1)}};
          },
          {5, 33},
          {{2048, 1536}}};
}

OpCase swiglu_case(const Sizes& s) {
  return {.op = [](const Inputs& v) { return Inputs{ops::swiglu(v[0], v[1])}; },
          .ref = reference([](const auto& v) { return kernels::ref::gated(kernels::GateKind::silu, v); }),
          .inputs = {normal_input(s, 1), normal_input(s, 2)}};
}

OpCase add_case(const Sizes& s) {
  return {.op = [](const Inputs& v) { return Inputs{ops::add(v[0], v[1])}; },
          .ref = reference([](const auto& v) { return kernels::ref::add(v); }),
          .inputs = {normal_input(s, 1), normal_input(s, 2)}};
}

OpCase mul_case(const Sizes& s) {
  return {.op = [](const Inputs& v) { return Inputs{ops::mul(v[0], v[1])}; },
          .ref = reference([](const auto& v) { return kernels::ref::mul(v); }),
          .inputs = {normal_input(s, 1), normal_input(s, 2)}};
}

OpCase scale_case(const Sizes& s) {
  return {.op = [](const Inputs& v) { return Inputs{ops::scale_columns(v[0], v[1])}; },
          .ref = reference([](const auto& v) { return kernels::ref::scale(v, false); }),
          .inputs = {normal_input(s, 1), normal_input({s[1]}, 2)}};
}

OpCase softmax_case(const Sizes& s) {
  return {.op = [](const Inputs& v) { return Inputs{ops::softmax(v[0])}; },
          .ref = reference([](const auto& v) { return kernels::ref::softmax(false, v); }),
          .inputs = {normal_input(s, 1)}};
}

OpCase dropout_case(const Sizes& s) {
  constexpr double kDropped = 0.1;
  const Random stream(7, "dropout", 3, 11);
  std::vector<bool> kept;
  for (int64_t i = 0; i < s[0] * s[1]; ++i) kept.push_back(double(stream.bits(uint64_t(i))) >= kDropped * 0x1p32);
  return {.op = [=](const Inputs& v) { return Inputs{ops::dropout(v[0], kDropped, stream)}; },
          .ref = reference([=](const auto& v) { return kernels::ref::dropout(v, kept, kDropped); }),
          .inputs = {normal_input(s, 1)}};
}

// By positions x vocabulary x channels.
OpCase embedding_case(const Sizes& s) {
  return {.op = [](const Inputs& v) { return Inputs{ops::embedding(v[0].value(), v[1])}; },
          .ref = reference([](const auto& v) { return kernels::ref::embedding(v); }),
          .inputs = {index_input({s[0]}, 1, int32_t(s[1])), normal_input({s[1], s[2]}, 2)}};
}

// By batch x length x heads x head_dim.
OpCase rotary_case(const Sizes& s) {
  std::vector<int32_t> positions;
  for (int64_t i = 0; i < s[0] * s[1]; ++i) positions.push_back(int32_t(i % s[1]));
  const Tensor at = Tensor::from<int32_t>({s[0], s[1]}, positions);
  const ops::RotaryTables tables = ops::rotary_tables(s[1], s[3], 10000, DType::f64);
  const ops::RotaryTables single{tables.cos.to(DType::f32), tables.sin.to(DType::f32)};
  return {.op = [=](const Inputs& v) {
            return Inputs{ops::rotary(v[0], at, v[0].dtype() == DType::f32 ? single : tables, s[2], false)};
          },
          .ref = reference([=](const auto& v) {
            using Numbers = std::decay_t<decltype(v[0])>;
            Numbers cosine({s[1], s[3] / 2}), sine({s[1], s[3] / 2});
            for (int64_t i = 0; i < tables.cos.size(); ++i)
              cosine.data[size_t(i)] = tables.cos.item(i), sine.data[size_t(i)] = tables.sin.item(i);
            return kernels::ref::rotary(std::vector<Numbers>{v[0], cosine, sine}, s[2], false, positions);
          }),
          .inputs = {normal_input({s[0], s[1], s[2] * s[3]}, 1)}};
}

// ---- the sum of a matrix's rows: a bias's gradient ---------------------------------------------------------------

template <class T>
void add_columns(const Tensor& x, const Tensor& sum) {
  KERNEL(column_sum, T)(x.device(), {.x = ops::matrix<const T>(x), .sum = sum.data<T>()});
}

CheckReport check_column_sum() {
  const int64_t rows = 37, columns = 19;
  const Tensor x = normal_input({rows, columns}, 1), sum = Tensor::zeros({columns}, DType::f64);
  add_columns<double>(x, sum);
  double worst = 0;
  for (int64_t j = 0; j < columns; ++j) {
    double want = 0;
    for (int64_t i = 0; i < rows; ++i) want += x.item(i * columns + j);
    worst = std::max(worst, std::abs(want - sum.item(j)));
  }
  return {"column_sum differs from its definition by " + std::to_string(worst), worst < 1e-12};
}

KernelBench column_sum_bench(int64_t rows, int64_t columns) {
  return {"column_sum " + shown({rows, columns}), check_column_sum, [=] {
            const Tensor x = normal_input({rows, columns}, 1).to(DType::f32), sum = Tensor::zeros({columns});
            return Timed{[=] { add_columns<float>(x, sum); }, {.bytes = 4.0 * double(rows * columns)}};
          }};
}

}  // namespace

std::vector<KernelBench> elementwise_benches() {
  using Kind = kernels::ActivationKind;
  const Sizes small = {5, 33};
  const std::vector<Sizes> rows = {{2048, 384}}, wide = {{2048, 1024}};
  auto all = benches_of({
      activation("silu", ops::silu, Kind::silu),
      activation("gelu_tanh", ops::gelu_tanh, Kind::gelu_tanh),
      activation("gelu_erf", ops::gelu_erf, Kind::gelu_erf),
      activation("softplus", ops::softplus, Kind::softplus),
      {"gated", swiglu_case, small, wide},
      {"add", add_case, small, rows},
      {"mul", mul_case, small, rows},
      {"scale", scale_case, small, rows},
      {"softmax", softmax_case, small, wide},
      {"dropout", dropout_case, small, rows},
      {"embedding", embedding_case, {19, 7, 33}, {{2048, 65, 384}}},
      {"rotary", rotary_case, {2, 5, 3, 8}, {{8, 256, 6, 64}}},
  });
  all.push_back(column_sum_bench(2048, 1536));
  return all;
}

}  // namespace adder
