#include "framework/checks/check_model.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>

#include "framework/checks/model_checks.h"
#include "kernels/parallel.h"

namespace adder {
namespace {

using model_checks::Finding;
using model_checks::Setup;

constexpr int64_t kLeastLength = 8;  // for documents and cuts to fit in

struct NamedCheck {
  const char* name;
  Finding (*run)(const Setup&);
  bool gradients = false;  // needs them
};
constexpr NamedCheck kChecks[] = {
    {"full == chunks + steps", model_checks::chunks_and_steps},
    {"carried windows == one window", model_checks::carried_windows},
    {"packed documents stay apart", model_checks::packed_documents},
    {"batch row == row alone", model_checks::batch_rows},
    {"ragged batch == singles", model_checks::ragged_batch},
    {"exact resume", model_checks::exact_resume, true},
    {"1 == N threads", model_checks::threads_agree, true},
    {"SIMD targets agree", model_checks::targets_agree, true},
    {"memory of a step is O(L)", model_checks::memory_grows, true},
    {"gradients == differences", model_checks::gradients_hold, true},
};

bool wanted(const std::string& name, const std::vector<std::string>& only) {
  return only.empty() || std::any_of(only.begin(), only.end(), [&](const std::string& part) {
           return name.find(part) != std::string::npos;
         });
}

void check_options(const ModelCheckOptions& o, int64_t vocabulary) {
  std::string known;
  for (const std::string& name : model_check_names()) known += (known.empty() ? "\"" : ", \"") + name + "\"";
  for (const std::string& part : o.only) {
    bool found = false;
    for (const std::string& name : model_check_names()) found |= wanted(name, {part});
    if (!found) throw UsageError("no check's name contains \"" + part + "\"; they are " + known);
  }
  if (o.length < kLeastLength || o.memory_length < kLeastLength || vocabulary < 3)
    throw UsageError("[check_model] length " + std::to_string(o.length) + ", memory_length " +
                     std::to_string(o.memory_length) + ", vocabulary " + std::to_string(vocabulary) +
                     ": expected at least 8, 8 and 3");
}

ModelCheck run(const NamedCheck& check, const Setup& setup) {
  const auto start = std::chrono::steady_clock::now();
  ModelCheck result;
  result.name = check.name;
  try {
    const Finding finding = check.run(setup);
    result.ok = finding.ok, result.measured = finding.measured;
  } catch (const std::exception& problem) {
    result.measured = problem.what();
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace

std::string to_text(const ModelCheck& check) {
  char text[64];
  std::string line = check.name;
  line.resize(std::max<size_t>(line.size(), 31), ' ');
  std::snprintf(text, sizeof text, "   %s   %.1fs", check.ok ? "ok" : "FAILED", check.seconds);
  return line + check.measured + text;
}

bool ModelReport::ok() const {
  return std::all_of(checks.begin(), checks.end(), [](const ModelCheck& c) { return c.ok; });
}

std::string ModelReport::text() const {
  std::string lines;
  for (const ModelCheck& check : checks) lines += to_text(check) + "\n";
  return lines;
}

std::vector<std::string> model_check_names() {
  std::vector<std::string> names;
  for (const NamedCheck& check : kChecks) names.push_back(check.name);
  return names;
}

ModelReport check_model(const ModelFactory& factory, const ModelConfig& config, int64_t vocabulary,
                        const ModelCheckOptions& options) {
  check_options(options, vocabulary);
  const kernels::FlushSubnormals flush;  // as every worker does
  const bool bounded = config.positions == "learned" && config.max_positions > 0;
  const int64_t longest = bounded ? config.max_positions : std::numeric_limits<int64_t>::max();
  if (bounded && longest < kLeastLength)
    throw UsageError("[check_model] model.max_positions is " + std::to_string(longest) +
                     ", expected at least " + std::to_string(kLeastLength));
  const Setup setup{factory,
                    config,
                    vocabulary,
                    options.seed,
                    std::min(options.length, longest),
                    std::min(options.memory_length, longest)};
  ModelReport report;
  for (const NamedCheck& check : kChecks) {
    if (!wanted(check.name, options.only) || (check.gradients && config.counts)) continue;
    report.checks.push_back(run(check, setup));
    if (options.on_check) options.on_check(report.checks.back());
  }
  return report;
}

}  // namespace adder
