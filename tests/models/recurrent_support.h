// Questions that the tests put to every recurrent mixer (rnn, lstm, gru), made directly on a list of parameters.
#pragma once
#include <cmath>
#include <memory>

#include "tests/models/model_support.h"
#include "tests/support/check.h"

namespace adder {

template <class MixerType, class OptionsType>
struct Alone {
  ParameterList list;
  MixerType mixer;

  Alone(int64_t d_model, const OptionsType& options, DType dtype, int64_t n_layers = 1)
      : list(1, dtype), mixer(config(d_model, n_layers), options, ParameterScope(list)) {}

  static ModelConfig config(int64_t d_model, int64_t n_layers) {
    ModelConfig c;
    c.d_model = d_model, c.n_layers = n_layers;
    return c;
  }
  Tensor run(const Tensor& x, MixerState& state, const Tensor& resets = {}) const {
    Pass pass;
    return mixer.forward(pass, x, state, {resets, {}}).value();
  }
  Tensor run(const Tensor& x, const Tensor& resets = {}) const {
    MixerState state;
    return run(x, state, resets);
  }
};

// A stretch == its parts for every cut, and == single steps: to the bit, output and state.
template <class MixerType, class OptionsType>
void expect_parts_and_steps(int64_t d_model, const OptionsType& options) {
  const int64_t length = 7;
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Alone<MixerType, OptionsType> a(d_model, options, dtype);
    const Tensor x = normal_input({3, length, d_model}, 1).to(dtype);
    MixerState whole;
    const Tensor want = a.run(x, whole);
    ASSERT_EQ(want.shape(), x.shape());
    ASSERT_EQ(whole.size(), a.mixer.state_names().size());
    for (int64_t cut = 1; cut < length; ++cut) {
      MixerState parts;
      EXPECT_EQ(bits(a.run(row_of(x, 0, cut), parts)), bits(row_of(want, 0, cut)));
      MixerState steps = parts;
      EXPECT_EQ(bits(a.run(row_of(x, cut, length - cut), parts)), bits(row_of(want, cut, length - cut)));
      for (int64_t t = cut; t < length; ++t) {
        Pass pass;
        const Tensor y = a.mixer.step(pass, row_of(x, t, 1), steps, {}).value();
        EXPECT_EQ(bits(y), bits(row_of(want, t, 1))) << "cut " << cut << ", step " << t;
      }
      for (size_t i = 0; i < whole.size(); ++i) {
        EXPECT_EQ(bits(parts[i].value()), bits(whole[i].value()));
        EXPECT_EQ(bits(steps[i].value()), bits(whole[i].value()));
      }
    }
  }
}

// A document is to the bit what it is alone, and a carried state does not reach past its start.
template <class MixerType, class OptionsType>
void expect_isolated_documents(int64_t d_model, const OptionsType& options) {
  const int64_t length = 8;
  const Alone<MixerType, OptionsType> a(d_model, options, DType::f32);
  const Tensor x = normal_input({2, length, d_model}, 1).to(DType::f32), other = normal_input({2, length, d_model}, 2);
  for (int64_t start = 0; start < length; ++start) {
    const Tensor resets = resets_at(2, length, {start, length + start}), mixed = x.clone();
    mixed.narrow(1, 0, start).copy_from(other.narrow(1, 0, start));
    MixerState clean, carried, alone;
    a.run(mixed, carried);
    const Tensor one = a.run(x, clean, resets), two = a.run(mixed, carried, resets);
    const Tensor rest = row_of(one, start, length - start);
    EXPECT_EQ(bits(rest), bits(row_of(two, start, length - start)));
    EXPECT_EQ(bits(rest), bits(a.run(row_of(x, start, length - start), alone)));
    for (size_t i = 0; i < clean.size(); ++i) {
      EXPECT_EQ(bits(clean[i].value()), bits(carried[i].value()));
      EXPECT_EQ(bits(clean[i].value()), bits(alone[i].value()));
    }
    if (start == 0) continue;
    EXPECT_NE(bits(row_of(one, 0, start)), bits(row_of(two, 0, start)));
    EXPECT_NE(bits(rest), bits(row_of(a.run(x), start, length - start)));  // without the mark it does see them
  }
}

