#include <algorithm>
#include <cmath>
#include <map>

#include "framework/data/hdf5.h"
#include "framework/gradient_lab/health_series.h"
#include "framework/training/durable_file.h"

namespace adder::lab {
namespace {

using Group = std::vector<std::pair<std::string, const std::vector<double>*>>;  // names on the axis, and their series

// What the names behind "health/<group>/" are.
std::string axis_of(const std::string& group) {
  for (const char* name : {"grad_norm", "update", "outlier", "below_eps"})
    if (group == name) return "tensor";
  if (group == "closed" || group == "open") return "gate";
  if (group == "time_step" || group == "time_constant") return "decile";
  return group == "seconds" ? "measure" : "part";
}

// A dataset's name of a value that stands for the whole step.
std::string step_name(const std::string& name) {
  if (name == "grad_norm") return "global_norm";  // /grad_norm is that of each tensor,
  if (name == "seconds") return "step_seconds";   // and /seconds those of each measure
  std::string text = name.starts_with("health/") ? name.substr(7) : name;
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

class HealthFile {
 public:
  HealthFile(Hdf5File& file, const HealthSeries& series) : file_(file), series_(series), steps_(int64_t(series.steps.size())) {
    std::vector<int32_t> steps(series.steps.begin(), series.steps.end());
    file_.write("/step", Tensor::from<int32_t>({steps_}, steps));
  }

  void write_values() {
    std::vector<std::pair<std::string, Group>> groups;
    for (const auto& [name, values] : series_.values) {
      const size_t slash = name.starts_with("health/") ? name.find('/', 7) : std::string::npos;
      if (slash == std::string::npos) {
        write("/" + step_name(name), {steps_}, values, {"/step"});
        continue;
      }
      const std::string group = name.substr(7, slash - 7);
      auto found = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == group; });
      if (found == groups.end()) groups.emplace_back(group, Group()), found = groups.end() - 1;
      found->second.emplace_back(name.substr(slash + 1), &values);
    }
    for (const auto& [group, members] : groups)
      for (const auto& [name, values] : members) add(axes_[axis_of(group)], name);
    for (const auto& [axis, names] : axes_) file_.write_strings("/" + axis, names);
    for (const auto& [group, members] : groups) write_group(group, members);
  }

  void write_histograms() {
    std::map<std::string, std::vector<size_t>> groups;
    for (size_t i = 0; i < series_.histograms.size(); ++i)
      groups[series_.histograms[i].first.substr(0, series_.histograms[i].first.find('/'))].push_back(i);
    if (groups.empty()) return;
    std::vector<double> edges;
    for (int i = 0; i < Histogram::kBins; ++i) edges.push_back(Histogram::edge(i));
    file_.write("/bin", Tensor::from<double>({Histogram::kBins}, edges));
    file_.set_attribute("/bin", "units", std::string("the least |x| that a bin counts; the first one counts all below it, too, the last one all above; gates are told as odds g / (1 - g)"));
    for (const auto& [group, members] : groups) write_histogram(group, members);
  }

 private:
  static void add(std::vector<std::string>& names, const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }

  void write(const std::string& path, const Shape& shape, const std::vector<double>& values, const std::vector<std::string>& axes) {
    file_.write(path, Tensor::from<double>(shape, values));
    file_.set_scales(path, axes);
  }

  void write_group(const std::string& group, const Group& members) {
    const std::string axis = axis_of(group);
    const std::vector<std::string>& names = axes_[axis];
    std::vector<double> all(size_t(steps_) * names.size(), std::nan(""));
    for (const auto& [name, values] : members) {
      const size_t column = size_t(std::find(names.begin(), names.end(), name) - names.begin());
      for (size_t i = 0; i < size_t(steps_); ++i) all[i * names.size() + column] = (*values)[i];
    }
    write("/" + group, {steps_, int64_t(names.size())}, all, {"/step", "/" + axis});
  }

  void write_histogram(const std::string& group, const std::vector<size_t>& members) {
    const std::string path = "/histogram_" + group;
    const int64_t count = int64_t(members.size());
    std::vector<std::string> names;
    std::vector<int32_t> all;
    for (const size_t m : members) names.push_back(series_.histograms[m].first.substr(group.size() + 1));
    for (size_t i = 0; i < size_t(steps_); ++i)
      for (const size_t m : members)
        for (const int64_t n : series_.histograms[m].second[i].counts) all.push_back(int32_t(n));
    file_.write_strings(path + "_of", names);
    file_.write(path, Tensor::from<int32_t>({steps_, count, Histogram::kBins}, all));
    file_.set_scales(path, {"/step", path + "_of", "/bin"});
  }

  Hdf5File& file_;
  const HealthSeries& series_;
  int64_t steps_;
  std::map<std::string, std::vector<std::string>> axes_;
};

}  // namespace

void write_health_file(const std::string& path, const HealthSeries& series) {
  DurableFile durable(path);
  Hdf5File file = Hdf5File::create(durable.temporary());
  HealthFile health(file, series);
  health.write_values();
  health.write_histograms();
  file.set_attribute("/", "title", std::string("the health of a run's steps"));
  file.close();
  durable.commit();
}

}  // namespace adder::lab
