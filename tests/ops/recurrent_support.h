// What the tests of the fused recurrences (rnn, lstm, gru) have in common.
#pragma once
#include <array>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "framework/ops/add.h"
#include "tests/support/check.h"
#include "tests/support/fixtures.h"
#include "tests/support/same.h"

namespace adder {

// batch, length, hidden: one row, odd sizes, several blocks of rows, more than one panel of columns
inline std::vector<std::array<int64_t, 3>> recurrent_sizes() {
  return {{1, 1, 1}, {2, 6, 7}, {1, 3, 33}, {3, 4, 1}, {4, 2, 3}, {5, 3, 2}, {13, 2, 2}};
}

// One step with the recurrent weights (input 1) in panels and without: the same bits.
inline void expect_same_with_panels(const std::function<OpCase(int64_t batch, int64_t hidden)>& one_step) {
  for (const int64_t hidden : {5, 24, 96})  // a panel's edge lies between gates or on one
    for (const int64_t batch : {1, 3, 7}) {
      const OpCase c = one_step(batch, hidden);
      const auto run = [&](bool panels) {
        std::vector<Var> in;
        for (size_t i = 0; i < c.inputs.size(); ++i) {
          Tensor x = c.inputs[i];
          if (x.defined() && x.dtype() != DType::i32) x = x.to(DType::f32);
          if (i == 1 && panels) x.keep_panels(std::make_shared<Tensor::Panels>());
          in.emplace_back(x);
        }
        const auto out = c.op(in);
        EXPECT_EQ(panels, in[1].value().panels() && in[1].value().panels()->data.defined());
        return out;
      };
      const auto plain = run(false), packed = run(true);
      for (size_t j = 0; j < plain.size(); ++j)
        expect_same(packed[j].value(), plain[j].value(), "batch " + std::to_string(batch) + ", hidden " + std::to_string(hidden));
    }
}

// Each batch row by itself, in value and in the gradient of each input that has the batch as its first axis.
inline void expect_rows_alone(const OpCase& c, const std::set<size_t>& batched) {
  const int64_t batch = c.inputs[0].dim(0);
  const auto run = [&](int64_t first, int64_t rows) {
    Tape tape;
    std::vector<Var> in;
    for (size_t i = 0; i < c.inputs.size(); ++i) {
      const Tensor& x = c.inputs[i];
      if (!x.defined() || x.dtype() == DType::i32) in.emplace_back(x);
      else in.push_back(tape.leaf((batched.count(i) ? x.narrow(0, first, rows) : x).to(DType::f32).clone()));
    }
    const auto out = c.op(in);
    std::vector<Tensor> all;
    std::vector<std::pair<Var, Tensor>> seeds;
    for (size_t j = 0; j < out.size(); ++j) {
      Shape shape = out[j].shape();
      shape[0] = batch;
      seeds.emplace_back(out[j], normal_input(shape, 50 + j).to(DType::f32).narrow(0, first, rows));
      all.push_back(out[j].value());
    }
    const size_t outputs = all.size();
    all.resize(outputs + c.inputs.size());
    for (size_t i : batched)
      if (in[i].defined()) watch(in[i], [&all, k = outputs + i](const Tensor& d) { all[k] = d.clone(); });
    tape.backward(seeds);
    return all;
  };
  const auto whole = run(0, batch);
  for (int64_t b = 0; b < batch; ++b) {
    const auto alone = run(b, 1);
    for (size_t j = 0; j < whole.size(); ++j)
      if (whole[j].defined())
        expect_same(alone[j], whole[j].narrow(0, b, 1), "row " + std::to_string(b) + ", tensor " + std::to_string(j));
  }
}

// An xg that nobody else holds may be written over, another not, nor one that an observer is shown: the same bits, in values
// and gradients. For weights on a tape.
inline void expect_same_when_handed_over(const std::function<std::vector<Var>(Var xg, const Var& w)>& op, int64_t gates) {
  constexpr int64_t hidden = 33;
  const Tensor xg = normal_input({3, 5, gates * hidden}, 1).to(DType::f32), w = normal_input({gates * hidden, hidden}, 2, 0.2).to(DType::f32);
  const auto run = [&](bool hand_over, bool observed) {
    Tape tape;
    const Var x = tape.leaf(xg), weight = tape.leaf(w);
    Var moved = ops::add(x, Tensor::full(xg.shape(), 0.5));
    const Var held = hand_over ? Var() : moved;
    const Tensor before = moved.value().clone();
    EXPECT_EQ(moved.value().shares_storage(), !hand_over);
    if (observed)
      tape.on_record([&](const char*, const std::vector<Var>&, const std::vector<Var>& inputs) {
        expect_same(inputs[0].value(), before, "an xg that is looked at");
      });
    const auto out = op(std::move(moved), weight);
    if (held.defined()) expect_same(held.value(), before, "an xg that is held");
    std::vector<Tensor> all;
    std::vector<std::pair<Var, Tensor>> seeds;
    for (const Var& y : out) all.push_back(y.value().clone()), seeds.emplace_back(y, Tensor::full(y.shape(), 0.5));
    for (const Var& v : {x, weight}) watch(v, [&](const Tensor& d) { all.push_back(d.clone()); });
    tape.backward(seeds);
    return all;
  };
  const auto over = run(true, false), beside = run(false, false), seen = run(true, true);
  ASSERT_EQ(over.size(), beside.size());
  for (size_t i = 0; i < over.size(); ++i) {
    expect_same(over[i], beside[i], "tensor " + std::to_string(i));
    expect_same(seen[i], beside[i], "tensor " + std::to_string(i) + ", looked at");
  }
}

// run(xg, state or nothing, {w_hh, b_hh}) gives y and the new state: parts of a sequence are the whole, to the bit.
using RunPart = std::function<std::vector<Var>(const Tensor&, const std::vector<Var>&, const std::vector<Tensor>&)>;
inline void expect_parts(const RunPart& run, int64_t hidden, int64_t gates) {
  const int64_t length = 9;
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor xg = normal_input({3, length, gates * hidden}, 1).to(dtype);
    const std::vector<Tensor> w = {normal_input({gates * hidden, hidden}, 2, 0.2).to(dtype),
                                   normal_input({gates * hidden}, 3).to(dtype)};
    const auto whole = run(xg, {}, w);
    for (int64_t cut = 1; cut < length; ++cut) {
      const auto head = run(xg.narrow(1, 0, cut), {}, w);
      const auto tail = run(xg.narrow(1, cut, length - cut), {head.begin() + 1, head.end()}, w);
      expect_same(head[0].value(), whole[0].value().narrow(1, 0, cut), "head");
      expect_same(tail[0].value(), whole[0].value().narrow(1, cut, length - cut), "tail");
      for (size_t i = 1; i < whole.size(); ++i) expect_same(tail[i].value(), whole[i].value(), "state");
    }
  }
}

