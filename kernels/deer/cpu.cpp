// A task is a document; within it the product of all steps, the Jacobians and the scan run over time in parallel, as
// far as the documents leave threads for that.
#include "kernels/deer/deer.h"

#include <algorithm>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/deer/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/deer/adjoint.h"
#include "kernels/deer/newton.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {
using namespace deer;

DeerReport report_of(const std::vector<Ended>& all) {
  DeerReport report;
  report.documents = int64_t(all.size());
  for (const Ended& e : all) {
    report.iterations += e.iterations, report.most = std::max(report.most, e.iterations);
    report.fallbacks += !e.converged;
    double& residual = e.converged ? report.residual : report.failed_residual;
    residual = std::max(residual, e.residual);
  }
  return report;
}

template <class T>
void forward(const Deer<T>& a) {
  const Solver<T> solver(a);
  const std::vector<Document> all = documents(a);
  std::vector<Ended> ended(all.size());
  parallel_for(int64_t(all.size()),
               [&](int64_t i) { ended[size_t(i)] = Newton<T>(solver, all[size_t(i)]).run(); });
  *a.report = report_of(ended);
  if (a.report->fallbacks > 0) {
    const Packed<T> w = pack_transposed(a.w, kPacked);
    const T* zero = zeros<T>(solver.gates * a.hidden);
    parallel_for(int64_t(all.size()), [&](int64_t i) {
      if (!ended[size_t(i)].converged) step_by_step(solver, all[size_t(i)], w, zero);
    });
  }
  for (int64_t b = 0; b < a.batch; ++b) {
    const T* last = a.states + ((b + 1) * a.length - 1) * solver.m;
    std::copy_n(last, a.hidden, a.last_h.row(b));
    if (a.last_c) std::copy_n(last + a.hidden, a.hidden, a.last_c.row(b));
  }
}

template <class T>
void backward(const Deer<T>& a) {
  const Solver<T> solver(a);
  const std::vector<Document> all = documents(a);
  const Packed<T> w = pack(a.w, kPacked);
  const T* zero = zeros<T>(solver.m);
  parallel_for(int64_t(all.size()), [&](int64_t i) { Adjoint<T>(solver, all[size_t(i)], w, zero).run(); });
  const int64_t gates = solver.gates * a.hidden;
  const Matrix<const T> dgates{a.dstep, a.batch * a.length, gates, gates};
  if (a.dw) add_weight_gradient<T>(a.dw, dgates, a.previous);
  if (a.dbias) cpu::column_sum<T>({.x = dgates, .sum = a.dbias});
}

}  // namespace
SIMD_KERNEL(deer_fwd, Deer, forward)
SIMD_KERNEL(deer_bwd, Deer, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(deer_fwd, Deer)
SIMD_DISPATCH(deer_bwd, Deer)
}  // namespace kernels
#endif
