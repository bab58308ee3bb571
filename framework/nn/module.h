// Named parameters. A name is written once, where the parameter is declared; it is the HDF5 path, the
// optimizer's key, the path in an error and the row in a report.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "framework/core/random.h"
#include "framework/core/tape.h"
#include "framework/nn/decay.h"
#include "framework/nn/readings.h"
#include "framework/nn/tangent.h"

namespace adder {

// How a parameter starts: the value of element i, from the parameter's own random stream.
using Initializer = std::function<double(const Random& random, int64_t i)>;

namespace init {
Initializer constant(double value);
Initializer uniform(double low, double high);
Initializer normal(double stddev, double mean = 0);
// torch.nn.Linear's default: U(-1/sqrt(fan_in), 1/sqrt(fan_in)), times `scale`.
Initializer linear_default(int64_t fan_in, double scale = 1);
}  // namespace init

// One forward pass: what is recorded, whether dropout acts, and where its randomness comes from.
struct Pass {
  Tape* tape = nullptr;      // null: nothing is recorded
  bool training = false;     // dropout acts
  uint64_t seed = 0;         // of the run
  uint64_t step = 0;         // keys the random streams of this pass
  uint64_t next_stream = 0;  // streams drawn so far in this pass
  bool recompute = false;    // blocks keep their inputs only; backward computes the rest anew
  bool bf16_cache = false;   // attention rounds keys and values to bfloat16 and keeps them so; an Error on a tape
  Readings* readings = nullptr;  // where parts of the model tell numbers of themselves; null: nobody asks
  Decays* decays = nullptr;      // where mixers tell the factors of their states; null: nobody asks
  Tangents* tangents = nullptr;  // where recurrences tell their Jacobians; null: nobody asks
  Random stream(std::string_view purpose) { return Random(seed, purpose, step, next_stream++); }
};

// All parameters of a model, in order of declaration. Addresses are stable.
class ParameterList {
 public:
  ParameterList(uint64_t seed, DType dtype) : seed_(seed), dtype_(dtype) {}
  ParameterList(const ParameterList&) = delete;
  ParameterList& operator=(const ParameterList&) = delete;

  Parameter& add(const std::string& name, const Shape& shape, const Initializer& initializer, bool decay);
  size_t size() const { return parameters_.size(); }
  Parameter& operator[](size_t i) const { return *parameters_[i]; }
  Parameter* find(const std::string& name) const;  // null where there is none
  int64_t count() const;                           // elements of all of them
  void clear_gradients() const;
  DType dtype() const { return dtype_; }
  // From here on matrices are declared such that products with them take bfloat16 operands (ops/linear.h).
  void multiply_in_bf16(bool on) { bf16_products_ = on; }
  // From here on hidden matrices are declared with this share of the learning rate (muP: base width over width).
  void set_hidden_rate(double rate) { hidden_rate_ = rate; }
  double hidden_rate() const { return hidden_rate_; }

 private:
  uint64_t seed_;
  DType dtype_;
  bool bf16_products_ = false;
  double hidden_rate_ = 1;
  std::vector<std::unique_ptr<Parameter>> parameters_;
};

// A place in the tree of names: scope.in("mixer").add("in_proj.weight", …) declares blocks.0.mixer.in_proj.weight.
class ParameterScope {
 public:
  explicit ParameterScope(ParameterList& list, std::string path = "") : list_(&list), path_(std::move(path)) {}
  ParameterScope in(const std::string& child) const { return ParameterScope(*list_, join(child)); }
  const std::string& path() const { return path_; }

  // Weight decay applies from two axes on …
  Parameter& add(const std::string& name, const Shape& shape, const Initializer& initializer) const {
    return list_->add(join(name), shape, initializer, shape.size() >= 2);
  }
  // A matrix both of whose sides grow with the width of the model.
  Parameter& add_hidden(const std::string& name, const Shape& shape, const Initializer& initializer) const {
    Parameter& p = add(name, shape, initializer);
    p.rate = list_->hidden_rate();
    return p;
  }
  // … except to state-space parameters.
  Parameter& add_without_decay(const std::string& name, const Shape& shape, const Initializer& initializer) const {
    return list_->add(join(name), shape, initializer, false);
  }

 private:
  std::string join(const std::string& name) const { return path_.empty() ? name : path_ + "." + name; }
  ParameterList* list_;
  std::string path_;
};

// The parameter as a variable of this pass.
inline Var use(Pass& pass, Parameter& parameter) {
  return pass.tape ? pass.tape->use(parameter) : Var(parameter.value);
}
// The same of one that may be missing: null gives an undefined variable.
inline Var use_if(Pass& pass, Parameter* parameter) { return parameter ? use(pass, *parameter) : Var(); }

}  // namespace adder
