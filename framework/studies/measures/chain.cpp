// steps@L: the longest chain of steps of a training step of one sequence of L tokens, each of which needs the one before.
// exponent: of its growth with L, log-log: 1 where every token waits for the one before, 0 where none does.
// Counted on the tape of one forward pass, op by op; backward walks the same chain back, hence twice that. An op is one
// step, a matrix product or a sum of any length as well. Over L tokens it is
//   L                 where each state is a nonlinear function of the last: rnn, lstm, gru
//   ceil(log2 L)      where the state is an associative scan, which may be done in so many (Blelloch, 1990)
//   iterations of it  where Newton's method solves a recurrence by scans (deer), as many as it took here
// That is what the mathematics permits, not what this program's kernels do on a few cores: those scan step by step.
#include <algorithm>
#include <bit>
#include <set>
#include <unordered_map>

#include "framework/measure/random_tokens.h"
#include "framework/studies/measures/measure.h"
#include "framework/training/trainer.h"

namespace adder::studies {
namespace {

const std::set<std::string> kStepByStep = {"rnn", "lstm", "gru"};
const std::set<std::string> kScans = {"scan", "affine_scan", "dense_scan", "complex_scan", "selective_scan", "diagonal_ssm", "ssd", "min_gru", "min_lstm"};

int64_t scan_steps(int64_t length) { return std::max<int64_t>(1, std::bit_width(uint64_t(length - 1))); }

// `length`: of the op's first output; `newton`: iterations of deer.
int64_t steps_of(const std::string& op, int64_t length, int64_t newton) {
  if (kStepByStep.contains(op)) return length;
  if (kScans.contains(op)) return scan_steps(length);
  return op == "deer" ? newton * (1 + scan_steps(length)) : 1;
}

// Of a forward pass with its loss.
int64_t longest_chain(Model& model, const Batch& batch, int64_t newton) {
  std::unordered_map<const Node*, int64_t> depth;
  Tape tape;
  tape.on_record([&](const char* op, const std::vector<Var>& outputs, const std::vector<Var>& inputs) {
    int64_t before = 0;
    for (const Var& in : inputs)
      if (in.node())
        if (const auto known = depth.find(in.node()->root()); known != depth.end()) before = std::max(before, known->second);
    const int64_t steps = steps_of(op, outputs[0].shape().size() > 1 ? outputs[0].dim(1) : 1, newton);
    for (const Var& out : outputs) depth[out.node().get()] = before + steps;
  });
  Pass pass{.tape = &tape, .training = true};
  State state;
  const Var loss = mean_loss(model.forward(pass, {batch.ids, {}, batch.features}, state), batch);
  return depth.at(loss.node()->root());
}

int64_t newton_iterations(Model& model, const Batch& batch) {
  Readings readings;
  Pass pass{.readings = &readings};
  State state;
  model.forward(pass, {batch.ids, {}, batch.features}, state);
  double most = 0;
  for (const auto& [name, value] : readings.values())
    if (name == "deer/most_iterations") most = value;
  return int64_t(most);
}

class Chain : public Measure {
 public:
  When when() const override { return When::untrained; }
  bool exact(const std::string&) const override { return true; }
  std::vector<std::string> values(const Config&) const override {
    std::vector<std::string> names;
    for (const int64_t n : lengths_) names.push_back("steps@" + std::to_string(n));
    if (lengths_.size() > 1) names.push_back("exponent");
    return names;
  }
  std::string unit(const std::string& value) const override { return value == "exponent" ? "exponent" : "steps"; }
  void fields(Fields& f) override { f("lengths", lengths_, "tokens of the sequence, rising", at_least(2)); }
  void check(const Config& arm, const std::string& where) const override {
    for (const int64_t n : lengths_) require_positions(arm, n, where, "the chain is counted over " + std::to_string(n) + " tokens");
  }
  Values of_model(const Subject& subject) const override {
    const auto model = subject.model(subject.config.dtype());
    Values values;
    std::vector<double> x, y;
    for (const int64_t n : lengths_) {
      const Batch batch = RandomTokens(subject.vocabulary, 1, n, model->features()).at(0);
      x.push_back(double(n)), y.push_back(2 * double(longest_chain(*model, batch, newton_iterations(*model, batch))));
      values.emplace_back("steps@" + std::to_string(n), y.back());
    }
    if (x.size() > 1) values.emplace_back("exponent", fitted_exponent(x, y));
    return values;
  }

 private:
  std::vector<int64_t> lengths_ = {64, 256, 1024};
};

}  // namespace

std::shared_ptr<Measure> make_chain() { return std::make_shared<Chain>(); }

}  // namespace adder::studies
