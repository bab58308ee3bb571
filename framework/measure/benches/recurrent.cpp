// Recurrent cells without the projection of their inputs, by batch x length x hidden: fused; solved in parallel over time (DEER); and
// those whose gates see no state.
#include <cmath>

#include "framework/measure/benches/families.h"
#include "framework/ops/deer.h"
#include "framework/ops/gru.h"
#include "framework/ops/lstm.h"
#include "framework/ops/min_gru.h"
#include "framework/ops/min_lstm.h"
#include "framework/ops/rnn.h"
#include "kernels/gru/ref.h"
#include "kernels/lstm/ref.h"
#include "kernels/min_gru/ref.h"
#include "kernels/min_lstm/ref.h"
#include "kernels/rnn/ref.h"

namespace adder {
namespace {

std::vector<Tensor> inputs(const Sizes& s, int64_t gates) {
  return {normal_input({s[0], s[1], gates * s[2]}, 1), normal_input({gates * s[2], s[2]}, 2, 0.7 / std::sqrt(double(s[2]))),
          normal_input({gates * s[2]}, 3), Tensor(), Tensor(), Tensor()};
}

OpCase rnn_case(const Sizes& s) {
  return {.op = [](const std::vector<Var>& v) {
            const auto r = ops::rnn(v[0], v[1], v[2], {}, {}, ops::RnnActivation::tanh);
            return std::vector<Var>{r.y, r.last};
          },
          .ref = reference([](const auto& v) { return kernels::ref::rnn(v, ops::RnnActivation::tanh); }),
          .inputs = inputs(s, 1)};
}

OpCase gru_case(const Sizes& s) {
  return {.op = [](const std::vector<Var>& v) {
            const auto r = ops::gru(v[0], v[1], v[2], {}, {});
            return std::vector<Var>{r.y, r.last};
          },
          .ref = reference([](const auto& v) { return kernels::ref::gru(v); }),
          .inputs = inputs(s, 3)};
}

OpCase lstm_case(const Sizes& s) {
  return {.op = [](const std::vector<Var>& v) {
            const auto r = ops::lstm(v[0], v[1], v[2], {}, {}, {});
            return std::vector<Var>{r.y, r.h, r.c};
          },
          .ref = reference([](const auto& v) { return kernels::ref::lstm(v); }),
          .inputs = inputs(s, 4)};
}

// A GRU, its Jacobians dense.
OpCase deer_case(const Sizes& s) {
  return {.op = [](const std::vector<Var>& v) {
            const auto r = ops::deer(v[0], v[1], v[2], {}, {}, {});
            return std::vector<Var>{r.y, r.last[0]};
          },
          .ref = reference([](const auto& v) { return kernels::ref::gru(v); }),
          .inputs = inputs(s, 3)};
}

OpCase min_gru_case(const Sizes& s) {
  return {.op = [](const std::vector<Var>& v) {
            const auto r = ops::min_gru(v[0], v[1]);
            return std::vector<Var>{r.h, r.last};
          },
          .ref = reference([](const auto& v) { return kernels::ref::min_gru(v, ops::Candidate::linear); }),
          .inputs = {normal_input(s, 1, 2), normal_input(s, 2), Tensor(), Tensor()}};
}

OpCase min_lstm_case(const Sizes& s) {
  return {.op = [](const std::vector<Var>& v) {
            const auto r = ops::min_lstm(v[0], v[1], v[2]);
            return std::vector<Var>{r.h, r.last};
          },
          .ref = reference([](const auto& v) { return kernels::ref::min_lstm(v, ops::Candidate::linear); }),
          .inputs = {normal_input(s, 1, 2), normal_input(s, 2, 2), normal_input(s, 3), Tensor(), Tensor()}};
}

}  // namespace

std::vector<KernelBench> recurrent_benches() {
  const Sizes small = {2, 5, 17}, large = {32, 256, 256};
  return benches_of({
      {"rnn", rnn_case, small, {large}},
      {"gru", gru_case, small, {large}},
      {"lstm", lstm_case, small, {large}},
      {"deer", deer_case, {2, 5, 3}, {{8, 1024, 8}}},
      {"min_gru", min_gru_case, small, {{32, 256, 384}}},
      {"min_lstm", min_lstm_case, small, {{32, 256, 384}}},
  });
}

}  // namespace adder
