// The numbers of the field's own implementations, in ../shared/parity beside this repository (its README
// explains them). A clone that stands alone has no such folder: a test that needs it starts with
// SKIP_WITHOUT_SHARED().
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>

#include "framework/core/tensor.h"
#include "framework/data/hdf5.h"

#define SKIP_WITHOUT_SHARED()                            \
  if (!std::filesystem::exists(adder::fixtures::root())) \
  GTEST_SKIP() << "needs the parity fixtures in ../shared/parity beside the repository"

namespace adder::fixtures {

inline std::string root() { return std::string(ADDER_SOURCE_DIR) + "/../shared/parity"; }
inline Hdf5File open(const std::string& name) { return Hdf5File::open(root() + "/" + name); }

// A floating dataset as float64, an integer one as int32.
inline Tensor read(const Hdf5File& file, const std::string& path) {
  const Tensor x = file.read(path);
  return x.dtype() == DType::f32 ? x.to(DType::f64) : x;
}

// max |got - want| / max |want|; infinite where got has another size or a NaN.
inline double nmax(const Tensor& got, const Tensor& want) {
  if (!got.defined() || got.size() != want.size()) return INFINITY;
  double error = 0, peak = 0;
  for (int64_t i = 0; i < want.size(); ++i) {
    const double difference = std::abs(got.item(i) - want.item(i));
    if (std::isnan(difference)) return INFINITY;
    error = std::max(error, difference), peak = std::max(peak, std::abs(want.item(i)));
  }
  return error / (peak > 0 ? peak : 1);
}

// (a, b, c) to (a, c, b)
inline Tensor swap_last_two(const Tensor& x) {
  const int64_t a = x.dim(0), b = x.dim(1), c = x.dim(2);
  const Tensor y = Tensor::empty({a, c, b}, DType::f64);
  for (int64_t i = 0; i < a; ++i)
    for (int64_t j = 0; j < b; ++j)
      for (int64_t k = 0; k < c; ++k) y.data<double>()[(i * c + k) * b + j] = x.item((i * b + j) * c + k);
  return y;
}

}  // namespace adder::fixtures
