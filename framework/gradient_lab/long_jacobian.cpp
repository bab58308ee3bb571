#include "framework/gradient_lab/long_jacobian.h"

#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/core/error.h"
#include "framework/core/random.h"
#include "framework/gradient_lab/magnitude.h"
#include "framework/gradient_lab/spread.h"

namespace adder::lab {
namespace {

using Vector = Eigen::VectorXd;
constexpr double kNothing = -std::numeric_limits<double>::infinity();

void check(const Jacobians& J, const std::vector<int64_t>& lags) {
  for (const int64_t lag : lags)
    if (lag < 1 || lag > J.steps())
      throw Error("[long_jacobian] a lag is " + std::to_string(lag) + ", expected 1 to the steps, " + std::to_string(J.steps()));
}

double log10_frobenius(const Matrix& m) { return log10_norm(m.data(), m.size()); }

std::vector<double> top_of(std::vector<double> logs, int64_t top) {
  std::sort(logs.begin(), logs.end(), std::greater<>());
  if (int64_t(logs.size()) > top) logs.resize(size_t(top));
  return logs;
}

// The product over some steps, applied to one vector; 10^log10 times a unit vector.
struct Scaled {
  Vector unit;
  double log10 = 0;
};
void normalise(Scaled& x) {
  const double norm = x.unit.stableNorm();
  if (norm > 0) x.unit /= norm;
  x.log10 = norm > 0 ? x.log10 + std::log10(norm) : kNothing;
}

struct Product {
  const Jacobians& J;
  int64_t first, last;  // steps first … last - 1
  double scale = 0;     // the matrix stands for 10^-scale T

