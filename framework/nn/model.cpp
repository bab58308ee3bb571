#include "framework/nn/model.h"

#include <algorithm>

#include "framework/core/error.h"

namespace adder {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw Error("[state] " + what); }

// "tensor 1 of block 0 of row 2", or "positions of row 2"
struct StateTensor {
  size_t block, tensor;
  bool is_positions = false;
  const Tensor& of(const State& state) const {
    return is_positions ? state.positions : state.blocks[block][tensor].value();
  }
  std::string text(size_t row) const {
    const std::string which = is_positions
                                  ? "positions"
                                  : "tensor " + std::to_string(tensor) + " of block " + std::to_string(block);
    return which + " of row " + std::to_string(row);
  }
};

void require_one_row(const Tensor& t, const StateTensor& which, size_t row) {
  if (t.rank() == 0 || t.dim(0) != 1)
    refuse(which.text(row) + " has shape " + to_string(t.shape()) + ", expected one row");
}

// The shape of all of them together: row 0's, with as many rows as there are and the longest axis 1.
Shape stacked_shape(const std::vector<State>& rows, const StateTensor& which) {
  const Tensor& first = which.of(rows[0]);
  Shape shape = first.shape();
  const bool grows = shape.size() >= 2 && first.dtype() != DType::i32;
  for (size_t r = 0; r < rows.size(); ++r) {
    const Tensor& t = which.of(rows[r]);
    require_one_row(t, which, r);
    if (t.dtype() != first.dtype())
      refuse(which.text(r) + " is " + name(t.dtype()) + ", that of row 0 " + name(first.dtype()));
    Shape same = t.shape();
    if (grows && same.size() == shape.size()) same[1] = first.dim(1);
    if (same != first.shape())
      refuse(which.text(r) + " has shape " + to_string(t.shape()) + ", that of row 0 " +
             to_string(first.shape()) + (grows ? "; only axis 1 may differ" : ""));
    if (grows) shape[1] = std::max(shape[1], t.dim(1));
  }
  shape[0] = int64_t(rows.size());
  return shape;
}

Tensor stacked(const std::vector<State>& rows, const StateTensor& which) {
  for (size_t r = 0; r < rows.size(); ++r)
    if (which.of(rows[r]).defined() != which.of(rows[0]).defined())
      refuse(which.text(r) + " is there or missing where that of row 0 is not");
  const Tensor& first = which.of(rows[0]);
  if (!first.defined()) return {};
  const Tensor all = Tensor::zeros(stacked_shape(rows, which), first.dtype(), first.device());
  for (size_t r = 0; r < rows.size(); ++r) {
    const Tensor& t = which.of(rows[r]);
    Tensor place = all.narrow(0, int64_t(r), 1);
    if (t.rank() >= 2) place = place.narrow(1, 0, t.dim(1));
    place.copy_from(t);
  }
  return all;
}

Tensor picked(const Tensor& t, const std::vector<int64_t>& indices) {
  if (!t.defined()) return {};
  Shape shape = t.shape();
  shape[0] = int64_t(indices.size());
  const Tensor result = Tensor::empty(shape, t.dtype(), t.device());
  for (size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0 || indices[i] >= t.dim(0))
      refuse("row " + std::to_string(indices[i]) + " is asked for, expected 0 to " +
             std::to_string(t.dim(0) - 1));
    result.narrow(0, int64_t(i), 1).copy_from(t.narrow(0, indices[i], 1));
  }
  return result;
}

// Row r's positions are there in all of `rows` or in none: undefined ones are 0.
std::vector<State> with_positions(std::vector<State> rows) {
  const bool any =
      std::any_of(rows.begin(), rows.end(), [](const State& s) { return s.positions.defined(); });
  for (State& row : rows)
    if (any && !row.positions.defined()) row.positions = Tensor::zeros({1}, DType::i32);
  return rows;
}

}  // namespace

State State::detach() const {
  State values;
  values.positions = positions;
  for (const auto& block : blocks) {
    values.blocks.emplace_back();
    for (const auto& tensor : block) values.blocks.back().push_back(tensor.detach());
  }
  return values;
}

State State::stack(const std::vector<State>& given) {
  if (given.empty()) refuse("no rows to stack, expected at least one");
  const std::vector<State> rows = with_positions(given);
  State all;
  for (size_t r = 0; r < rows.size(); ++r)
    if (rows[r].blocks.size() != rows[0].blocks.size())
      refuse("row " + std::to_string(r) + " has " + std::to_string(rows[r].blocks.size()) +
             " blocks, row 0 has " + std::to_string(rows[0].blocks.size()));
  for (size_t i = 0; i < rows[0].blocks.size(); ++i) {
    all.blocks.emplace_back();
    for (size_t r = 0; r < rows.size(); ++r)
      if (rows[r].blocks[i].size() != rows[0].blocks[i].size())
        refuse("block " + std::to_string(i) + " of row " + std::to_string(r) + " has " +
               std::to_string(rows[r].blocks[i].size()) + " tensors, that of row 0 " +
               std::to_string(rows[0].blocks[i].size()));
    for (size_t j = 0; j < rows[0].blocks[i].size(); ++j) all.blocks.back().push_back(stacked(rows, {i, j}));
  }
  all.positions = stacked(rows, {0, 0, true});
  return all;
}

State State::rows(const std::vector<int64_t>& indices) const {
  State some;
  for (const auto& block : blocks) {
    some.blocks.emplace_back();
    for (const Var& tensor : block) some.blocks.back().push_back(picked(tensor.value(), indices));
  }
  some.positions = picked(positions, indices);
  return some;
}

}  // namespace adder
