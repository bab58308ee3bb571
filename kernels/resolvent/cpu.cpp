// The inverse is Eigen's, in double, on one thread: the same bits on every SIMD target.
#include "kernels/resolvent/resolvent.h"

#include <Eigen/LU>
#include <vector>

#include "kernels/matmul/matmul.h"

namespace kernels::cpu {
namespace {

template <class T>
void forward(const Resolvent<T>& s) {
  const int64_t n = s.x.rows;
  Eigen::MatrixXd difference = Eigen::MatrixXd::Identity(n, n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) difference(i, j) -= double(s.x.row(i)[j]);
  const Eigen::MatrixXd inverse = difference.partialPivLu().inverse();
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) s.m[i * n + j] = T(inverse(i, j));
}

template <class T>
void backward(const Resolvent<T>& s) {
  if (!s.dx) return;
  const int64_t n = s.x.rows;
  std::vector<T> half(size_t(n * n));
  matmul<T>({.m = n, .n = n, .k = n, .a = s.m, .a_row = 1, .a_col = n, .b = s.dm, .b_row = n, .b_col = 1,
             .c = half.data(), .c_row = n});
  matmul<T>({.m = n, .n = n, .k = n, .a = half.data(), .a_row = n, .a_col = 1, .b = s.m, .b_row = 1, .b_col = n,
             .c = s.dx.data, .c_row = s.dx.stride, .accumulate = true});
}

}  // namespace

template <class T> void resolvent_fwd(const Resolvent<T>& s) { forward(s); }
template <class T> void resolvent_bwd(const Resolvent<T>& s) { backward(s); }
template void resolvent_fwd(const Resolvent<float>&);
template void resolvent_fwd(const Resolvent<double>&);
template void resolvent_bwd(const Resolvent<float>&);
template void resolvent_bwd(const Resolvent<double>&);

}  // namespace kernels::cpu
