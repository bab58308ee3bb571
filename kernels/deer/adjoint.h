// Backward of deer.h for one document.
// Include it where simd.h may be included.

// Toggled by foreach_target.h: this part is seen once for each target.
#if defined(KERNELS_DEER_ADJOINT_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_DEER_ADJOINT_H_
#undef KERNELS_DEER_ADJOINT_H_
#else
#define KERNELS_DEER_ADJOINT_H_
#endif

#include "kernels/affine_scan/affine_scan.h"
#include "kernels/deer/solver.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace deer {
using namespace recurrent;

template <class T>
class Adjoint {
 public:
  Adjoint(const Solver<T>& solver, const Document& d, const Packed<T>& w, const T* zero)
      : s_(solver), d_(d), w_(w), zero_(zero), linear_size_(Linear<T>::size(solver.a.cell, solver.n)) {
    const int64_t steps = d.steps, m = s_.m;
    T* memory = scratch<T>(size_t((steps + 1) * m + steps * (s_.gates * s_.n + linear_size_ + 2 * m) + 2 * m +
                                  (s_.a.dense ? (steps + 1) * m * m : 0)),
                           kBuffers);
    guess_ = memory, pre_ = guess_ + (steps + 1) * m, linear_ = pre_ + steps * s_.gates * s_.n;
    seeds_ = linear_ + steps * linear_size_, g_ = seeds_ + steps * m, reaches_ = g_ + steps * m;
    unused_ = reaches_ + m, slopes_ = unused_ + m;
  }

  void run() {
    linearise_all();
    gather_seeds();
    if (s_.a.dense)
      scan();
    else
      walk();
    for (int64_t t = 0; t < d_.steps; ++t) through_gates(t);
    if (d_.first > 0 || s_.starts_anew(d_) || (!s_.a.dh0 && !s_.a.dc0)) return;
    pull_back(0, zero_, reaches_);
    if (s_.a.dh0) add_to(s_.a.dh0.row(d_.b), reaches_, s_.n);
    if (s_.a.dc0) add_to(s_.a.dc0.row(d_.b), reaches_ + s_.n, s_.n);
  }

 private:
  int64_t row(int64_t t) const { return d_.b * s_.a.length + d_.first + t; }
  Linear<T> linear(int64_t t) const { return Linear<T>(linear_ + t * linear_size_, s_.a.cell, s_.n); }

  void linearise_all() {
    const int64_t n = s_.n, m = s_.m;
    s_.start(d_, guess_);
    std::copy_n(s_.states_of(d_), d_.steps * m, guess_ + m);
    s_.products(d_, guess_, pre_);
    parallel_blocks(d_.steps, kStepsTogether, [&](int64_t begin, int64_t end) {
      T* unused = scratch<T>(size_t(m), kGates);
      for (int64_t t = begin; t < end; ++t) {
        linearise(s_.a.cell, pre_ + t * s_.gates * n, s_.a.xg.row(d_.b, d_.first + t), guess_ + t * m, unused,
                  linear(t), n);
        if (s_.a.previous) std::copy_n(guess_ + t * m, n, s_.a.previous + row(t) * n);
        if (s_.a.dense && t > 0) s_.jacobian.rows(linear(t), slopes_ + t * m * m);
      }
    });
  }

  // What reaches each state from outside: dy, and dlast at the row's end.
  void gather_seeds() {
    const int64_t n = s_.n, m = s_.m;
    std::fill_n(seeds_, d_.steps * m, T(0));
    for (int64_t t = 0; s_.a.dy && t < d_.steps; ++t)
      std::copy_n(s_.a.dy.row(d_.b, d_.first + t), n, seeds_ + t * m);
    if (d_.first + d_.steps < s_.a.length) return;
    T* last = seeds_ + (d_.steps - 1) * m;
    if (s_.a.dlast_h) add_to(last, s_.a.dlast_h.row(d_.b), n);
    if (s_.a.dlast_c) add_to(last + n, s_.a.dlast_c.row(d_.b), n);
  }

  // g_t = seed_t + J_{t+1}^T g_{t+1}, turned round: step i is t = steps-1-i, and J of t+1 belongs to it
  void scan() {
    const int64_t m = s_.m, steps = d_.steps;
    AffineScan<T> scan{.state = m, .a = {slopes_ + steps * m * m, 1, steps, m * m, 0, -m * m}};
    scan.x = Sequence<const T>{seeds_, 1, steps, m, steps * m, m}.backwards();
    scan.h = Sequence<T>{g_, 1, steps, m, steps * m, m}.backwards();
    cpu::affine_scan_fwd(scan);
  }

  void walk() {
    const int64_t m = s_.m, steps = d_.steps;
    std::copy_n(seeds_ + (steps - 1) * m, m, g_ + (steps - 1) * m);
    for (int64_t t = steps - 1; t > 0; --t) {
      through_gates(t);
      pull_back(t, seeds_ + (t - 1) * m, g_ + (t - 1) * m);
    }
  }

  // dstep and dxg of a step from g_t: sums over the states of through g and input g
  void through_gates(int64_t t) {
    const Linear<T> l = linear(t);
    gate_sums(l.through, t, s_.a.dstep + row(t) * s_.gates * s_.n);
    if (s_.a.dxg != s_.a.dstep) gate_sums(l.input, t, s_.a.dxg + row(t) * s_.gates * s_.n);
  }
  void gate_sums(const T* factor, int64_t t, T* out) {
    const int64_t width = s_.gates * s_.n;
    for (int64_t j = 0; j < width; ++j) {
      T sum = 0;  // never -0, as what is added to a gradient never is
      for (int64_t o = 0; o < s_.states; ++o)
        sum += factor[o * width + j] * g_[t * s_.m + o * s_.n + j % s_.n];
      out[j] = sum;
    }
  }

  // out = start + J_t^T g_t, once dstep of t is there
  void pull_back(int64_t t, const T* start, T* out) {
    const int64_t n = s_.n, m = s_.m;
    const Linear<T> l = linear(t);
    for (int64_t i = 0; i < s_.states; ++i)
      for (int64_t j = 0; j < n; ++j) {
        T sum = start[i * n + j];
        for (int64_t o = 0; o < s_.states; ++o)
          sum += l.own[(o * s_.states + i) * n + j] * g_[t * m + o * n + j];
        out[i * n + j] = sum;
      }
    const T *x = s_.a.dstep + row(t) * s_.gates * n, *sum = out;
    multiply(w_, 1, &x, &sum, zero_, &out);
  }

  const Solver<T>& s_;
  Document d_;
  const Packed<T>& w_;
  const T* zero_;
  int64_t linear_size_;
  T *guess_, *pre_, *linear_, *seeds_, *g_, *reaches_, *unused_, *slopes_;
};

}  // namespace deer
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
