#include "framework/ops/resolvent.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "kernels/resolvent/resolvent.h"

namespace adder::ops {

Var resolvent(const Var& x) {
  const Shapes check{"resolvent"};
  const int64_t n = check("x", x, {"n", "n"})[0];
  check("x", x, {n, n});
  check.one_dtype({&x});

  return by_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor in = x.value(), m = Tensor::empty({n, n}, x.dtype(), x.device());
    const kernels::Resolvent<T> s{.x = matrix<const T>(in), .m = m.data<T>()};
    KERNEL(resolvent_fwd, T)(x.device(), s);
    return record("resolvent", m, {x}, [s, in, m](const Adjoints& g) {
      auto b = s;
      const Tensor dm = dense(g.out(0)), dx = g.in(0);
      b.dm = pointer<const T>(dm), b.dx = matrix<T>(dx);
      KERNEL(resolvent_bwd, T)(in.device(), b);
    });
  });
}

}  // namespace adder::ops
