#include "framework/core/tape.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "framework/core/error.h"

namespace adder {
namespace {

std::shared_ptr<Node> node_for(Tape* tape, const Tensor& value) {
  auto node = std::make_shared<Node>();
  node->tape = tape;
  node->place = tape->size();
  node->shape = value.shape();
  node->dtype = value.dtype();
  node->device = value.device();
  return node;
}

Tape* common_tape(const char* op, const std::vector<Var>& inputs) {
  Tape* tape = nullptr;
  for (const Var& v : inputs) {
    if (!v.tape()) continue;
    if (tape && v.tape() != tape)
      throw Error(std::string("[") + op + "] inputs were recorded on two tapes; detach() one of them");
    tape = v.tape();
  }
  return tape;
}

bool finite(const Tensor& x) {
  if (x.dtype() == DType::i32) return true;
  for (int64_t i = 0, n = x.size(); i < n; ++i)
    if (!std::isfinite(x.item(i))) return false;
  return true;
}

std::string in_scope(const std::string& scope) { return scope.empty() ? "" : " in " + scope; }

// ", whose blocks.0.norm.weight is not finite itself", where an input is such a parameter.
std::string bad_parameter(const std::vector<Var>& inputs) {
  for (const Var& v : inputs)
    if (v.node() && v.node()->parameter && !finite(v.value()))
      return ", whose parameter " + v.node()->parameter->name + " is not finite itself";
  return "";
}

void require_finite_gradients(const char* op, const std::string& scope, const std::vector<std::shared_ptr<Node>>& inputs) {
  for (const auto& node : inputs) {
    if (!node) continue;
    const Tensor grad = node->gathered();
    if (!grad.defined() || finite(grad)) continue;
    const Parameter* p = node->root()->parameter;
    throw DivergedError("the first gradient that is not finite came from op " + std::string(op) + in_scope(scope) +
                        (p ? ", of the parameter " + p->name : ""));
  }
}

double bytes(const std::vector<Var>& variables, bool recorded_only = false) {
  double sum = 0;
  for (const Var& v : variables)
    if (v.defined() && (v.node() || !recorded_only)) sum += double(v.value().size()) * double(bytes_of(v.dtype()));
  return sum;
}

Cost forward_cost(const Work& work, const std::vector<Var>& outputs, const std::vector<Var>& inputs) {
  return {.flops = work.flops, .bytes = work.bytes >= 0 ? work.bytes : bytes(inputs) + bytes(outputs), .exps = work.exps,
          .bf16_flops = work.bf16 ? work.flops : 0};
}

Cost backward_cost(const Work& work, const std::vector<Var>& outputs, const std::vector<Var>& inputs) {
  const double moved = bytes(inputs) + bytes(outputs) + bytes(inputs, true);
  return {.flops = work.backward_flops, .bytes = work.backward_bytes >= 0 ? work.backward_bytes : moved,
          .exps = work.backward_exps, .bf16_flops = work.bf16 ? work.backward_flops : 0};
}

// Elements from the first to the last in memory, counting both.
int64_t extent(const Tensor& x) {
  int64_t last = 0;
  for (int axis = 0; axis < x.rank(); ++axis) last += (x.dim(axis) - 1) * x.stride(axis);
  return last + 1;
}

// Whether two views of one buffer may have an element in common. Exact for parts of one split.
bool may_overlap(const Tensor& a, const Tensor& b) {
  if (!a.same_storage(b) || a.size() == 0 || b.size() == 0) return false;
  const auto address = [](const Tensor& x) { return reinterpret_cast<intptr_t>(x.raw()); };
  const int64_t start = (address(b) - address(a)) / int64_t(bytes_of(a.dtype()));
  if (start >= extent(a) || -start >= extent(b)) return false;
  if (!a.rows_collapse() || !b.rows_collapse() || a.row_stride() != b.row_stride()) return true;
  // Modulo the row stride every row of a covers [0, columns of a), and every row of b starts at `offset`.
  const int64_t step = a.row_stride(), offset = (start % step + step) % step;
  return offset < a.columns() || offset + b.columns() > step;
}

// The columns that a view takes of each row of a gradient; nothing where it is not the same columns of all rows.
std::optional<Node::Gap> columns_of(const Tensor& part, const Tensor& whole) {
  if (part.size() == whole.size()) return Node::Gap{0, whole.columns()};
  if (part.rank() == 0 || whole.rank() == 0 || !part.rows_collapse() || part.rows() != whole.rows()) return {};
  if (whole.rows() > 1 && part.row_stride() != whole.columns()) return {};
  const int64_t first = (static_cast<const char*>(part.raw()) - static_cast<const char*>(whole.raw())) / int64_t(bytes_of(whole.dtype()));
  if (first < 0 || first + part.columns() > whole.columns()) return {};
  return Node::Gap{first, first + part.columns()};
}

// Takes columns out of the gaps; f(first, past) for each piece of a gap that lies in them.
template <class F>
void take_columns(std::vector<Node::Gap>& gaps, const Node::Gap& columns, F f) {
  std::vector<Node::Gap> left;
  for (const Node::Gap& gap : gaps) {
    const int64_t first = std::max(gap.first, columns.first), past = std::min(gap.past, columns.past);
    if (first >= past) {
      left.push_back(gap);
      continue;
    }
    f(first, past);
    if (gap.first < first) left.push_back({gap.first, first});
    if (past < gap.past) left.push_back({past, gap.past});
  }
  gaps = std::move(left);
}

// The columns of a gradient, or of a view's part of it, where nothing was written to any of them.
std::optional<Node::Gap> unwritten(Node& node) {
  Node& whole = *node.root();
  if (whole.grad.defined() && whole.gaps.empty()) return {};
  const Tensor part = node.memory();
  const auto columns = columns_of(part, whole.grad);
  const auto holds = [&](const Node::Gap& gap) { return columns && gap.first <= columns->first && columns->past <= gap.past; };
  return std::any_of(whole.gaps.begin(), whole.gaps.end(), holds) ? columns : std::nullopt;
}

}  // namespace

Tape* Var::tape() const { return node_ ? node_->tape : nullptr; }

Tensor Node::memory() {
  if (parent) return view(parent->memory());
  if (!grad.defined()) {
    grad = Tensor::empty(shape, dtype, device);
    gaps = {{0, grad.columns()}};
  }
  // A view of the gradient must share its storage, whatever its shape: hence contiguous.
  if (borrowed && (grad.shares_storage() || !grad.contiguous())) grad = grad.clone();
  borrowed = false;
  return grad;
}

Tensor Node::into() {
  const Tensor part = memory();
  root()->fill(part);
  return part;
}

void Node::fill(const Tensor& part) {
  if (gaps.empty()) return;
  const Gap columns = columns_of(part, grad).value_or(Gap{0, grad.columns()});
  take_columns(gaps, columns, [&](int64_t first, int64_t past) {
    if (past - first == grad.columns()) grad.zero();
    else grad.narrow(-1, first, past - first).zero();
  });
}

bool Node::begin() {
  const auto columns = unwritten(*this);
  if (columns) take_columns(root()->gaps, *columns, [](int64_t, int64_t) {});
  return columns.has_value();
}

void Node::give(const Tensor& adjoint) {
  if (adjoint.shape() != shape)
    throw Error("[tape] an adjoint has shape " + to_string(adjoint.shape()) + ", expected " + to_string(shape));
  if (adjoint.dtype() != dtype)
    throw Error(std::string("[tape] an adjoint has dtype ") + name(adjoint.dtype()) + ", expected " +
                name(dtype) + ", as its variable has");
  if (adjoint.device() != device)
    throw Error(std::string("[tape] an adjoint is on device ") + kernels::name(adjoint.device()) +
                ", expected " + kernels::name(device) + ", as its variable is");
  if (!parent && !grad.defined()) {
    grad = adjoint;
    borrowed = true;
    return;
  }
  if (begin()) memory().copy_from(adjoint);
  else into().add(adjoint);
}

Tensor Node::gathered() {
  Node& whole = *root();
  if (!whole.grad.defined()) return {};
  const Tensor part = seen();
  whole.fill(part);
  return part;
}

const Node* Node::root() const {
  const Node* node = this;
  while (node->parent) node = node->parent.get();
  return node;
}

// One kernel would write to the same elements through two pointers.
bool Adjoints::meets_an_earlier_input(size_t i) const {
  Node* node = inputs_[i].get();
  for (size_t j = 0; j < i; ++j) {
    Node* earlier = inputs_[j].get();
    if (!earlier || earlier->root() != node->root()) continue;
    if (earlier == node || may_overlap(earlier->memory(), node->memory())) return true;
  }
  return false;
}

// Gathered aside: what meets an earlier input, and a view with uneven rows (where `dense`: not contiguous).
Tensor Adjoints::gradient(size_t i, bool dense) const {
  Node* node = inputs_[i].get();
  if (!node) return {};
  if (!meets_an_earlier_input(i))
    if (const Tensor part = node->memory(); dense ? part.contiguous() : part.rows_collapse()) return node->into();
  aside_.emplace_back(node, Tensor::zeros(node->shape, node->dtype, node->device));
  return aside_.back().second;
}

bool Adjoints::begin_together(std::initializer_list<size_t> all) const {
  for (const size_t i : all)
    if (!inputs_[i] || meets_an_earlier_input(i) || !unwritten(*inputs_[i])) return false;
  for (const size_t i : all) inputs_[i]->begin();
  return true;
}

Tensor Adjoints::take(size_t i) const {
  const Tensor adjoint = out(i);
  outputs_[i]->grad = Tensor();
  return adjoint;
}

Adjoints::Onto Adjoints::onto(size_t i, const Tensor& spare) const {
  Node* node = inputs_[i].get();
  if (!node) return {};
  const bool ours = node->grad.defined() && !(node->borrowed && node->grad.shares_storage());
  if (node->parent || ours || meets_an_earlier_input(i)) {
    const bool anew = begin(i);
    const Tensor gradient = in(i);
    return {anew ? Tensor() : gradient, gradient};
  }
  const Tensor before = node->grad.defined() ? node->grad.with_even_rows() : Tensor();
  const bool fits = !spare.shares_storage() && spare.contiguous() && spare.shape() == node->shape;
  node->grad = fits ? spare : Tensor::empty(node->shape, node->dtype, node->device);
  node->borrowed = false;
  return {before, node->grad};
}

void Adjoints::await(size_t i, std::function<void(const Tensor& value, const Adjoints&)> run) const {
  Awaiting part{op_, scope_, outputs_, inputs_, std::move(run)};
  for (auto& input : part.inputs)
    if (input && input->root() == inputs_[i]->root()) input = nullptr;  // which would hold itself
  inputs_[i]->awaiting.push_back(std::move(part));
}

void Adjoints::finish() const {
  for (const auto& [node, adjoint] : aside_) node->give(adjoint);
  aside_.clear();
}

Tape::Scope::Scope(Tape* tape, const std::string& name) : tape_(tape) {
  if (!tape_) return;
  length_ = tape_->scope_.size();
  tape_->scope_ += (length_ ? "." : "") + name;
}

Tape::Scope::~Scope() {
  if (tape_) tape_->scope_.resize(length_);
}

Var Tape::leaf(const Tensor& value) {
  if (value.dtype() == DType::bf16) throw Error("[leaf] a bfloat16 tensor has no gradient, expected float32 or float64");
  auto node = node_for(this, value);
  records_.push_back({"leaf", scope_, {node}, {}, nullptr});
  return Var(value, node);
}

Var Tape::use(Parameter& parameter) {
  auto& node = parameters_[&parameter];
  if (!node) {
    node = node_for(this, parameter.value);
    node->parameter = &parameter;
    records_.push_back({"parameter", scope_, {node}, {}, nullptr});
  }
  return Var(parameter.value, node);
}

void Tape::backward(const Var& loss) {
  backward({{loss, Tensor::full(loss.shape(), 1, loss.dtype(), loss.device())}});
}

void Tape::backward(const std::vector<std::pair<Var, Tensor>>& outputs_and_adjoints) {
  for (auto& [parameter, node] : parameters_) node->grad = std::move(parameter->grad), parameter->grad = Tensor();
  for (const auto& [output, adjoint] : outputs_and_adjoints) {
    if (output.tape() != this) throw Error("[tape] backward of a variable that this tape did not record");
    output.node()->give(adjoint);
  }
  walk();
}

void Tape::walk() {
  while (!records_.empty()) {
    Record record = std::move(records_.back());
    records_.pop_back();
    bool reached = false;
    for (const auto& output : record.outputs) {
      const Tensor adjoint = output->gathered();
      if (!adjoint.defined()) continue;
      reached = true;
      for (const auto& watcher : output->watchers) watcher(adjoint);
    }
    if (reached && record.backward) {
      run(record.op, record.scope, record.outputs, record.inputs, record.gradient, record.backward);
      for (const auto& output : record.outputs) serve(*output, record.op);
    }
    for (const auto& output : record.outputs) {
      output->remade = false;  // not by anything that is still to come
      if (Parameter* p = output->parameter) {
        // A borrowed gradient may be shared with a tensor that others still write to.
        if (output->grad.defined()) p->grad = output->into();
        if (reached && on_gradient_) on_gradient_(*p);
      }
      if (record.backward || output->parameter) output->grad = Tensor();
    }
  }
  parameters_.clear();
}

void Tape::run(const char* op, const std::string& scope, const std::vector<std::shared_ptr<Node>>& outputs,
               const std::vector<std::shared_ptr<Node>>& inputs, const Cost& work, const Backward& backward) {
  const Adjoints adjoints(op, scope, outputs, inputs);
  backward(adjoints);
  adjoints.finish();
  if (require_finite_) require_finite_gradients(op, scope, inputs);
  if (profile_) profile_->backward(op, work);
}

void Tape::serve(Node& output, const char* op) {
  for (const Awaiting& a : std::exchange(output.awaiting, {})) {
    if (!output.value.defined())
      throw Error(std::string("[tape] ") + a.op + " awaits the output of " + op + ", which did not compute it anew");
    constexpr Cost kPartOfACall{.calls = -1};
    run(a.op, a.scope, a.outputs, a.inputs, kPartOfACall, [&](const Adjoints& g) { a.run(output.value, g); });
  }
  output.value = Tensor();
}

void Tape::clear() {
  while (!records_.empty()) {
    for (const auto& output : records_.back().outputs) output->remade = false;
    records_.pop_back();
  }
  parameters_.clear();
}

std::vector<Var> constants(std::vector<Tensor> values) {
  std::vector<Var> result;
  result.reserve(values.size());
  for (auto& value : values) result.emplace_back(std::move(value));
  return result;
}

std::vector<Var> record_on_tape(const char* op, std::vector<Tensor> outputs, const std::vector<Var>& inputs, Backward backward,
                                const Work& work) {
  Tape* tape = common_tape(op, inputs);
  std::vector<Var> result;
  if (tape->require_finite_)
    for (const auto& y : outputs)
      if (!finite(y))
        throw DivergedError("the first value that is not finite came from op " + std::string(op) + in_scope(tape->scope_) +
                            bad_parameter(inputs));
  Tape::Record entry{op, tape->scope_, {}, {}, std::move(backward)};
  for (const auto& v : inputs) entry.inputs.push_back(v.node());
  for (auto& y : outputs) {
    entry.outputs.push_back(node_for(tape, y));
    result.emplace_back(std::move(y), entry.outputs.back());
  }
  if (tape->profile_) {
    tape->profile_->forward(op, forward_cost(work, result, inputs));
    entry.gradient = backward_cost(work, result, inputs);
  }
  tape->records_.push_back(std::move(entry));
  if (tape->on_record_) tape->on_record_(op, result, inputs);
  return result;
}

Var record_view(const Var& x, Tensor viewed, std::function<Tensor(const Tensor&)> view) {
  Tape* tape = x.tape();
  if (!tape) return Var(std::move(viewed));
  auto node = node_for(tape, viewed);
  node->parent = x.node();
  node->view = std::move(view);
  tape->records_.push_back({"view", tape->scope_, {node}, {}, nullptr});
  return Var(std::move(viewed), node);
}

Var remaking(const Var& y) {
  if (y.node()) y.node()->remade = true;
  return y;
}

bool remade_in_time(const Var& x, const Var& w) {
  return x.node() && x.node()->remade && w.node() && w.node()->place < x.node()->place;
}

void watch(const Var& x, std::function<void(const Tensor&)> f) {
  if (!x.node()) throw Error("[watch] the variable was not recorded on a tape");
  x.node()->watchers.push_back(std::move(f));
}

}  // namespace adder
