// What reviewers of architecture comparisons criticise, asked of a study.
#include <algorithm>

#include "framework/studies/study_folder.h"
#include "framework/studies/study_page.h"

namespace adder::studies {
namespace {

using report::Tone;
using Item = std::pair<Tone, std::string>;

bool measures(const StudyPlan& plan, const std::string& name) {
  return std::any_of(plan.study.measures.begin(), plan.study.measures.end(), [&](const MeasureConfig& m) { return m.name == name; });
}
bool trains(const StudyPlan& plan) {
  const auto of_runs = [](const MeasureConfig& m) { return m.measure->when() == When::trained || m.measure->when() == When::reread; };
  return std::any_of(plan.study.measures.begin(), plan.study.measures.end(), of_runs);
}

Item parameters_match(const StudyPlan& plan) {
  int64_t low = 0, high = 0;
  for (const Arm& arm : plan.arms) {
    if (arm.counts) continue;
    low = low ? std::min(low, arm.parameters) : arm.parameters, high = std::max(high, arm.parameters);
  }
  const bool ok = double(high) <= 1.04 * double(low);
  return {ok ? Tone::good : Tone::bad, "parameters outside embedding and head " + std::string(ok ? "agree within 4 %" : "differ") + ": " + std::to_string(low) + " to " + std::to_string(high)};
}

Item budgets_match(const StudyPlan& plan) {
  const bool by_time = plan.study.match.by_time();
  const auto budget = [&](const Config& c) {
    DataConfig data = c.data;
    return dump(write_fields(data), -1) + (by_time ? "" : std::to_string(c.training.steps * c.training.tokens_a_step()));
  };
  std::string first;
  for (const Arm& arm : plan.arms) {
    if (arm.counts) continue;
    if (first.empty()) first = budget(arm.config);
    if (budget(arm.config) != first) return {Tone::bad, by_time ? "arms do not see the same text" : "arms do not see the same tokens, or not as many"};
  }
  if (by_time)
    return {Tone::good, "every arm is trained for the time of " + plan.study.match.reference + ", by tokens/s timed once, in turn, on this machine; they see as many tokens as that lets them"};
  return {Tone::good, "every arm sees the same tokens in the same order, seed by seed"};
}

Item enough_seeds(const StudyPlan& plan) {
  const int64_t n = int64_t(plan.study.seeds.size());
  const int64_t needed = plan.study.claims.empty() ? 6 : statistics::seeds_for_sign_flip(plan.study.alpha, int64_t(plan.study.claims.size()));
  return {n >= needed ? Tone::good : Tone::bad, std::to_string(n) + " seeds; " + std::to_string(needed) + " are the fewest that can decide its claims"};
}

Item rates_tuned(const StudyPlan& plan) {
  const auto edge = std::find_if(plan.arms.begin(), plan.arms.end(), [](const Arm& a) { return a.at_edge; });
  if (edge != plan.arms.end()) return {Tone::bad, "the best learning rate of " + edge->name + " lies at the edge of the sweep: a wider one may find a better"};
  const bool swept = plan.study.sweep.given() || std::any_of(plan.study.axes.begin(), plan.study.axes.end(), [](const AxisConfig& a) { return a.key == "optimizer.learning_rate"; });
  return {swept ? Tone::good : Tone::bad, swept ? "every arm was run at the same grid of learning rates" : "the learning rate was not swept for each arm"};
}

// Attention's quadratic part is as large as the rest only at 12 widths.
Item long_enough(const StudyPlan& plan) {
  int64_t longest = 0, width = 0;
  for (const MeasureConfig& m : plan.study.measures)
    if (m.name == "training")
      for (const std::string& value : values_of(*m.measure, plan.arms))
        if (value.starts_with("seconds@")) longest = std::max<int64_t>(longest, std::stoll(value.substr(8)));
  for (const Arm& arm : plan.arms) width = std::max(width, arm.config.model.d_model);
  const bool ok = longest >= 12 * width;
  return {ok ? Tone::good : Tone::bad, "the longest context timed, " + std::to_string(longest) + ", is " + (ok ? "beyond" : "below") + " 12 widths (" + std::to_string(12 * width) + "), where attention's quadratic part equals the rest"};
}

}  // namespace

std::vector<std::pair<Tone, std::string>> checklist(const StudySet& set, const std::vector<Findings>& all) {
  std::vector<Item> items;
  for (size_t p = 0; p < all.size(); ++p) {
    const StudyPlan& plan = set.plans[p];
    const std::string prefix = all.size() > 1 ? plan.study.name + ": " : "";
    const auto add = [&](const Item& item) { items.emplace_back(item.first, prefix + item.second); };
    if (trains(plan)) {
      add(enough_seeds(plan)), add(budgets_match(plan)), add(rates_tuned(plan));
    }
    if (plan.arms.size() > 1) add(parameters_match(plan));
    if (measures(plan, "quality")) {
      const bool test = all[p].split == "test";
      add({test ? Tone::good : Tone::bad, test ? "losses are of the test split, which nothing was chosen by" : "losses are of the validation split: there is no test split"});
      const bool baseline = std::any_of(plan.arms.begin(), plan.arms.end(), [](const Arm& a) { return a.counts; });
      add({baseline ? Tone::good : Tone::bad, baseline ? "an n-gram stands beside the networks" : "no n-gram stands beside the networks"});
    }
    if (measures(plan, "training")) add(long_enough(plan));
    if (measures(plan, "throughput")) add({Tone::good, "throughput is told apart from latency, at a stated budget of memory"});
    if (all[p].missing) add({Tone::bad, "runs are missing"});
    if (!all[p].failures.empty()) add({Tone::bad, std::to_string(all[p].failures.size()) + " runs failed"});
  }
  items.emplace_back(Tone::good, "no checkpoint was chosen by the split that is reported: the last step counts");
  const bool timed = std::any_of(set.plans.begin(), set.plans.end(), [](const StudyPlan& p) { return p.study.match.by_time(); });
  items.emplace_back(Tone::good, std::string("kernels are deterministic: a run's numbers depend on no thread, no load and no interruption") +
                                     (timed ? "; how many steps a run has follows from a timing, which depends on all of them" : ""));
  items.emplace_back(Tone::good, "configs, seeds, metrics of every step and the hashes of data lie beside this page");
  return items;
}

}  // namespace adder::studies
