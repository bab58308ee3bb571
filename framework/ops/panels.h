// The packed copy of a matrix of weights that products of few rows read (kernels/matmul/matmul.h), where it is kept.
#pragma once
#include <type_traits>

#include "framework/core/tensor.h"
#include "kernels/matmul/matmul.h"
#include "kernels/rehearsal.h"

namespace adder::ops {

// Those of w (n, k), whose rows are the columns of B, for a product of `rows` rows; nothing where that would not read them. Made
// now if there are none yet for what multiplies today.
template <class T>
kernels::Panels panels_of(const Tensor& w, int64_t rows) {
  if constexpr (std::is_same_v<T, float>) {
    const bool bf16 = w.multiplies_in_bf16();
    if (w.panels() && !w.panels()->closed && kernels::reads_panels(rows, bf16) && !kernels::rehearsing()) {
      Tensor::Panels& kept = *w.panels();
      const int64_t n = w.dim(0), k = w.dim(1);
      if (const int form = kernels::panels_form(bf16); !kept.data.defined() || kept.form != form) {
        kept.data = Tensor::empty({kernels::panels_size(n, k, bf16)}), kept.form = form;
        kernels::pack_panels({.n = n, .k = k, .b = w.data<T>(), .b_row = 1, .b_col = w.row_stride(), .bf16 = bf16}, kept.data.data<T>());
      }
      return {kept.data.data<T>(), kept.form};
    }
  }
  return {};
}

}  // namespace adder::ops
