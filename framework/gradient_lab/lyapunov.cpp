#include "framework/gradient_lab/lyapunov.h"

#include <Eigen/LU>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "framework/core/error.h"
#include "framework/core/random.h"
#include "framework/gradient_lab/spread.h"

namespace adder::lab {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// q becomes orthonormal; returns log |R_ii|.
Eigen::VectorXd orthonormalise(Matrix& q) {
  const Eigen::HouseholderQR<Matrix> qr(q);
  const Eigen::VectorXd logs = qr.matrixQR().diagonal().head(q.cols()).cwiseAbs().array().log();
  q = qr.householderQ() * Matrix::Identity(q.rows(), q.cols());
  return logs;
}

Matrix random_basis(int64_t n, int64_t k, uint64_t seed) {
  const Random random(seed, "basis");
  Matrix q(n, k);
  for (int64_t i = 0; i < q.size(); ++i) q.data()[i] = random.normal(uint64_t(i));
  orthonormalise(q);
  return q;
}

double log_abs_det(const Matrix& m) {
  return Eigen::PartialPivLU<Matrix>(m).matrixLU().diagonal().cwiseAbs().array().log().sum();
}

// Means and errors from the batches, in falling order of the means.
void summarise(Lyapunov& l) {
  const size_t k = l.batches[0].size();
  std::vector<double> means(k, 0), errors(k);
  for (size_t i = 0; i < k; ++i) {
    std::vector<double> each;
    for (const auto& batch : l.batches) each.push_back(batch[i]);
    means[i] = std::accumulate(each.begin(), each.end(), 0.0) / double(each.size());
    errors[i] = standard_error(each);
  }
  std::vector<size_t> order(k);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return means[a] > means[b]; });
  const auto sorted = [&](const std::vector<double>& x) {
    std::vector<double> y;
    for (const size_t i : order) y.push_back(x[i]);
    return y;
  };
  l.exponents = sorted(means), l.errors = sorted(errors);
  for (auto& batch : l.batches) batch = sorted(batch);
}

int64_t batch_steps(int64_t counted, const LyapunovOptions& o) { return counted / o.batches / o.every * o.every; }

}  // namespace

double Lyapunov::kaplan_yorke() const {
  double sum = 0;
  for (size_t j = 0; j < exponents.size(); ++j) {
    if (sum + exponents[j] < 0) return double(j) + sum / -exponents[j];
    sum += exponents[j];
  }
  return int64_t(exponents.size()) == size ? double(size) : kNaN;
}

double Lyapunov::entropy() const {
  double sum = 0;
  for (const double x : exponents) sum += std::max(x, 0.0);
  return sum;
}

Lyapunov lyapunov(const Jacobians& J, const LyapunovOptions& o) {
  const int64_t n = J.size(), k = o.count > 0 ? std::min(o.count, n) : n;
  Lyapunov l;
  l.size = n;
  l.batch_steps = batch_steps(J.steps() - int64_t(double(J.steps()) * o.burn_in), o);
  l.steps = l.batch_steps * o.batches;
  if (l.batch_steps < 1)
    throw Error("[lyapunov] " + std::to_string(J.steps()) + " steps, expected enough for " + std::to_string(o.batches) +
                " batches of " + std::to_string(o.every) + " and the burn-in before");
  const bool dense = 4 * k >= n;  // then all of a Jacobian costs no more than its products
  Matrix q = random_basis(n, k, o.seed);
  l.batches.assign(size_t(o.batches), std::vector<double>(size_t(k), 0));
  double log_det = 0;
  const int64_t start = J.steps() - l.steps;
  for (int64_t t = 0; t < J.steps(); ++t) {
    const int64_t done = t - start + 1;  // counted steps once this one is
    if (dense) {
      const Matrix jacobian = J.dense(t);
      q = jacobian * q;
      if (k == n && done > 0) log_det += log_abs_det(jacobian);
    } else {
      q = J.times(t, q);
    }
    const int64_t since = done > 0 ? done : t + 1;
    if (since % o.every != 0 && done != 0) continue;
    const Eigen::VectorXd logs = orthonormalise(q);
    if (done <= 0) continue;
    auto& batch = l.batches[size_t((done - 1) / l.batch_steps)];
    for (int64_t i = 0; i < k; ++i) batch[size_t(i)] += logs[i] / double(l.batch_steps);
  }
  l.log_det = k == n ? log_det / double(l.steps) : kNaN;
  summarise(l);
  return l;
}

Lyapunov diagonal_lyapunov(const Decay& decay, int64_t batches) {
  const int64_t length = decay.log_abs.dim(1), n = decay.log_abs.dim(2);
  Lyapunov l;
  l.size = n * decay.each;
  l.batch_steps = length / batches, l.steps = l.batch_steps * batches;
  if (l.batch_steps < 1)
    throw Error("[lyapunov] " + std::to_string(length) + " steps, expected at least " + std::to_string(batches));
  l.batches.assign(size_t(batches), std::vector<double>(size_t(l.size), 0));
  for (int64_t step = 0; step < l.steps; ++step) {
    const double* logs = decay.log_abs.data<double>() + (length - l.steps + step) * n;
    auto& batch = l.batches[size_t(step / l.batch_steps)];
    for (int64_t i = 0; i < l.size; ++i) batch[size_t(i)] += logs[i / decay.each] / double(l.batch_steps);
  }
  summarise(l);
  l.log_det = std::accumulate(l.exponents.begin(), l.exponents.end(), 0.0);
  return l;
}

}  // namespace adder::lab