// Outputs, states, and gradients of parameters, input and carried state of the op by op form.
template <class MixerType, class OptionsType>
void expect_naive_is_fused(int64_t d_model, OptionsType options, bool carried, const Tensor& resets) {
  const int64_t batch = 3, length = 6;
  std::vector<std::vector<Tensor>> found;
  std::vector<std::string> names;
  for (const bool fused : {true, false}) {
    options.fused = fused;
    const Alone<MixerType, OptionsType> a(d_model, options, DType::f64);
    std::vector<Tensor> all;
    names.clear();
    const auto add = [&](const std::string& name, const Tensor& x) { names.push_back(name), all.push_back(x); };
    Tape tape;
    Pass pass{.tape = &tape};
    std::vector<Parameter> inputs(1 + a.mixer.state_names().size());
    inputs[0].value = normal_input({batch, length, d_model}, 1);
    MixerState state;
    const int64_t hidden = a.list.find("weight_hh")->value.dim(1);
    for (size_t i = 1; carried && i < inputs.size(); ++i) {
      inputs[i].value = normal_input({batch, hidden}, 10 + i);
      state.push_back(tape.use(inputs[i]));
    }
    const Var y = a.mixer.forward(pass, tape.use(inputs[0]), state, {resets, {}});
    add("y", y.value());
    std::vector<std::pair<Var, Tensor>> seeds = {{y, normal_input(y.shape(), 20)}};
    for (size_t i = 0; i < state.size(); ++i) {
      add("state " + std::to_string(i), state[i].value());
      seeds.emplace_back(state[i], normal_input(state[i].shape(), 30 + i));
    }
    tape.backward(seeds);
    for (size_t i = 0; i < a.list.size(); ++i) add("gradient of " + a.list[i].name, a.list[i].grad);
    for (size_t i = 0; i < (carried ? inputs.size() : 1); ++i) add("gradient of input " + std::to_string(i), inputs[i].grad);
    found.push_back(all);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    ASSERT_TRUE(found[0][i].defined() && found[1][i].defined()) << names[i];
    EXPECT_LE(nmax(found[1][i], found[0][i]), 1e-12) << names[i];
  }
}

template <class MixerType, class OptionsType>
void expect_naive_is_fused(int64_t d_model, const OptionsType& options) {
  for (const bool carried : {false, true}) {
    expect_naive_is_fused<MixerType>(d_model, options, carried, Tensor());
    expect_naive_is_fused<MixerType>(d_model, options, carried, resets_at(3, 6, {0, 3, 7, 8, 17}));
  }
}

// Rows [first, first + n) lie within the bound, reach its neighbourhood, and are centred.
inline void expect_uniform_rows(const Tensor& x, int64_t first, int64_t n, double bound, double centre = 0) {
  const Tensor part = x.narrow(0, first, n).clone();
  double least = 1e300, most = -1e300, mean = 0;
  for (int64_t i = 0; i < part.size(); ++i) {
    least = std::min(least, part.item(i)), most = std::max(most, part.item(i));
    mean += part.item(i) / double(part.size());
  }
  const double slack = 20 * bound / double(part.size());
  EXPECT_GE(least, centre - bound - 1e-6);
  EXPECT_LE(least, centre - bound + slack);
  EXPECT_LE(most, centre + bound + 1e-6);
  EXPECT_GE(most, centre + bound - slack);
  EXPECT_NEAR(mean, centre, 4 * bound / std::sqrt(3.0 * double(part.size())));
}

// Each square block of rows times its transpose is the identity (to float32's rounding of the parameters).
inline void expect_orthogonal_gates(const Tensor& w, double tolerance = 2e-6) {
  const int64_t n = w.dim(1);
  for (int64_t gate = 0; gate < w.dim(0) / n; ++gate)
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < n; ++k) sum += w.item((gate * n + i) * n + k) * w.item((gate * n + j) * n + k);
        ASSERT_NEAR(sum, i == j, tolerance) << "gate " << gate << ", rows " << i << " and " << j;
      }
}

}  // namespace adder
