// adder bench: this machine's limits, each kernel beside them, each architecture's training step and decoding.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "framework/cli/cache_option.h"
#include "framework/cli/command.h"
#include "framework/cli/compute_options.h"
#include "framework/cli/output.h"
#include "framework/cli/planned_config.h"
#include "framework/cli/profile_report.h"
#include "framework/cli/version.h"
#include "framework/core/error.h"
#include "framework/measure/kernel_bench.h"
#include "framework/measure/model_bench.h"
#include "kernels/rehearsal.h"

namespace adder {
namespace {

constexpr double kGiga = 1e9, kMicro = 1e-6, kMilli = 1e-3;
constexpr int64_t kVocabulary = 65;  // of the architectures' own shapes

struct BenchOptions {
  std::vector<std::string> filters;  // a *.json among them is a config
  PlannedOptions planned;
  std::string cache;
  double seconds = 0.2;
  bool json = false;
  ComputeOptions compute;
};

// ---- kernels ------------------------------------------------------------------------------------

Limit limit_of(const KernelSpeed& s, const MachinePeak& peak) { return limit_of(s.work, at_rate(peak, s.flops)); }

std::string kernel_line(const KernelSpeed& s, const MachinePeak& peak, size_t width) {
  std::string line = s.name + std::string(width + 2 - s.name.size(), ' ');
  if (!s.check.ok) return line + "check FAILED: " + s.check.text.substr(0, s.check.text.find('\n')) + "\n";
  const Limit limit = limit_of(s, peak);
  line += decimals(s.work.seconds / kMicro, 1) + " us";
  if (limit.seconds > 0)
    line += ", " + decimals(limit.amount / s.work.seconds / kGiga, 1) + " G" + limit.unit + "/s, " +
            decimals(100 * limit.seconds / s.work.seconds, 0) + " % of the limit";
  return line + "\n";
}

JsonValue kernel_json(const KernelSpeed& s, const MachinePeak& peak) {
  JsonValue entry = JsonValue::object();
  entry.set("name", s.name);
  entry.set("check", s.check.ok);
  if (!s.check.ok) {
    entry.set("failure", s.check.text);
    return entry;
  }
  const Limit limit = limit_of(s, peak);
  entry.set("seconds", s.work.seconds);
  entry.set("flops", s.work.flops);
  entry.set("exps", s.work.exps);
  entry.set("bytes", s.work.bytes);
  entry.set("flops_per_second", s.flops);
  entry.set("limit", limit.unit);
  entry.set("limit_seconds", limit.seconds);
  entry.set("share", limit.seconds / s.work.seconds);
  return entry;
}

// ---- models -------------------------------------------------------------------------------------

struct Subject {
  std::string name;
  PlannedConfig planned;
  bool bf16_cache = false;
};

Subject of_architecture(const std::string& name, const ModelFactory& factory) {
  const std::string text = R"({"data": {"train": "random tokens"}, "model": {"architecture": ")" + name +
                           R"(", "d_model": 128, "n_layers": 4}, "training": {"batch_size": 8, "context_length": 256},
                           "optimizer": {"learning_rate": 1e-4}})";
  return {"model/" + name, {parse_config(text, name, {}, factory), kVocabulary}};
}

std::string model_line(const Subject& subject, const ModelSpeed& s, size_t width) {
  const Config& c = subject.planned.config;
  const std::string& name = subject.name;
  return name + std::string(width + 2 - name.size(), ' ') + with_commas(int64_t(double(s.tokens) / s.step.seconds)) +
         " tokens/s in training (" + decimals(s.step.seconds / kMilli, 1) + " ms a step of " +
         std::to_string(c.training.batch_size) + " x " + std::to_string(c.training.context_length) + ", " +
         decimals(100 * s.limit_seconds / s.step.seconds, 0) + " % of the limit, " +
         decimals(double(s.growth) / (1 << 20), 1) + " MB of memory), " +
         with_commas(int64_t(1 / s.decode_seconds)) + " tokens/s decoding" +
         (subject.bf16_cache ? " (keys and values in bfloat16)" : "") + "; " + with_commas(s.parameters) + " parameters\n";
}

JsonValue model_json(const Subject& subject, const ModelSpeed& s) {
  JsonValue entry = JsonValue::object();
  entry.set("name", subject.name);
  entry.set("parameters", s.parameters);
  entry.set("batch_size", subject.planned.config.training.batch_size);
  entry.set("context_length", subject.planned.config.training.context_length);
  entry.set("seconds_per_step", s.step.seconds);
  entry.set("train_tokens_per_second", double(s.tokens) / s.step.seconds);
  entry.set("flops_per_step", s.step.flops);
  entry.set("share", s.limit_seconds / s.step.seconds);
  entry.set("step_memory", s.growth);
  entry.set("decode_tokens_per_second", 1 / s.decode_seconds);
  if (subject.bf16_cache) entry.set("cache", "bf16");
  return entry;
}

// ---- the command --------------------------------------------------------------------------------

