#include "framework/ops/zoh.h"

#include "framework/core/shapes.h"
#include "framework/ops/matrix.h"
#include "kernels/zoh/zoh.h"

namespace adder::ops {
namespace {

struct Kept {
  Tensor dt, A_re, A_im;
};

template <class T>
kernels::Zoh<T> zoh_of(const Kept& k) {
  kernels::Zoh<T> s{.channels = k.A_re.dim(0), .state = k.A_re.dim(1)};
  s.dt = pointer<const T>(k.dt), s.A_re = pointer<const T>(k.A_re), s.A_im = pointer<const T>(k.A_im);
  return s;
}

// Outputs: a_re, b_re, and of a complex one a_im, b_im.
template <class T>
void backward(const Kept& kept, const Adjoints& g) {
  auto s = zoh_of<T>(kept);
  Tensor out[4];
  for (size_t i = 0; i < (s.A_im ? 4 : 2); ++i) out[i] = dense(g.out(i));
  s.ga_re = pointer<const T>(out[0]), s.gb_re = pointer<const T>(out[1]);
  s.ga_im = pointer<const T>(out[2]), s.gb_im = pointer<const T>(out[3]);
  const Tensor ddt = g.in_dense(0), dA_re = g.in_dense(1), dA_im = g.in_dense(2);
  s.ddt = pointer<T>(ddt), s.dA_re = pointer<T>(dA_re), s.dA_im = pointer<T>(dA_im);
  KERNEL(zoh_bwd, T)(kept.dt.device(), s);
}

}  // namespace

ZohResult zoh(const Var& dt, const Var& A_re, const Var& A_im) {
  const Shapes check{"zoh"};
  const auto [channels, state] = check("A_re", A_re, {"channels", "state"});
  if (A_im.defined()) check("A_im", A_im, {channels, state});
  check("dt", dt, {channels});
  check.one_dtype({&dt, &A_re, &A_im});

  return by_dtype(dt.dtype(), [&](auto zero) -> ZohResult {
    using T = decltype(zero);
    const Kept kept{dense(dt.value()), dense(A_re.value()), dense(A_im.value())};
    auto s = zoh_of<T>(kept);
    std::vector<Tensor> out;
    for (int i = 0; i < (s.A_im ? 4 : 2); ++i)
      out.push_back(Tensor::empty(kept.A_re.shape(), dt.dtype(), dt.device()));
    s.a_re = out[0].data<T>(), s.b_re = out[1].data<T>();
    if (s.A_im) s.a_im = out[2].data<T>(), s.b_im = out[3].data<T>();
    KERNEL(zoh_fwd, T)(dt.device(), s);
    const auto r = record("zoh", out, {dt, A_re, A_im}, [kept](const Adjoints& g) { backward<T>(kept, g); });
    if (s.A_im) return {r[0], r[2], r[1], r[3]};
    return {r[0], {}, r[1], {}};
  });
}

}  // namespace adder::ops
