#include "framework/cli/profile_report.h"

#include <algorithm>

#include "framework/cli/output.h"

namespace adder {
namespace {

constexpr double kGiga = 1e9, kMilli = 1e-3;

std::string percent(double share, int digits = 0) { return decimals(100 * share, digits); }

std::vector<Profile::Row> slowest_first(const Profile& profile) {
  std::vector<Profile::Row> rows = profile.rows();
  std::stable_sort(rows.begin(), rows.end(), [](const Profile::Row& a, const Profile::Row& b) {
    return a.forward.seconds + a.backward.seconds > b.forward.seconds + b.backward.seconds;
  });
  return rows;
}

std::string milliseconds(const Cost& c, double steps) {
  return c.calls ? decimals(c.seconds / steps / kMilli, 3) : "";
}

std::string share(const Cost& c, const MachinePeak& peak) {
  const Limit limit = limit_of(c, peak);
  return c.seconds > 0 && limit.seconds > 0 ? percent(limit.seconds / c.seconds) : "";
}

// The rate of what takes the op's time in the limit: "123.4 GFLOP/s".
std::string rate(const Cost& c, const MachinePeak& peak) {
  const Limit limit = limit_of(c, peak);
  if (c.seconds <= 0 || limit.seconds <= 0) return "";
  return decimals(limit.amount / c.seconds / kGiga, 1) + " G" + limit.unit + "/s";
}

JsonValue cost_json(const Cost& c, double steps, const MachinePeak& peak) {
  const Limit limit = limit_of(c, peak);
  JsonValue entry = JsonValue::object();
  entry.set("seconds", c.seconds / steps);
  entry.set("calls", double(c.calls) / steps);
  entry.set("flops", c.flops / steps);
  entry.set("exps", c.exps / steps);
  entry.set("bytes", c.bytes / steps);
  if (limit.seconds > 0) {
    entry.set("limit", limit.unit);
    entry.set("limit_seconds", limit.seconds / steps);
    if (c.seconds > 0) entry.set("share", limit.seconds / c.seconds);
  }
  return entry;
}

}  // namespace

std::string shown(const MachinePeak& peak) {
  const auto giga = [](double x) { return decimals(x / kGiga, 1); };
  return std::to_string(peak.threads) + (peak.threads == 1 ? " thread, " : " threads, ") + peak.simd + ": " +
         giga(peak.flops) + " GFLOP/s (bf16 " +
         (peak.bf16_instruction.empty() ? "as float32" : giga(peak.bf16_flops)) + "), " + giga(peak.exps) + " Gexp/s; memory " + giga(peak.read) + " GB/s read, " +
         giga(peak.copy) + " copy, " + giga(peak.triad) + " triad";
}

JsonValue to_json(const MachinePeak& peak) {
  JsonValue result = JsonValue::object();
  result.set("threads", int64_t(peak.threads));
  result.set("simd", peak.simd);
  result.set("flops", peak.flops);
  result.set("bf16_flops", peak.bf16_flops);
  result.set("bf16_instruction", peak.bf16_instruction);
  result.set("exps", peak.exps);
  result.set("read", peak.read);
  result.set("copy", peak.copy);
  result.set("triad", peak.triad);
  return result;
}

std::string profile_table(const Profile& profile, const MachinePeak& peak) {
  const double steps = double(std::max<int64_t>(1, profile.steps()));
  std::vector<std::vector<std::string>> rows;
  Cost all;
  double least = 0;
  for (const Profile::Row& r : slowest_first(profile)) {
    Cost both = r.forward;
    both += r.backward;
    all += both;
    least += limit_of(r.forward, peak).seconds + limit_of(r.backward, peak).seconds;
    rows.push_back({r.name, decimals(double(std::max(r.forward.calls, r.backward.calls)) / steps, 0),
                    milliseconds(r.forward, steps), share(r.forward, peak), milliseconds(r.backward, steps),
                    share(r.backward, peak), percent(both.seconds / profile.seconds(), 1), rate(both, peak)});
  }
  return "time by op, means of " + with_commas(profile.steps()) + (profile.steps() == 1 ? " step" : " steps") + "; limits of " +
         shown(peak) + "\n" +
         table({"op", "calls", "forward ms", "% of limit", "backward ms", "% of limit", "% of step", "rate"}, rows) +
         "a step takes " + decimals(profile.seconds() / steps / kMilli, 3) + " ms, the rows together " +
         decimals(all.seconds / steps / kMilli, 3) + "; at its limits it would take " + decimals(least / steps / kMilli, 3) +
         " (" + percent(least / profile.seconds(), 1) + " %)\n";
}

JsonValue profile_json(const Profile& profile, const MachinePeak& peak) {
  const double steps = double(std::max<int64_t>(1, profile.steps()));
  JsonValue result = JsonValue::object(), ops = JsonValue::array();
  result.set("steps", profile.steps());
  result.set("seconds", profile.seconds() / steps);
  result.set("peak", to_json(peak));
  for (const Profile::Row& r : slowest_first(profile)) {
    JsonValue entry = JsonValue::object();
    entry.set("op", r.name);
    if (r.forward.calls) entry.set("forward", cost_json(r.forward, steps, peak));
    if (r.backward.calls) entry.set("backward", cost_json(r.backward, steps, peak));
    ops.push(std::move(entry));
  }
  result.set("ops", std::move(ops));
  return result;
}

}  // namespace adder
