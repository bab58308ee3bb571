// The fused recurrences without the projection of their inputs, by batch x length x hidden.
#include <cmath>

#include "framework/measure/benches/families.h"
#include "framework/ops/gru.h"
#include "framework/ops/lstm.h"
#include "framework/ops/rnn.h"
#include "kernels/gru/ref.h"
#include "kernels/lstm/ref.h"
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

}  // namespace

std::vector<KernelBench> recurrent_benches() {
  std::vector<KernelBench> all;
  const Sizes small = {2, 5, 17}, large = {32, 256, 256};
  for (const OpFamily& family : {OpFamily{"rnn", rnn_case, small, {large}}, OpFamily{"gru", gru_case, small, {large}},
                                 OpFamily{"lstm", lstm_case, small, {large}}})
    for (KernelBench& bench : op_benches(family)) all.push_back(std::move(bench));
  return all;
}

}  // namespace adder
