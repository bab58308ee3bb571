// Reverse-mode differentiation. A Tape is a stack of what was computed; backward() walks it from its end.
// Explicit: a variable carries the tape that it was recorded on, and one without a tape records nothing.
// No global state, no recursion, no topological sort. Gradients add.
#pragma once
#include <algorithm>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "framework/core/profile.h"
#include "framework/core/tensor.h"

namespace adder {

class Tape;
struct Node;

// A value, and (where it was recorded on a tape) the place where its adjoint gathers.
class Var {
 public:
  Var() = default;                                   // undefined: an optional argument left out
  Var(Tensor value) : value_(std::move(value)) {}    // NOLINT: a constant is just a tensor
  Var(Tensor value, std::shared_ptr<Node> node) : value_(std::move(value)), node_(std::move(node)) {}

  bool defined() const { return value_.defined(); }
  const Tensor& value() const { return value_; }
  const Shape& shape() const { return value_.shape(); }
  int64_t dim(int axis) const { return value_.dim(axis); }
  DType dtype() const { return value_.dtype(); }
  Device device() const { return value_.device(); }
  Tape* tape() const;                                // null for a constant
  const std::shared_ptr<Node>& node() const { return node_; }
  Var detach() const { return Var(value_); }         // the value alone: carried state

 private:
  Tensor value_;
  std::shared_ptr<Node> node_;
};

// A trained tensor. Its gradient belongs to it and lives until the optimizer clears it.
struct Parameter {
  std::string name;     // dotted, written once: HDF5 path, optimizer key, error path, row in a report
  Tensor value;
  Tensor grad{};        // undefined until a backward pass reached it
  bool decay = true;    // weight decay applies
  double rate = 1;      // of the optimizer's learning rate, by which the gradient moves it; decay is not scaled
};

class Adjoints;

// The part of a backward function that waits for the value of one of its inputs.
struct Awaiting {
  const char* op;
  std::string scope;
  std::vector<std::shared_ptr<Node>> outputs, inputs;
  std::function<void(const Tensor& value, const Adjoints&)> run;
};

// The place where the adjoint of one recorded variable gathers.
struct Node {
  Tape* tape = nullptr;
  Shape shape;
  DType dtype = DType::f32;
  Device device = Device::cpu;
  Tensor grad;                                       // undefined until something reached it
  struct Gap {
    int64_t first, past;                             // columns
  };
  std::vector<Gap> gaps;                             // of grad, where nothing was written yet; zeros to whoever looks
  bool borrowed = false;                             // grad may be held by another node too: copy before writing
  std::shared_ptr<Node> parent;                      // a view adds straight into its parent's gradient
  std::function<Tensor(const Tensor&)> view;
  Parameter* parameter = nullptr;
  std::vector<std::function<void(const Tensor&)>> watchers;
  size_t place = 0;                                  // of its record on the tape
  bool remade = false;                               // backward computes the value anew where it is awaited
  std::vector<Awaiting> awaiting;
  Tensor value;                                      // computed anew, until those have seen it

