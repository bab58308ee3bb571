// The 14 models of shared/parity, each a folder to import: how tests run over them, and compare.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include "framework/core/tensor.h"
#include "tests/support/fixtures.h"

namespace adder::parity {

struct Case {
  std::string name;  // hf/mamba
  DType dtype;

  std::string folder() const { return fixtures::root() + "/" + name; }
  bool wide() const { return dtype == DType::f64; }
  double tolerance(double float32, double float64) const { return wide() ? float64 : float32; }
};

inline std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

inline const std::vector<std::string>& names() {
  static const std::vector<std::string> all = {
      "hf/mamba",          "hf/mamba2",
      "hf/gpt2",           "hf/llama",
      "native/rnn_tanh",   "native/lstm",
      "native/gru",        "native/mingru_log",
      "native/minlstm_log", "native/mingru_vanilla",
      "native/minlstm_vanilla", "native/s4d_real",
      "native/s4d_lin",    "native/lru"};
  return all;
}

inline std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::string& name : names())
    for (const DType dtype : {DType::f32, DType::f64}) all.push_back({name, dtype});
  return all;
}

// "mamba_float32"
inline std::string shown(const testing::TestParamInfo<Case>& info) {
  const std::string& name = info.param.name;
  return name.substr(name.find('/') + 1) + "_" + adder::name(info.param.dtype);
}

inline double l2(const Tensor& x) {
  double sum = 0;
  for (int64_t i = 0; i < x.size(); ++i) sum += x.item(i) * x.item(i);
  return std::sqrt(sum);
}

inline Tensor difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  const Tensor d = Tensor::zeros(a.shape(), DType::f64);
  for (int64_t i = 0; i < std::min(a.size(), b.size()); ++i) d.data<double>()[i] = a.item(i) - b.item(i);
  return d;
}

}  // namespace adder::parity
