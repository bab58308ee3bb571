// Matrix products of a training step, by m x n x k: NT (forward), NN (input gradient), TN (weight gradient); of float32 and
// of bfloat16 operands.
#include <cmath>

#include "framework/measure/benches/families.h"
#include "kernels/kernel.h"
#include "kernels/matmul/matmul.h"

namespace adder {
namespace {

struct Product {
  Tensor a, b, c;
  kernels::MatMul<float> call;
};

Product product(const char* way, const Sizes& s, bool bf16) {
  const int64_t m = s[0], n = s[1], k = s[2];
  const bool a_columns = way[0] == 'T', b_columns = way[1] == 'T';
  Product p{normal_input({a_columns ? k : m, a_columns ? m : k}, 1).to(DType::f32),
            normal_input({b_columns ? n : k, b_columns ? k : n}, 2).to(DType::f32), Tensor::zeros({m, n}), {}};
  p.call = {.m = m, .n = n, .k = k, .a = p.a.data<float>(), .a_row = a_columns ? 1 : k, .a_col = a_columns ? m : 1,
            .b = p.b.data<float>(), .b_row = b_columns ? 1 : n, .b_col = b_columns ? k : 1, .c = p.c.data<float>(), .c_row = n,
            .bf16 = bf16};
  return p;
}

double operand(float x, bool bf16) {
  return bf16 ? float(kernels::BFloat16(x)) : x;
}

// Each element against its sum in double.
CheckReport check(const char* way, bool bf16) {
  const Sizes s = {37, 53, 29};
  const Product p = product(way, s, bf16);
  KERNEL(matmul, float)(Device::cpu, p.call);
  double worst = 0;
  for (int64_t i = 0; i < s[0]; ++i)
    for (int64_t j = 0; j < s[1]; ++j) {
      double sum = 0;
      for (int64_t e = 0; e < s[2]; ++e)
        sum += operand(p.call.a[i * p.call.a_row + e * p.call.a_col], bf16) *
               operand(p.call.b[e * p.call.b_row + j * p.call.b_col], bf16);
      worst = std::max(worst, std::abs(sum - p.c.item(i * s[1] + j)));
    }
  const bool ok = worst < 1e-4;
  return {std::string("matmul ") + way + " differs from its sums in double by " + std::to_string(worst), ok};
}

}  // namespace

std::vector<KernelBench> matmul_benches() {
  std::vector<KernelBench> benches;
  for (const Sizes& s : {Sizes{64, 512, 128}, Sizes{768, 512, 128}, Sizes{768, 1536, 384}, Sizes{768, 3072, 768},
                         Sizes{64, 50257, 768}, Sizes{1, 512, 128}})
    for (const bool bf16 : {false, true})
      for (const char* way : {"NT", "NN", "TN"})
        benches.push_back({std::string("matmul/") + (bf16 ? "bf16-" : "") + way + " " + shown(s),
                           [way, bf16] { return check(way, bf16); }, [way, s, bf16] {
                             const Product p = product(way, s, bf16);
                             const double m = double(s[0]), n = double(s[1]), k = double(s[2]), flops = 2 * m * n * k;
                             return Timed{[p] { KERNEL(matmul, float)(Device::cpu, p.call); },
                                          {.flops = flops, .bytes = 4 * (m * k + k * n + m * n), .bf16_flops = bf16 ? flops : 0}};
                           }});
  return benches;
}

}  // namespace adder
