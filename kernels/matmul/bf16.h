// Matrix products of bfloat16 operands, summed in float32: MatMul<float> with `bf16` set.
//   C[m,n] = start[m,n] + sum_k r(A[m,k]) r(B[k,n]),   r: to bfloat16, to the nearest, ties to even; NaN stays NaN
// where numbers below 2^-126 count as 0, before they are rounded, too. The order of the sum is the instruction's, of which there
// are two. Neither depends on M, tile or thread, so the bits don't, as in float32.
//   VDPBF16PS: one chain of fused multiply-adds that takes the terms two by two, the odd one of a pair first,
//     start, k = 1, 0, 3, 2, 5, 4, …   (an odd K is filled up by a zero)
//   The portable kernel has the same to the bit, hence AVX-512 and AVX2 do. (A product of two bfloat16 numbers is exact in
//   float32 unless it leaves the range: so does the scalar target then.)
//   TDPBF16PS, the matrix unit: of every 32 k (the last are filled up by zeros) the even ones in one chain from 0, the odd ones
//   in another; both are added, and the sum is added to what stands:
//     start + (e_0 + o_0) + (e_1 + o_1) + …,   e_b = sum of k = 32 b, 32 b + 2, …;   o_b of k = 32 b + 1, 32 b + 3, …
#pragma once
#include <cstdint>

#include "kernels/matmul/matmul.h"

namespace kernels {

// A block of rows times a panel of columns. The bits of a float hold a pair of bfloat16 numbers, the even one in the lower
// half; for the portable kernel A's numbers are rounded floats instead, one of a pair a_odd behind the other.
struct Bf16Panel {
  const float* a;
  int64_t a_tile, a_row, a_pair, a_odd;  // tile t, row i, pair p at a[t * a_tile + i * a_row + p * a_pair]
  const float* b;                        // pair p of column j at b[p * (a panel's columns) + j]
  int64_t pairs, rows;
  float* c;
  int64_t c_row, width;  // columns
  bool from_c;           // the chain goes on from C
  const float* bias;     // else it begins here, or at 0
  bool stream = false;   // C is of whole, aligned cache lines and goes past the caches; bf16_tile's alone
};

// VDPBF16PS, in tiles and panels as large as those of the AVX-512 target.
namespace bf16_dot {
constexpr int kRows = 8, kVectors = 3, kLanes = 16;
bool available();         // this processor has it
bool in_use();            // at first: where it has, and it is faster than float32's multiply-adds (AMD's; Intel's take twice the time)
void set_in_use(bool on);  // for tests and benchmarks; must be available
void multiply(const Bf16Panel& p);
double flops(int64_t rounds);  // does that much arithmetic in registers, and says how many FLOPs it was
}  // namespace bf16_dot

// TDPBF16PS. A's rows lie a_row apart, a tile at a time is read of them: whole tiles of pairs, whatever stands in rows that C
// does not have. A panel of B has kColumns columns and whole tiles of pairs.
namespace bf16_tile {
constexpr int kRows = 32, kColumns = 32, kPairs = 16;
bool available();          // this processor has it, and the system lends its registers
bool in_use();             // at first: where available
void set_in_use(bool on);  // for tests and benchmarks
void multiply(const Bf16Panel& p);
double flops(int64_t rounds);  // as bf16_dot's
}  // namespace bf16_tile

// Packing, for either instruction: out[p] = the pair x[2p], x[2p + 1] of n numbers, and zeros up to 16 whole pairs; out[j] = the
// pair even[j], odd[j] of n columns, and zeros up to 16 of them (odd null: 0).
namespace bf16_pairs {
void pair_up(const float* x, int64_t n, float* out);
void pair_rows(const float* even, const float* odd, int64_t n, float* out);
}  // namespace bf16_pairs

// What cpu::matmul_bf16 multiplies with: "TDPBF16PS", "VDPBF16PS", or "" where float32's multiply-adds do it.
const char* bf16_instruction();

// Those of matmul.h, of bfloat16 panels.
int bf16_panels_form();
int64_t bf16_panels_size(int64_t n, int64_t k);
void bf16_pack_panels(const MatMul<float>& p, float* panels);

namespace cpu {
void matmul_bf16(const MatMul<float>&);
}
}  // namespace kernels
