// Numbers that parts of a model tell of a pass: a solver's iterations, say. They gather by name over the parts and
// passes of a step and stand in its line of metrics.jsonl; warnings reach the user once each.
#pragma once
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace adder {

class Readings {
 public:
  void mean(const std::string& name, double sum, double count);  // of all sums over all counts
  void largest(const std::string& name, double value);
  void total(const std::string& name, double value);
  void warning(const std::string& text) { warnings_.insert(text); }

  std::vector<std::pair<std::string, double>> values() const;  // by name
  const std::set<std::string>& warnings() const { return warnings_; }

 private:
  struct Reading {
    double value, count;  // the mean is value / count
  };
  std::map<std::string, Reading> readings_;
  std::set<std::string> warnings_;
};

}  // namespace adder
