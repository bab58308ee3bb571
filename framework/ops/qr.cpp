#include "framework/ops/qr.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "kernels/qr/qr.h"

namespace adder::ops {

QrResult qr(const Var& x) {
  const Shapes check{"qr"};
  const auto [batch, k, n] = check("x", x, {"batch", "k", "n"});
  if (k > n) check.fail("x has " + std::to_string(k) + " rows of " + std::to_string(n) + " numbers, expected at most " + std::to_string(n));
  check.one_dtype({&x});

  return by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor in = dense(x.value()), q = Tensor::like(x.value());
    const Tensor r = Tensor::empty({batch, k, k}, DType::f64, x.device()), log_r = Tensor::empty({batch, k}, x.dtype(), x.device());
    kernels::Qr<T> s{.batch = batch, .k = k, .n = n, .x = in.data<T>(), .q = q.data<T>(), .r = r.data<double>()};
    s.log_r = log_r.data<T>();
    KERNEL(qr_fwd, T)(x.device(), s);
    const auto results = record("qr", {q, log_r}, {x}, [s, q, r](const Adjoints& g) {
      auto b = s;
      const Tensor dq = dense(g.out(0)), dlog_r = dense(g.out(1)), dx = g.in_dense(0);
      b.dq = pointer<const T>(dq), b.dlog_r = pointer<const T>(dlog_r), b.dx = pointer<T>(dx);
      KERNEL(qr_bwd, T)(q.device(), b);
    });
    return QrResult{results[0], results[1]};
  });
}

}  // namespace adder::ops
