// The Jacobian of a step out of its linearised cell (cells.h), m = states n:
//   J[o n + i][k] = sum over g of through[o,g,i] W[g n + i][k] + own[o,h,i] (k = i),  J[o n + i][n + k] =
//   own[o,c,i] (k = i)
// in rows, in columns (its transpose in rows), or its diagonal alone.
// Include it where simd.h may be included.

// Toggled by foreach_target.h: this part is seen once for each target.
#if defined(KERNELS_DEER_JACOBIAN_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_DEER_JACOBIAN_H_
#undef KERNELS_DEER_JACOBIAN_H_
#else
#define KERNELS_DEER_JACOBIAN_H_
#endif

#include <vector>

#include "kernels/deer/cells.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace deer {

// The weights as the three forms want them.
template <class T>
class Jacobian {
 public:
  Jacobian(DeerCell cell, const Matrix<const T>& w)
      : n_(w.columns), gates_(deer_gates(cell)), states_(deer_states(cell)), w_(w) {
    turned_.resize(size_t(n_ * gates_ * n_));
    for (int64_t g = 0; g < gates_ * n_; ++g)
      for (int64_t k = 0; k < n_; ++k) turned_[size_t(k * gates_ * n_ + g)] = w.row(g)[k];
  }

  void rows(const Linear<T>& l, T* out) const {
    const int64_t m = states_ * n_;
    for (int64_t o = 0; o < states_; ++o)
      for (int64_t i = 0; i < n_; ++i) {
        T* row = out + (o * n_ + i) * m;
        each_vector<T>(n_, [&](int64_t k, int64_t left) HWY_ATTR {
          auto sum = zero<T>();
          for (int64_t g = 0; g < gates_; ++g)
            sum = fma(set(l.through[(o * gates_ + g) * n_ + i]), load(w_.row(g * n_ + i) + k, left), sum);
          store(row + k, sum, left);
        });
        std::fill_n(row + n_, m - n_, T(0));
        for (int64_t s = 0; s < states_; ++s) row[s * n_ + i] += l.own[(o * states_ + s) * n_ + i];
      }
  }

  void columns(const Linear<T>& l, T* out) const {
    const int64_t m = states_ * n_;
    for (int64_t o = 0; o < states_; ++o)
      for (int64_t k = 0; k < n_; ++k) {
        T* column = out + k * m + o * n_;  // J[o n ...][k]
        const T* w = turned_.data() + k * gates_ * n_;
        each_vector<T>(n_, [&](int64_t i, int64_t left) HWY_ATTR {
          auto sum = zero<T>();
          for (int64_t g = 0; g < gates_; ++g)
            sum = fma(load(l.through + (o * gates_ + g) * n_ + i, left), load(w + g * n_ + i, left), sum);
          store(column + i, sum, left);
        });
        column[k] += l.own[o * states_ * n_ + k];
        if (states_ == 1) continue;
        T* beyond = out + (n_ + k) * m + o * n_;
        std::fill_n(beyond, n_, T(0));
        beyond[k] = l.own[(o * states_ + 1) * n_ + k];
      }
  }

  void diagonal(const Linear<T>& l, T* out) const {
    for (int64_t i = 0; i < n_; ++i) {
      T sum = l.own[i];
      for (int64_t g = 0; g < gates_; ++g) sum += l.through[g * n_ + i] * w_.row(g * n_ + i)[i];
      out[i] = sum;
      if (states_ == 2) out[n_ + i] = l.own[3 * n_ + i];
    }
  }

 private:
  int64_t n_, gates_, states_;
  Matrix<const T> w_;
  std::vector<T> turned_;  // W^T
};

}  // namespace deer
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