struct Work {
  std::vector<KernelBench> kernels;
  std::vector<Subject> models;
  size_t width() const {
    size_t most = 0;
    for (const KernelBench& k : kernels) most = std::max(most, k.name.size());
    for (const Subject& m : models) most = std::max(most, m.name.size());
    return most;
  }
};

// Whether the config's model is to decode with a cache of bfloat16.
bool bf16_cache(const std::string& cache, const PlannedConfig& planned, const std::string& name, const ModelFactory& factory) {
  if (cache.empty()) return false;
  const kernels::Rehearsal no_weights;
  const auto& [config, vocabulary] = planned;
  return bf16_cache(cache, *factory.make(config.model, vocabulary, uint64_t(config.seed), config.dtype()), name);
}

Work chosen(BenchOptions& options, const ModelFactory& factory) {
  const auto is_config = [](const std::string& word) { return word.ends_with(".json"); };
  const auto config = std::find_if(options.filters.begin(), options.filters.end(), is_config);
  if (config != options.filters.end()) {
    if (options.filters.size() > 1) throw UsageError("adder bench takes one config, or words that names contain; not both");
    options.planned.config = *config;
    Subject subject{*config, load_planned(options.planned, factory)};
    subject.bf16_cache = bf16_cache(options.cache, subject.planned, *config, factory);
    return {{}, {std::move(subject)}};
  }
  if (!options.planned.settings.empty() || options.planned.vocabulary || !options.cache.empty())
    throw UsageError("--set, --vocabulary and --cache say how a config's model is run; give one: adder bench CONFIG.json --set …");
  Work work{kernel_benches(options.filters), {}};
  for (const Architecture& a : factory.architectures()) {
    if (a.counts) continue;  // it takes no steps
    const std::string name = "model/" + a.name;
    const auto asked = [&](const std::string& filter) { return name.find(filter) != std::string::npos; };
    if (options.filters.empty() || std::any_of(options.filters.begin(), options.filters.end(), asked))
      work.models.push_back(of_architecture(a.name, factory));
  }
  if (work.kernels.empty() && work.models.empty()) {
    std::string list;
    for (const KernelBench& k : kernel_benches()) list += "\n  " + k.name;
    for (const Architecture& a : factory.architectures()) list += "\n  model/" + a.name;
    throw UsageError("no benchmark's name contains \"" + options.filters[0] + "\"; there are" + list);
  }
  return work;
}

int bench_command(BenchOptions options, const ModelFactory& factory) {
  options.compute.apply();
  if (!(options.seconds > 0)) throw UsageError("--seconds is " + significant(options.seconds, 3) + ", expected more than 0");
  const Work work = chosen(options, factory);
  const auto show = [&](const std::string& text) {
    if (options.json) return;
    print(text);
    flush_output();
  };
  const MachinePeak peak = measure_peak(DType::f32, options.seconds);
  show(version_line() + "\n" + shown(peak) + "\n\n");
  JsonValue result = JsonValue::object(), kernels = JsonValue::array(), models = JsonValue::array();
  bool ok = true;
  for (const KernelBench& bench : work.kernels) {
    const KernelSpeed speed = measure(bench, options.seconds);
    ok &= speed.check.ok;
    show(kernel_line(speed, peak, work.width()));
    kernels.push(kernel_json(speed, peak));
  }
  for (const Subject& subject : work.models) {
    const auto& [config, vocabulary] = subject.planned;
    const ModelSpeed speed = measure_model(config, factory, vocabulary, peak, options.seconds, subject.bf16_cache);
    show(model_line(subject, speed, work.width()));
    models.push(model_json(subject, speed));
  }
  result.set("version", version_line());
  result.set("peak", to_json(peak));
  result.set("ok", ok);
  result.set("kernels", std::move(kernels));
  result.set("models", std::move(models));
  if (options.json) print_json(result);
  return ok ? kOk : kCheckFailed;
}

}  // namespace

Action declare_bench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  app.add_option("WHAT", options->filters,
                 "words that a benchmark's name contains, such as matmul or model/mamba; or a config, CONFIG.json")
      ->type_name("WORD|FILE");
  declare_planned(app, options->planned);
  declare_cache(app, options->cache);
  app.add_option("--seconds", options->seconds, "for each of them")->type_name("S")->capture_default_str();
  app.add_flag("--json", options->json, "the result as one JSON document");
  declare_compute(app, options->compute);
  app.footer(
      "The limits come first: multiply-adds, exponentials, memory. A kernel is checked against its definition before it is\n"
      "timed; times are medians. A share is of the limit at that moment: arithmetic (not memory) is timed again before each\n"
      "repetition, since a processor's clock changes with its neighbours' load.\n"
      "Each architecture: d_model 128, 4 layers, 8 x 256 random tokens a step, vocabulary 65.\n"
      "Exit code 0: all checks hold, 5: one failed, and its kernel has no figure.\n"
      "Example: adder bench matmul selective_scan --threads 1");
  return [options](const ModelFactory& factory) { return bench_command(*options, factory); };
}

}  // namespace adder