  Tensor into();                                     // the gradient to add into: zeros where nothing was written
  bool begin();                                      // Adjoints::begin
  Tensor memory();                                   // the same memory, gaps and all
  Tensor seen() const { return parent ? view(parent->seen()) : grad; }  // likewise, of a root that has one
  void fill(const Tensor& part);                     // zeros for the gaps in this part of the gradient of a root
  void give(const Tensor& adjoint);                  // adds it; takes it over where nothing was there
  Tensor gathered();                                 // undefined where nothing reached it
  const Node* root() const;                          // whose gradient holds this one: itself, unless a view
  Node* root() { return const_cast<Node*>(std::as_const(*this).root()); }
};

// What a backward function sees: adjoints of its outputs, gradients of its inputs.
class Adjoints {
 public:
  Adjoints(const char* op, const std::string& scope, const std::vector<std::shared_ptr<Node>>& outputs,
           const std::vector<std::shared_ptr<Node>>& inputs)
      : op_(op), scope_(scope), outputs_(outputs), inputs_(inputs) {}
  Tensor out(size_t i) const { return outputs_[i]->gathered(); }        // undefined: this output was not used
  Tensor take(size_t i) const;                                          // the same, and the tape forgets it: what nobody else has
  bool wants(size_t i) const { return inputs_[i] != nullptr; }
  // The gradient to add into; its rows are even (rows_collapse). Undefined: not wanted, skip it.
  Tensor in(size_t i) const { return gradient(i, false); }
  Tensor in_dense(size_t i) const { return gradient(i, true); }         // the same, contiguous
  // Wanted, and nothing has reached it: what is given first need not be added.
  bool fresh(size_t i) const { return inputs_[i] && !inputs_[i]->parent && !inputs_[i]->grad.defined(); }
  // Begins the gradient of an input, also of a view such as a part of a split, without zeros, where it is wanted and nothing has
  // reached it: in() then gives memory of which every element must be written. False: nothing was done, in() is added into.
  bool begin(size_t i) const { return inputs_[i] && !meets_an_earlier_input(i) && inputs_[i]->begin(); }
  // The same of several inputs at once, parts of one split among them, for a kernel that either writes all of them anew or adds to
  // all of them: where each is wanted and nothing has reached it, all are begun; in() then gives memory of which every element
  // must be written. False: nothing was done.
  bool begin_together(std::initializer_list<size_t> all) const;
  void give(size_t i, const Tensor& adjoint) const { if (inputs_[i]) inputs_[i]->give(adjoint); }
  // Where the gradient of input i is to be written: what is there already (undefined: nothing) plus what is added. `into` may be
  // `before` itself, or `spare`, an adjoint that is not needed afterwards, where nobody else has it. Both undefined: not wanted.
  struct Onto {
    Tensor before, into;
  };
  Onto onto(size_t i, const Tensor& spare) const;

  // An output that nobody keeps for backward is computed anew where that costs little: an op that can (remaking) gives it here,
  // where it is awaited, and who awaits it is called with it and with these adjoints, whose outputs are gone by then.
  bool awaited(size_t i) const { return !outputs_[i]->awaiting.empty(); }
  void remake(size_t i, const Tensor& value) const { outputs_[i]->value = value; }
  void await(size_t i, std::function<void(const Tensor& value, const Adjoints&)> run) const;  // input i is not wanted then
  void finish() const;                               // the tape calls it after the backward function

 private:
  Tensor gradient(size_t i, bool dense) const;
  bool meets_an_earlier_input(size_t i) const;

  const char* op_;
  const std::string& scope_;
  const std::vector<std::shared_ptr<Node>>& outputs_;
  const std::vector<std::shared_ptr<Node>>& inputs_;
  mutable std::vector<std::pair<Node*, Tensor>> aside_;  // gradients that could not be added into in place
};

using Backward = std::function<void(const Adjoints&)>;

class Tape {
 public:
  Tape() = default;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  Var leaf(const Tensor& value);                     // an input whose gradient is wanted
  Var use(Parameter& parameter);                     // the same variable at every use; its gradient is the parameter's
  void backward(const Var& loss);                    // adjoint 1 for every element of the loss
  void backward(const std::vector<std::pair<Var, Tensor>>& outputs_and_adjoints);
  void clear();
  size_t size() const { return records_.size(); }

  // The part of the model that is recording, for messages: blocks.3.mixer
  class Scope {
   public:
    Scope(Tape* tape, const std::string& name);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Tape* tape_;
    size_t length_ = 0;
  };
  const std::string& scope() const { return scope_; }

