#include "framework/gradient_lab/block_jacobians.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "framework/core/shapes.h"

namespace adder::lab {
namespace {

State after_token(Model& model, const Tensor& ids, State state) {
  Pass pass;
  model.forward(pass, {ids, {}}, state);
  return state.detach();
}

// Places of the recurrent tensors among all of a block's.
std::vector<size_t> recurrent_tensors(const Model& model, size_t block) {
  const auto all = model.state_names()[block], recurrent = model.recurrent_names()[block];
  std::vector<size_t> places;
  for (size_t i = 0; i < all.size(); ++i)
    if (std::find(recurrent.begin(), recurrent.end(), all[i]) != recurrent.end()) places.push_back(i);
  return places;
}

}  // namespace

std::vector<int64_t> recurrent_sizes(Model& model) {
  const State state = after_token(model, Tensor::zeros({1, 1}, DType::i32), {});
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < state.blocks.size(); ++i) {
    sizes.push_back(0);
    for (const size_t j : recurrent_tensors(model, i)) sizes.back() += state.blocks[i][j].value().size();
  }
  return sizes;
}

BlockJacobians::BlockJacobians(Model& model, const Tensor& ids, size_t block)
    : model_(model), ids_(ids), block_(block), tensors_(recurrent_tensors(model, block)) {
  const Shapes check{"block_jacobians"};
  const int64_t length = check("ids", ids, {1, "length"})[1];
  if (length < 2) check.fail("ids has length 1, expected at least 2: the first token has no state before it");
  if (model.parameters().dtype() != DType::f64) check.fail("the model is float32, expected float64");
  if (tensors_.empty()) check.fail("block " + std::to_string(block) + " carries no recurrent state");
  State state;
  for (int64_t t = 0; t + 1 < length; ++t) {
    state = after_token(model_, token(t - 1, 1), state);
    before_.push_back(state);
  }
  for (const size_t j : tensors_) size_ += before_[0].blocks[block_][j].value().size();
}

// Token t + 1 as a batch of equal rows.
Tensor BlockJacobians::token(int64_t t, int64_t rows) const {
  return Tensor::full({rows, 1}, ids_.data<int32_t>()[t + 1], DType::i32);
}

// Row b of the state as column b.
Matrix BlockJacobians::read(const State& state) const {
  Matrix columns(size_, state.blocks[block_][tensors_[0]].dim(0));
  int64_t first = 0;
  for (const size_t j : tensors_) {
    const Tensor x = state.blocks[block_][j].value().clone();
    const int64_t n = x.size() / columns.cols();
    columns.middleRows(first, n) = Eigen::Map<const Matrix>(x.data<double>(), n, columns.cols());
    first += n;
  }
  return columns;
}

void BlockJacobians::write(const State& state, const Matrix& columns) const {
  int64_t first = 0;
  for (const size_t j : tensors_) {
    const Tensor& x = state.blocks[block_][j].value();
    const int64_t n = x.size() / columns.cols();
    Eigen::Map<Matrix>(x.data<double>(), n, columns.cols()) = columns.middleRows(first, n);
    first += n;
  }
}

// The states after token t + 1, from as many states before it.
Matrix BlockJacobians::after(int64_t t, const Matrix& states) const {
  const State before = before_[size_t(t)].rows(std::vector<int64_t>(size_t(states.cols()), 0));
  write(before, states);
  return read(after_token(model_, token(t, states.cols()), before));
}

// (8 (f(h + d) - f(h - d)) - (f(h + 2d) - f(h - 2d))) / 12
Matrix BlockJacobians::times(int64_t t, const Matrix& v) const {
  const int64_t k = v.cols();
  const Matrix h = read(before_[size_t(t)]);
  const double step = 1e-3 * std::max(h.cwiseAbs().maxCoeff(), 1.0);
  Eigen::VectorXd scale(k);
  Matrix points(size_, 4 * k);
  for (int64_t i = 0; i < k; ++i) {
    const double largest = v.col(i).cwiseAbs().maxCoeff();
    scale[i] = largest > 0 ? step / largest : 0;
    for (int64_t j = 0; j < 4; ++j) points.col(4 * i + j) = h + v.col(i) * scale[i] * std::array{1, -1, 2, -2}[size_t(j)];
  }
  const Matrix f = after(t, points);
  Matrix result(size_, k);
  for (int64_t i = 0; i < k; ++i) {
    const auto at = [&](int64_t j) { return f.col(4 * i + j); };
    if (scale[i] == 0) result.col(i).setZero();
    else result.col(i) = (8 * (at(0) - at(1)) - (at(2) - at(3))) / (12 * scale[i]);
  }
  return result;
}

Matrix BlockJacobians::transposed_times(int64_t t, const Matrix& u) const {
  Tape tape;
  Pass pass;  // parameters are constants
  State state = before_[size_t(t)].rows(std::vector<int64_t>(size_t(u.cols()), 0)), adjoints = state;
  std::vector<Var> leaves;
  for (const size_t j : tensors_) {
    Var& tensor = state.blocks[block_][j];
    leaves.push_back(tensor = tape.leaf(tensor.value()));
    adjoints.blocks[block_][j] = Tensor::like(tensor.value());
  }
  model_.forward(pass, {token(t, u.cols()), {}}, state);
  write(adjoints, u);
  std::vector<std::pair<Var, Tensor>> outputs;
  for (const size_t j : tensors_)
    if (state.blocks[block_][j].tape())
      outputs.emplace_back(state.blocks[block_][j], adjoints.blocks[block_][j].value());
  tape.backward(outputs);
  for (size_t i = 0; i < leaves.size(); ++i) {
    const Tensor grad = leaves[i].node()->gathered();
    adjoints.blocks[block_][tensors_[i]] = grad.defined() ? grad.clone() : Tensor::zeros(leaves[i].shape(), DType::f64);
  }
  return read(adjoints);
}

}  // namespace adder::lab
