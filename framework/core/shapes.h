// Argument checks with names: [selective_scan] delta has shape [2, 7, 4], expected [2, 7, 5].
#pragma once
#include <array>
#include <initializer_list>
#include <string>
#include <variant>

#include "framework/core/tape.h"

namespace adder {

// An expected extent: a number, or the name of one that is free.
using Extent = std::variant<int64_t, const char*>;

class Shapes {
 public:
  explicit Shapes(const char* op) : op_(op) {}

  // The extents of x, which must have N axes and agree with every number in `want`.
  template <size_t N>
  std::array<int64_t, N> operator()(const char* argument, const Tensor& x, const Extent (&want)[N]) const {
    match(argument, x, want, N);
    std::array<int64_t, N> found{};
    for (size_t i = 0; i < N; ++i) found[i] = x.shape()[i];
    return found;
  }
  template <size_t N>
  std::array<int64_t, N> operator()(const char* argument, const Var& x, const Extent (&want)[N]) const {
    return (*this)(argument, x.value(), want);
  }

  // x may have any leading axes; its last one must be `want`. Returns it.
  int64_t last(const char* argument, const Var& x, Extent want) const;
  // Both have one shape.
  void same(const char* a, const Var& x, const char* b, const Var& y) const;
  // All floating inputs that are there share one dtype and device.
  void one_dtype(std::initializer_list<const Var*> inputs) const;
  [[noreturn]] void fail(const std::string& what) const;

 private:
  void match(const char* argument, const Tensor& x, const Extent* want, size_t axes) const;
  const char* op_;
};

}  // namespace adder
