// What every figure has: a picture, and beneath it the numbers that were drawn.
#pragma once
#include <string>
#include <vector>

#include "framework/report/palette.h"
#include "framework/report/scale.h"

namespace adder::report {

// Cells are text; the lines after a cell's first are set small, beneath it.
struct Table {
  std::vector<std::string> heads;
  std::vector<std::vector<std::string>> rows;
  size_t left = 1;  // columns that are text: they begin at the left, and their lines may break
};
std::string to_html(const Table& table);

struct Figure {
  std::string svg;
  std::string title, caption;  // the caption says what a band means, what is missing, how to read it
  Table data;
};

// ---- lines ----------------------------------------------------------------------------------------------

struct Series {
  std::string name;            // its style, and the label at its end
  std::vector<double> x, y;    // in the order of x; what has no place on the axes is left out, and counted in the caption
  std::vector<double> low = {}, high = {};  // a band, or empty
  bool line = true, markers = false, faint = false;  // faint: one seed among others, without a label
};

struct Reference {
  std::string label;
  double y;
};

struct LineChart {
  std::string title, description;
  Axis x, y;
  std::vector<Series> series;
  std::vector<Reference> references = {};  // horizontal lines
};
Figure draw(const LineChart& chart, const Palette& palette);
// Side by side on shared axes: the ranges are those of all of them together.
std::vector<Figure> draw_together(std::vector<LineChart> charts, const Palette& palette);

// The share of values at or below x, as steps.
Series ecdf(const std::string& name, std::vector<double> values);

// ---- estimates with their intervals ---------------------------------------------------------------------

struct Estimate {
  std::string name;
  double value, low, high;         // NaN bounds: none
  std::vector<double> points = {};  // each seed
  bool failed = false;             // drawn as such, without a value
};
struct IntervalChart {
  std::string title, description;
  Axis axis;
  std::vector<Estimate> rows;
  std::vector<Reference> references = {};  // vertical lines: a bound, no difference
};
// A row that the palette names has its style, others have the first one.
Figure draw(const IntervalChart& chart, const Palette& palette = Palette());

// ---- histograms -----------------------------------------------------------------------------------------

struct Histogram {
  std::string title, description;
  Axis x;
  std::vector<double> edges;    // n + 1, rising
  std::vector<double> counts;   // n
};
Figure draw(const Histogram& chart);

// ---- heat maps ------------------------------------------------------------------------------------------

struct HeatMap {
  std::string title, description;
  Axis x;                               // of the columns
  std::vector<double> columns;          // places of the columns, rising
  std::vector<std::string> rows;        // names, top to bottom
  std::vector<std::vector<double>> values;  // by row; NaN: no value
  Axis value;                           // label, log, range of the colours
};
Figure draw(const HeatMap& map);

}  // namespace adder::report