// cell/<name> of ops.h5, whose inputs are those of torch's modules.
using Cell = std::function<std::map<std::string, Var>(std::map<std::string, Var>&)>;
inline void expect_cell_parity(const std::string& name, const Cell& cell) {
  const Hdf5File file = fixtures::open("ops.h5");
  const std::string root = "/cell/" + name + "/";
  const auto leaf = [](const std::string& path) { return path.substr(path.rfind('/') + 1); };
  for (const auto& [dtype, tolerance] : {std::pair{DType::f32, 1e-5}, {DType::f64, 1e-11}}) {
    Tape tape;
    std::map<std::string, Parameter> parameters;
    std::map<std::string, Var> in;
    for (const Hdf5Dataset& d : file.datasets(root + "in")) {
      Parameter& p = parameters[leaf(d.path)];
      p.value = fixtures::read(file, d.path).to(dtype);
      in[leaf(d.path)] = tape.use(p);
    }
    auto out = cell(in);
    std::vector<std::pair<Var, Tensor>> seeds;
    size_t outputs = 0, gradients = 0;
    for (const Hdf5Dataset& d : file.datasets(root + "out")) {
      const std::string key = leaf(d.path);
      ASSERT_TRUE(out.count(key)) << key;
      EXPECT_LE(fixtures::nmax(out[key].value(), fixtures::read(file, d.path)), tolerance) << name << ", " << key;
      if (file.exists(root + "dout/" + key))
        seeds.emplace_back(out[key], fixtures::read(file, root + "dout/" + key).to(dtype).reshape(out[key].shape()));
      ++outputs;
    }
    tape.backward(seeds);
    for (const Hdf5Dataset& d : file.datasets(root + "din")) {
      EXPECT_LE(fixtures::nmax(parameters.at(leaf(d.path)).grad, fixtures::read(file, d.path)), tolerance)
          << name << ", gradient of " << leaf(d.path);
      ++gradients;
    }
    EXPECT_GE(outputs, 2u);
    EXPECT_GE(gradients, 5u);
  }
}

}  // namespace adder
