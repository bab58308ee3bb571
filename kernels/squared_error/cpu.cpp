// A number a row, in double, on one thread: nothing here is worth a vector.
#include "kernels/squared_error/squared_error.h"

namespace kernels::cpu {

template <class T>
void squared_error_fwd(const SquaredError<T>& a) {
  for (int64_t i = 0; i < a.y.rows; ++i) {
    const double error = double(a.y.row(i)[0]) - double(a.target[i]);
    a.loss[i] = a.labels[i] == a.ignored ? 0 : error * error;
  }
}

template <class T>
void squared_error_bwd(const SquaredError<T>& a) {
  if (!a.dy) return;
  for (int64_t i = 0; i < a.y.rows; ++i)
    if (a.labels[i] != a.ignored) a.dy.row(i)[0] += T(2 * a.scale * (double(a.y.row(i)[0]) - double(a.target[i])));
}

template void squared_error_fwd(const SquaredError<float>&);
template void squared_error_fwd(const SquaredError<double>&);
template void squared_error_bwd(const SquaredError<float>&);
template void squared_error_bwd(const SquaredError<double>&);

}  // namespace kernels::cpu