  Scaled forward(const Vector& v) const {
    Scaled x{v};
    for (int64_t t = first; t < last && x.log10 > kNothing; ++t) x.unit = J.times(t, x.unit), normalise(x);
    return x;
  }
  Scaled back(const Vector& u) const {
    Scaled x{u};
    for (int64_t t = last - 1; t >= first && x.log10 > kNothing; --t) x.unit = J.transposed_times(t, x.unit), normalise(x);
    return x;
  }
  Vector rescaled(const Scaled& x) const { return x.unit * std::pow(10, x.log10 - scale); }
};

void make_orthogonal(Vector& x, const std::vector<Vector>& to) {
  for (int pass = 0; pass < 2; ++pass)
    for (const Vector& v : to) x -= v.dot(x) * v;
}

Vector random_unit(int64_t n, uint64_t seed) {
  const Random random(seed, "probe-vector");
  Vector v(n);
  for (int64_t i = 0; i < n; ++i) v[i] = random.normal(uint64_t(i));
  return v.normalized();
}

// Golub & Kahan (1965), with both bases kept orthogonal.
std::vector<double> largest_sigma(Product product, int64_t top, uint64_t seed) {
  const int64_t n = product.J.size(), most = std::min(n, 3 * top + 30);
  std::vector<Vector> left, right = {random_unit(n, seed)};
  const Scaled start = product.forward(right[0]);
  if (start.log10 == kNothing) return std::vector<double>(size_t(std::min(top, n)), kNothing);
  product.scale = start.log10;
  Matrix bidiagonal = Matrix::Zero(most, most);
  Vector before = Vector::Zero(top);
  for (int64_t j = 0; j < most; ++j) {
    Vector u = product.rescaled(j == 0 ? start : product.forward(right.back()));
    make_orthogonal(u, left);
    bidiagonal(j, j) = u.norm();
    if (u.norm() > 0) u.normalize();
    left.push_back(u);
    Vector v = product.rescaled(product.back(u));
    make_orthogonal(v, right);
    const double beta = v.norm();
    const Vector sigma = Eigen::JacobiSVD<Matrix>(bidiagonal.topLeftCorner(j + 1, j + 1)).singularValues();
    Vector now = Vector::Zero(top);
    now.head(std::min(top, j + 1)) = sigma.head(std::min(top, j + 1));
    const bool settled = j + 1 >= std::min(top, n) && ((now - before).array().abs() <= 1e-6 * now.array()).all();
    before = now;
    if (settled || beta <= 1e-13 * sigma[0] || j + 1 == most) break;
    bidiagonal(j, j + 1) = beta;
    right.push_back(v / beta);
  }
  std::vector<double> logs;
  for (int64_t i = 0; i < std::min(top, n); ++i)
    logs.push_back(before[i] > 0 ? product.scale + std::log10(before[i]) : kNothing);
  return logs;
}

}  // namespace

double JacobianNorms::stable_rank() const { return std::pow(10, 2 * (frobenius - sigma[0])); }

std::vector<JacobianNorms> exact_norms(const Jacobians& J, const std::vector<int64_t>& lags, int64_t top) {
  check(J, lags);
  std::vector<JacobianNorms> list;
  Matrix transposed = Matrix::Identity(J.size(), J.size());
  double scale = 0;
  int64_t lag = 0;
  for (const int64_t wanted : lags) {
    for (; lag < wanted; ++lag) {
      transposed = J.transposed_times(J.steps() - 1 - lag, transposed);
      const double size = log10_frobenius(transposed);
      if (size > kNothing) transposed /= std::pow(10, size), scale += size;
    }
    const Vector sigma = Eigen::BDCSVD<Matrix>(transposed).singularValues();
    std::vector<double> logs;
    for (int64_t i = 0; i < sigma.size(); ++i) logs.push_back(sigma[i] > 0 ? scale + std::log10(sigma[i]) : kNothing);
    list.push_back({wanted, top_of(logs, top), scale + log10_frobenius(transposed)});
  }
  return list;
}

std::vector<JacobianNorms> estimated_norms(const Jacobians& J, const std::vector<int64_t>& lags, int64_t top,
                                           int64_t probes, uint64_t seed) {
  check(J, lags);
  const Random random(seed, "probe-vectors");
  Matrix v(J.size(), probes);
  for (int64_t i = 0; i < v.size(); ++i) v.data()[i] = random.normal(uint64_t(i));
  std::vector<double> scale(size_t(probes), 0);
  std::vector<JacobianNorms> list;
  int64_t lag = 0;
  for (const int64_t wanted : lags) {
    for (; lag < wanted; ++lag) {
      v = J.transposed_times(J.steps() - 1 - lag, v);
      for (int64_t i = 0; i < probes; ++i) {
        const double size = log10_frobenius(v.col(i));
        if (size > kNothing) v.col(i) /= std::pow(10, size), scale[size_t(i)] += size;
      }
    }
    std::vector<double> squares, relative;
    for (int64_t i = 0; i < probes; ++i) squares.push_back(2 * (scale[size_t(i)] + log10_frobenius(v.col(i))));
    const double mean = log10_mean(squares);
    for (const double s : squares) relative.push_back(mean > kNothing ? std::pow(10, s - mean) : 0);
    list.push_back({wanted, largest_sigma({J, J.steps() - wanted, J.steps()}, top, seed), mean / 2,
                    standard_error(relative) / 2});
  }
  return list;
}

std::vector<double> diagonal_product(const Decay& decay, int64_t lag) {
  const int64_t length = decay.log_abs.dim(1), n = decay.log_abs.dim(2);
  if (lag < 0 || lag > length)
    throw Error("[long_jacobian] a lag is " + std::to_string(lag) + ", expected 0 to the steps, " + std::to_string(length));
  std::vector<double> sums(size_t(n), 0);
  for (int64_t t = length - lag; t < length; ++t)
    for (int64_t i = 0; i < n; ++i) sums[size_t(i)] += decay.log_abs.data<double>()[t * n + i];
  for (double& sum : sums) sum /= std::log(10.0);
  return sums;
}

double share_above(const std::vector<double>& log10_products, double retention) {
  const auto above = std::count_if(log10_products.begin(), log10_products.end(),
                                   [&](double x) { return x > std::log10(retention); });
  return double(above) / double(log10_products.size());
}

std::vector<JacobianNorms> diagonal_norms(const Decay& decay, const std::vector<int64_t>& lags, int64_t top) {
  std::vector<JacobianNorms> list;
  for (const int64_t lag : lags) {
    const std::vector<double> products = diagonal_product(decay, lag);
    std::vector<double> squares, all;
    for (const double p : products) squares.push_back(2 * p);
    for (const double p : top_of(products, top)) all.insert(all.end(), size_t(std::min(decay.each, top)), p);
    const double numbers = double(products.size()) * double(decay.each);
    list.push_back({lag, top_of(all, top), (log10_mean(squares) + std::log10(numbers)) / 2});
  }
  return list;
}

Decays decays_along(Model& model, const Tensor& ids) {
  Decays decays;
  Pass pass{.decays = &decays};
  State state;
  model.forward(pass, {ids, {}}, state);
  return decays;
}

}  // namespace adder::lab
