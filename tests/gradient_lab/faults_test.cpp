// The suite of planted faults: a part of it as a test. ADDER_FAULTS=1 in the environment runs all of it and prints the
// rates (scripts/compare/faults).
#include "tests/gradient_lab/faults.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "framework/core/error.h"
#include "framework/gradient_lab/health_findings.h"
#include "framework/gradient_lab/step_health.h"
#include "framework/training/trainer.h"
#include "models/registry.h"

namespace adder {
namespace {

using faults::Fault;

constexpr int64_t kVocabulary = 17, kSoon = 10;  // steps within which a fault is to be named

TokenSpan some_tokens() {
  std::vector<int32_t> ids;
  const Random random(5, "test text");
  for (uint64_t i = 0; i < 2000; ++i) ids.push_back(int32_t(random.below(i, 8) ? i % 7 : random.below(i + 9000, kVocabulary)));
  return TokenSpan::from(ids);
}

// Noise in place of one step's tokens and labels.
class Spoilt : public BatchSource {
 public:
  Spoilt(const BatchSource& source, int64_t step) : source_(source), step_(step) {}
  Batch at(int64_t step, int64_t micro) const override {
    Batch batch = source_.at(step, micro);
    if (step + 1 != step_) return batch;
    const Random random(77, "noise");
    for (int64_t i = 0; i < batch.ids.size(); ++i) {
      batch.ids.data<int32_t>()[i] = int32_t(random.below(uint64_t(i), kVocabulary));
      batch.labels.data<int32_t>()[i] = int32_t(random.below(uint64_t(i) + 9999, kVocabulary));
    }
    return batch;
  }
  int64_t batch_size() const override { return source_.batch_size(); }
  int64_t length() const override { return source_.length(); }

 private:
  const BatchSource& source_;
  int64_t step_;
};

struct Named {
  int64_t step;
  std::string what;  // place and text
};

// adder probe's findings on the model as it is.
std::vector<lab::Finding> probed(const Config& config, const Model& trained, const BatchSource& batches) {
  const auto model = model_registry().make(config.model, kVocabulary, 1, DType::f64);
  ParameterList& to = model->parameters();
  for (size_t i = 0; i < to.size(); ++i) to[i].value.copy_from(const_cast<Model&>(trained).parameters()[i].value);
  const Batch batch = batches.at(0);
  return lab::probe(*model, lab::some_rows(batch.ids, 0, 2), lab::some_rows(batch.labels, 0, 2), 1).findings;
}

// What the lab says of a run, of each step and of the model that is left after kSoon of them; `faulty`: with its fault.
std::vector<Named> watched(const Fault& fault, int64_t seed, bool faulty) {
  const int64_t steps = fault.at + kSoon;
  std::string json = R"({"data": {"train": "unused.txt"}, "model": {)" + std::string(fault.model) + "}, \"seed\": " + std::to_string(seed);
  if (faulty && fault.more[0]) json += ", " + std::string(fault.more);
  else json += R"(, "optimizer": {"learning_rate": 0.005})";
  const Config config = parse_config(json + "}", "fault", {"training.steps=" + std::to_string(steps), "training.batch_size=4",
                                     "training.context_length=16", "schedule.name=constant"}, model_registry());
  const RandomWindows windows(some_tokens(), {4, 16}, uint64_t(seed));
  const Spoilt batches(windows, faulty && fault.bad_batch ? fault.at : -1);
  Trainer trainer(config, model_registry().make(config.model, kVocabulary, uint64_t(seed), config.dtype()), batches);
  lab::StepHealth health(config, 1);
  trainer.watch(&health);
  std::vector<Named> named;
  for (int64_t step = 1; step <= steps; ++step) {
    if (faulty && fault.plant && (step == fault.at || (fault.every_step && step > fault.at))) fault.plant(trainer.model());
    try {
      const StepReport report = trainer.step();
      for (const lab::Finding& f : lab::health_findings(step, report.loss, std::log(double(kVocabulary)), report.health))
        named.push_back({step, f.what + ": " + f.text});
    } catch (const DivergedError& e) {
      named.push_back({step, e.what()});
      return named;
    }
  }
  for (const lab::Finding& f : probed(config, trainer.model(), windows))
    if (f.verdict != lab::Verdict::healthy) named.push_back({steps, f.what + ": " + f.text});
  return named;
}

bool detected(const Fault& fault, int64_t seed) {
  for (const Named& n : watched(fault, seed, true))
    for (const std::string& name : fault.names)
      if (n.step >= fault.at && n.what.find(name) != std::string::npos) return true;
  return false;
}

TEST(Faults, SomeAreNamedAndTheirHealthyTwinsAreNot) {
  for (size_t i = 0; i + 2 < faults::all().size(); i += 4) {  // the last two are hard
    const Fault& fault = faults::all()[i];
    SCOPED_TRACE(fault.name);
    EXPECT_TRUE(detected(fault, 3));
    for (const Named& n : watched(fault, 3, false)) ADD_FAILURE() << "step " << n.step << ": " << n.what;
  }
}

struct Score {
  int64_t runs = 0, right = 0;
};

void print_score(const char* what, const Score& s) {
  std::printf("| %s | %lld | %lld | %.3f |\n", what, static_cast<long long>(s.right), static_cast<long long>(s.runs),
              double(s.right) / double(s.runs));
}

// bounds: the faults that set them, with their seeds; else the others.
void score(bool bounds, const std::vector<int64_t>& seeds) {
  Score found, alarms;
  std::set<std::string> twins;
  for (const Fault& fault : faults::all()) {
    if (fault.sets_bounds != bounds) continue;
    for (const int64_t seed : seeds) {
      const bool yes = detected(fault, seed);
      ++found.runs, found.right += yes;
      if (!yes) std::printf("missed: %s, seed %lld\n", fault.name, static_cast<long long>(seed));
      if (std::getenv("ADDER_FAULTS") == std::string("all"))
        for (const Named& n : watched(fault, seed, true)) std::printf("  %s: step %lld: %s\n", fault.name, static_cast<long long>(n.step), n.what.c_str());
      const auto healthy = watched(fault, seed, false);
      ++alarms.runs, alarms.right += !healthy.empty();
      for (const Named& n : healthy) std::printf("false alarm: twin of %s, seed %lld, step %lld: %s\n", fault.name, static_cast<long long>(seed), static_cast<long long>(n.step), n.what.c_str());
    }
  }
  print_score(bounds ? "detected, of the runs that set the bounds" : "detected, of other faults and seeds", found);
  print_score(bounds ? "false alarms, of their healthy twins" : "false alarms, of their healthy twins, other seeds", alarms);
}

TEST(Faults, Scores) {
  if (!std::getenv("ADDER_FAULTS")) GTEST_SKIP() << "ADDER_FAULTS=1 runs all of it";
  std::printf("| | runs | of | rate |\n|---|---|---|---|\n");
  score(true, {1, 2});
  score(false, {11, 12, 13});
}

}  // namespace
}  // namespace adder
