// Forward of deer.h for one document: Newton's method, and the recurrence as it is written down.
// Include it where simd.h may be included.

// Toggled by foreach_target.h: this part is seen once for each target.
#if defined(KERNELS_DEER_NEWTON_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_DEER_NEWTON_H_
#undef KERNELS_DEER_NEWTON_H_
#else
#define KERNELS_DEER_NEWTON_H_
#endif

#include "kernels/affine_scan/affine_scan.h"
#include "kernels/deer/solver.h"
#include "kernels/scan/scan.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace deer {
using namespace recurrent;

// How a document's iteration ended.
struct Ended {
  int64_t iterations = 0;
  double residual = 0;
  bool converged = false;
};

template <class T>
class Newton {
 public:
  Newton(const Solver<T>& solver, const Document& d) : s_(solver), d_(d) {
    const int64_t steps = d.steps, m = s_.m, slope = s_.a.dense ? m * m : m;
    T* memory = scratch<T>(size_t(steps * (3 * m + s_.gates * s_.n + slope) + 2 * m), kBuffers);
    guess_ = memory, pre_ = guess_ + (steps + 1) * m, residual_ = pre_ + steps * s_.gates * s_.n;
    change_ = residual_ + steps * m, slopes_ = change_ + steps * m, last_ = slopes_ + steps * slope;
  }

  Ended run() {
    s_.start(d_, guess_);
    std::fill_n(guess_ + s_.m, d_.steps * s_.m, T(0));
    Ended ended;
    for (;; ++ended.iterations) {
      s_.products(d_, guess_, pre_);
      ended.residual = linearise_all();
      ended.converged = ended.residual <= double(s_.a.tolerance);
      if (ended.converged || !std::isfinite(ended.residual) || ended.iterations == s_.a.max_iterations)
        return ended;
      solve();
      advance();
    }
  }

 private:
  // Residuals and slopes of all steps; max |r| / max(1, max |s|), or infinity where one is not finite.
  double linearise_all() {
    const int64_t blocks = (d_.steps + kStepsTogether - 1) / kStepsTogether;
    std::vector<T> worst(size_t(blocks), T(0)), scale(size_t(blocks), T(0));
    parallel_blocks(d_.steps, kStepsTogether, [&](int64_t begin, int64_t end) {
      linearise_some(begin, end, worst[size_t(begin / kStepsTogether)],
                     scale[size_t(begin / kStepsTogether)]);
    });
    double residual = 0, size = 1;
    for (int64_t i = 0; i < blocks; ++i) {
      residual = std::max(residual, double(worst[size_t(i)]));
      size = std::max(size, double(scale[size_t(i)]));
    }
    return residual / size;
  }

  void linearise_some(int64_t begin, int64_t end, T& worst, T& scale) {
    const int64_t m = s_.m, n = s_.n, width = s_.gates * n;
    const DeerCell cell = s_.a.cell;
    const Linear<T> l(scratch<T>(size_t(Linear<T>::size(cell, n)), kGates), cell, n);
    Vec<T> most = zero<T>(), size = zero<T>(), excess = zero<T>();
    for (int64_t t = begin; t < end; ++t) {
      T* next = s_.states_of(d_) + t * m;
      linearise(cell, pre_ + t * width, s_.a.xg.row(d_.b, d_.first + t), guess_ + t * m, next, l, n);
      for (int64_t j = 0; j < m; j += kLanes<T>) {
        const auto f = load(next + j, m - j), r = f - load(guess_ + (t + 1) * m + j, m - j);
        store(residual_ + t * m + j, r, m - j);
        most = max(most, abs(r)), size = max(size, abs(f));
        excess += r - r;  // 0, or NaN for ever
      }
      if (s_.a.dense)
        s_.jacobian.columns(l, slopes_ + t * m * m);
      else
        s_.jacobian.diagonal(l, slopes_ + t * m);
    }
    worst = sum(excess) == T(0) ? maximum(most) : std::numeric_limits<T>::infinity();
    scale = maximum(size);
  }

  // change_: d_t = J_t d_{t-1} + r_t
  void solve() {
    const int64_t m = s_.m, steps = d_.steps;
    const Sequence<const T> r{residual_, 1, steps, m, steps * m, m};
    const Sequence<T> change{change_, 1, steps, m, steps * m, m};
    if (s_.a.dense) {
      AffineScan<T> scan{.state = m, .a = {slopes_, 1, steps, m * m, steps * m * m, m * m}, .x = r};
      scan.h = change;
      return cpu::affine_scan_fwd(scan);
    }
    Scan<T> scan{.a = {slopes_, 1, steps, m, steps * m, m}, .b = r};
    scan.h = change, scan.last = {last_, 1, m, m};
    cpu::scan_fwd(scan);
  }

  // s += d, or s = f where that leads out of the range of states: the linear model may overflow far from the solution.
  void advance() {
    const int64_t m = s_.m, n = s_.n;
    const T* f = s_.states_of(d_);
    for (int64_t t = 0; t < d_.steps; ++t)
      for (int64_t o = 0; o < s_.states; ++o) {
        const int64_t at = t * m + o * n;
        const auto limit = set(s_.limit(d_, o));
        each_vector<T>(n, [&](int64_t j, int64_t left) HWY_ATTR {
          const auto next = load(guess_ + m + at + j, left) + load(change_ + at + j, left);
          store(guess_ + m + at + j, if_greater(limit, abs(next), next, load(f + at + j, left)), left);
        });
      }
  }

  const Solver<T>& s_;
  Document d_;
  T *guess_, *pre_, *residual_, *change_, *slopes_, *last_;
};

// The recurrence as it is written down.
template <class T>
void step_by_step(const Solver<T>& s, const Document& d, const Packed<T>& w, const T* zero) {
  const int64_t n = s.n, m = s.m;
  T* memory = scratch<T>(size_t(m + s.gates * n + Linear<T>::size(s.a.cell, n)), kBuffers);
  T *before = memory, *pre = before + m;
  const Linear<T> l(pre + s.gates * n, s.a.cell, n);
  s.start(d, before);
  for (int64_t t = 0; t < d.steps; ++t) {
    const T* xg = s.a.xg.row(d.b, d.first + t);
    T* next = s.states_of(d) + t * m;
    product_start(s.a.cell, xg, s.a.bias, pre, n);
    const T *x = before, *start = pre;
    multiply(w, 1, &x, &start, zero, &pre);
    linearise(s.a.cell, pre, xg, before, next, l, n);
    std::copy_n(next, m, before);
  }
}

}  // namespace deer
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
