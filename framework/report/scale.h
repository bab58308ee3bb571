// From values to pixels, and where an axis has its ticks.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace adder::report {

struct Axis {
  std::string label;                            // with its unit: "validation loss (nats a token)"
  bool log = false;                             // values of 0 and below have no place then
  std::optional<std::pair<double, double>> range = {};  // else that of the data
};

// The least and the largest of some values, those that have no place on the axis left out.
class Extent {
 public:
  explicit Extent(const Axis& axis) : axis_(axis) {}
  void add(double x);
  void add(const std::vector<double>& values) { for (const double x : values) add(x); }
  bool any() const { return any_; }
  // A little wider than the data, never empty; the axis's own range where it has one.
  std::pair<double, double> range() const;
  std::pair<double, double> tight_range() const;  // the data's own

 private:
  const Axis& axis_;
  bool any_ = false;
  double low_ = 0, high_ = 0;
};

struct Tick {
  double value;
  std::string label;  // may be empty: a minor tick
};

class Scale {
 public:
  Scale(const Axis& axis, std::pair<double, double> range, double from_pixel, double to_pixel);
  bool has_place_for(double x) const;  // finite, above 0 on a logarithmic axis, and within the range
  double operator()(double x) const;   // clamped to the range
  std::vector<Tick> ticks() const;

 private:
  double transformed(double x) const;
  bool log_;
  double low_, high_, from_, to_;  // low, high: transformed
};

}  // namespace adder::report