  // Every value and every gradient is looked at: DivergedError names the first op and place that isn't finite, and the
  // parameter that already was not.
  void require_finite(bool on) { require_finite_ = on; }
  // Every op's time, forward and backward, goes there; null: nothing is measured.
  void profile(Profile* profile) { profile_ = profile; }
  // Called when a parameter's gradient is complete, in the order of completion.
  void on_gradient(std::function<void(Parameter&)> f) { on_gradient_ = std::move(f); }
  // Called after each op is recorded (views apart), with its name and variables: to look at, or to watch().
  using OnRecord = std::function<void(const char* op, const std::vector<Var>& outputs, const std::vector<Var>& inputs)>;
  void on_record(OnRecord f) { on_record_ = std::move(f); }
  bool observed() const { return on_record_ != nullptr; }  // then an op leaves its inputs' values as they were

 private:
  friend std::vector<Var> record_on_tape(const char*, std::vector<Tensor>, const std::vector<Var>&, Backward, const Work&);
  friend Var record_view(const Var&, Tensor, std::function<Tensor(const Tensor&)>);
  struct Record {
    const char* op;
    std::string scope;
    std::vector<std::shared_ptr<Node>> outputs, inputs;
    Backward backward;
    Cost gradient = {};                              // the work of `backward`, where there is a profile
  };
  void walk();
  void run(const char* op, const std::string& scope, const std::vector<std::shared_ptr<Node>>& outputs,
           const std::vector<std::shared_ptr<Node>>& inputs, const Cost& work, const Backward& backward);
  void serve(Node& output, const char* op);

  std::vector<Record> records_;
  std::unordered_map<Parameter*, std::shared_ptr<Node>> parameters_;
  std::string scope_;
  bool require_finite_ = false;
  Profile* profile_ = nullptr;
  std::function<void(Parameter&)> on_gradient_;
  OnRecord on_record_;
};

// What an op was given, {x, w, b}: by reference, some of them undefined perhaps.
using Inputs = std::initializer_list<std::reference_wrapper<const Var>>;

// Whether an op over these inputs will be recorded, that is, whether to keep what backward needs.
template <class Variables = Inputs>
bool recording(const Variables& inputs) {
  return std::any_of(inputs.begin(), inputs.end(), [](const Var& v) { return v.tape() != nullptr; });
}

std::vector<Var> constants(std::vector<Tensor> values);
std::vector<Var> record_on_tape(const char* op, std::vector<Tensor> outputs, const std::vector<Var>& inputs, Backward backward,
                                const Work& work);

// The outputs as variables, recorded on the tape of the inputs, if any has one; if none has, as when text is generated, next to
// nothing is done. `backward` captures tensors, moved into it, never variables or bare pointers: what nobody holds, others write
// over. `work`: for a profile. Variables: Inputs, or a vector of Var.
template <class F, class Variables = Inputs>
std::vector<Var> record(const char* op, std::vector<Tensor> outputs, const Variables& inputs, F&& backward, const Work& work = {}) {
  if (!recording(inputs)) return constants(std::move(outputs));
  return record_on_tape(op, std::move(outputs), {inputs.begin(), inputs.end()}, std::forward<F>(backward), work);
}
template <class F, class Variables = Inputs>
Var record(const char* op, Tensor output, const Variables& inputs, F&& backward, const Work& work = {}) {
  if (!recording(inputs)) return Var(std::move(output));
  std::vector<Tensor> outputs;
  outputs.push_back(std::move(output));
  return record(op, std::move(outputs), inputs, std::forward<F>(backward), work)[0];
}
// A view of x: its adjoint is that view of x's adjoint.
Var record_view(const Var& x, Tensor viewed, std::function<Tensor(const Tensor&)> view);

// y, the output of an op whose backward function remakes it where it is awaited.
Var remaking(const Var& y);
// Whether an op over x may await its value in backward in place of keeping it, when the gradient of w depends on it: backward
// computes x anew before that gradient has to be complete.
bool remade_in_time(const Var& x, const Var& w);

// Calls f with x's adjoint when it is complete, during backward(). Not called if nothing reached it.
void watch(const Var& x, std::function<void(const Tensor&)> f);

}  // namespace adder
