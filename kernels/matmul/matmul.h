// Matrix product with any strides, so that NT, NN and TN are one kernel.
//   C[m,n] = start[m,n] + sum_k A[m,k] B[k,n],   start = C where `accumulate`, else bias[n] or 0
// Each element is one chain of fused multiply-adds in increasing k that begins at `start`, whatever M, tile, thread or
// SIMD target: a row of a large batch has the bits of the same row alone.
#pragma once
#include <cstdint>

namespace kernels {

struct Panels {                  // what pack_panels made of a matrix B
  const float* data = nullptr;   // null: nothing
  int form = 0;                  // what they are made for: one of these, and the columns of a panel, which are the target's
};
constexpr int kFloatPanels = 10000, kBf16Panels = 20000;  // the latter, times 1, 2 or 3 for what multiplies (bf16.h)

template <class T>
struct MatMul {
  int64_t m = 0, n = 0, k = 0;
  const T* a = nullptr;                   // A[m,k] at a[m * a_row + k * a_col]
  int64_t a_row = 0, a_col = 0;
  const T* b = nullptr;                   // B[k,n] at b[k * b_row + n * b_col]; one of the two strides is 1
  int64_t b_row = 0, b_col = 0;
  T* c = nullptr;                         // C[m,n] at c[m * c_row + n]
  int64_t c_row = 0;
  bool accumulate = false;
  const T* bias = nullptr;                // [n], not together with accumulate
  bool bf16 = false;                      // float alone: bfloat16 operands, see bf16.h; one of A's strides is 1 then too
  Panels panels{};                        // float alone: B once more, as few rows best read it
};

// A matrix B that many products share, such as a weight while text is generated, packed once into panels of columns: a product
// of a few rows is bound by reading B, and reads panels from end to end; for `bf16` they are rounded, too, half of B's bytes.
// A product has the same bits with them and without. Where their form is another one's, or rows are more than reads_panels
// allows, it reads B itself.
bool reads_panels(int64_t rows, bool bf16);
int panels_form(bool bf16);                               // what panels are made for now
int64_t panels_size(int64_t n, int64_t k, bool bf16);     // floats that pack_panels writes
void pack_panels(const MatMul<float>& p, float* panels);  // of p's n, k, b, b_row, b_col, bf16
// Those of B's columns from `column` on, of float32 panels; nothing where it lies within one, or they are others.
Panels panels_from(const Panels& panels, int64_t column, int64_t k);

namespace cpu {
template <class T> void matmul(const MatMul<T>&);
}  // namespace cpu
}  // namespace kernels
