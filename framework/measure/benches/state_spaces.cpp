// Linear recurrences by batch x length x channels (x state), and the small matrices that they are made of.
#include <cmath>

#include "framework/measure/benches/families.h"
#include "framework/ops/affine_scan.h"
#include "framework/ops/complex_scan.h"
#include "framework/ops/dense_scan.h"
#include "framework/ops/diagonal_ssm.h"
#include "framework/ops/qr.h"
#include "framework/ops/resolvent.h"
#include "framework/ops/scan.h"
#include "framework/ops/zoh.h"
#include "kernels/affine_scan/ref.h"
#include "kernels/complex_scan/ref.h"
#include "kernels/dense_scan/ref.h"
#include "kernels/diagonal_ssm/ref.h"
#include "kernels/qr/ref.h"
#include "kernels/resolvent/ref.h"
#include "kernels/scan/ref.h"
#include "kernels/zoh/ref.h"

namespace adder {
namespace {

using Inputs = std::vector<Var>;

OpCase scan_case(const Sizes& s) {
  return {.op = [](const Inputs& v) {
            const auto r = ops::scan(v[0], v[1]);
            return Inputs{r.h, r.last};
          },
          .ref = reference([](const auto& v) { return kernels::ref::scan(v, false); }),
          .inputs = {uniform_input(s, 1, -1, 1), normal_input(s, 2), Tensor(), Tensor()}};
}

// A coefficient a channel, as the LRU has it.
OpCase complex_scan_case(const Sizes& s) {
  return {.op = [](const Inputs& v) {
            const auto r = ops::complex_scan({v[0], v[1], v[2], v[3]});
            return Inputs{r.h_re, r.h_im, r.last_re, r.last_im};
          },
          .ref = reference([](const auto& v) { return kernels::ref::complex_scan(v); }),
          .inputs = {uniform_input({s[2]}, 1, -0.7, 0.7), uniform_input({s[2]}, 2, -0.7, 0.7), normal_input(s, 3), normal_input(s, 4),
                     Tensor(), Tensor(), Tensor()}};
}

// Complex states, each of which stands for its conjugate, too, as S4D has them.
OpCase diagonal_ssm_case(const Sizes& s) {
  const Shape matrix = {s[2], s[3]};
  return {.op = [](const Inputs& v) {
            const auto r = ops::diagonal_ssm({v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]}, true);
            return Inputs{r.y, r.last_re, r.last_im};
          },
          .ref = reference([](const auto& v) { return kernels::ref::diagonal_ssm(v, 2); }),
          .inputs = {normal_input({s[0], s[1], s[2]}, 1), uniform_input(matrix, 2, -0.7, 0.7), uniform_input(matrix, 3, -0.7, 0.7),
                     normal_input(matrix, 4), normal_input(matrix, 5), normal_input(matrix, 6), normal_input(matrix, 7),
                     normal_input({s[2]}, 8), Tensor(), Tensor(), Tensor()}};
}

// One matrix for all steps.
OpCase dense_scan_case(const Sizes& s) {
  return {.op = [](const Inputs& v) {
            const auto r = ops::dense_scan(v[0], v[1]);
            return Inputs{r.h, r.last};
          },
          .ref = reference([](const auto& v) { return kernels::ref::dense_scan(v); }),
          .inputs = {normal_input({s[2], s[2]}, 1, 0.6 / std::sqrt(double(s[2]))), normal_input(s, 2), Tensor(), Tensor()}};
}

// A matrix a step.
OpCase affine_scan_case(const Sizes& s) {
  return {.op = [](const Inputs& v) {
            const auto r = ops::affine_scan(v[0], v[1]);
            return Inputs{r.h, r.last};
          },
          .ref = reference([](const auto& v) { return kernels::ref::affine_scan(v); }),
          .inputs = {normal_input({s[0], s[1], s[2], s[2]}, 1, 0.6 / std::sqrt(double(s[2]))), normal_input(s, 2), Tensor(), Tensor()}};
}

// By channels x state.
OpCase zoh_case(const Sizes& s) {
  return {.op = [](const Inputs& v) {
            const auto r = ops::zoh(v[0], v[1], v[2]);
            return Inputs{r.a_re, r.a_im, r.b_re, r.b_im};
          },
          .ref = reference([](const auto& v) { return kernels::ref::zoh(v); }),
          .inputs = {uniform_input({s[0]}, 1, 0.001, 0.1), uniform_input(s, 2, -3, -0.2), uniform_input(s, 3, -9, 9)}};
}

OpCase resolvent_case(const Sizes& s) {
  return {.op = [](const Inputs& v) { return Inputs{ops::resolvent(v[0])}; },
          .ref = reference([](const auto& v) { return kernels::ref::resolvent(v); }),
          .inputs = {normal_input({s[0], s[0]}, 1, 0.3 / std::sqrt(double(s[0])))}};
}

// By batch x rows x columns, orthonormal rows wanted; near the identity, so that float32 keeps its digits.
OpCase qr_case(const Sizes& s) {
  const Tensor x = normal_input({s[0], s[1], s[2]}, 1, 0.25);
  for (int64_t b = 0; b < s[0]; ++b)
    for (int64_t i = 0; i < s[1]; ++i) x.data<double>()[(b * s[1] + i) * s[2] + i] += 1;
  return {.op = [](const Inputs& v) {
            const auto r = ops::qr(v[0]);
            return Inputs{r.q, r.log_r};
          },
          .ref = reference([](const auto& v) { return kernels::ref::qr(v); }),
          .inputs = {x}};
}

}  // namespace

std::vector<KernelBench> state_space_benches() {
  return benches_of({
      {"scan", scan_case, {2, 11, 17}, {{8, 256, 384}}},
      {"complex_scan", complex_scan_case, {2, 11, 17}, {{8, 256, 384}}},
      {"diagonal_ssm", diagonal_ssm_case, {2, 11, 17, 3}, {{8, 256, 128, 32}}},
      {"dense_scan", dense_scan_case, {2, 11, 9}, {{8, 256, 64}}},
      {"affine_scan", affine_scan_case, {2, 7, 5}, {{4, 256, 16}}},
      {"zoh", zoh_case, {5, 7}, {{128, 32}}},
      {"resolvent", resolvent_case, {9}, {{64}}},
      {"qr", qr_case, {2, 4, 9}, {{8, 8, 128}}},
  });
}

}  // namespace adder
