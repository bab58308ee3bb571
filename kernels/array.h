// A tiny dense array for reference code. T is double for values, std::complex<double> for exact derivatives.
#pragma once
#include <array>
#include <complex>
#include <cstdint>
#include <vector>

namespace kernels {

template <class T>
struct Array {
  std::vector<int64_t> shape;
  std::vector<T> data;

  Array() = default;  // an argument left out
  explicit Array(std::vector<int64_t> s) : shape(std::move(s)) {
    size_t n = 1;
    for (int64_t d : shape) n *= size_t(d);
    data.assign(n, T{});
  }
  bool present() const { return !data.empty(); }
  int64_t dim(int i) const { return shape[size_t(i < 0 ? i + int(shape.size()) : i)]; }
  int64_t size() const { return int64_t(data.size()); }
  template <class... I>
  T& operator()(I... i) { return data[at(i...)]; }
  template <class... I>
  const T& operator()(I... i) const { return data[at(i...)]; }

 private:
  template <class... I>
  size_t at(I... i) const {
    size_t k = 0, axis = 0;
    ((k = k * size_t(shape[axis++]) + size_t(i)), ...);
    return k;
  }
};

template <class T>
using Arrays = std::vector<Array<T>>;

template <size_t N, class T>
std::array<int64_t, N> dims(const Array<T>& a) {
  std::array<int64_t, N> r;
  for (size_t i = 0; i < N; ++i) r[i] = a.shape[i];
  return r;
}

}  // namespace kernels
