// Writing SVG and HTML: every string is escaped, every number is written one way, so that a report is the same bytes each
// time.
#pragma once
#include <string>
#include <vector>

namespace adder::report {

// & < > " ' as entities; control characters that no document may hold become U+FFFD.
std::string escaped(const std::string& text);

// A coordinate: at most two decimals, no trailing zeros. Not finite: an Error.
std::string pixels(double x);
// A value for people: up to `digits` significant digits, "1.2e-7" beyond 1e-4 and 1e6; "not a number", "infinite" in words.
std::string shown(double x, int digits = 4);

struct Point {
  double x, y;
};

// A picture under construction. Shapes carry CSS classes; colours stand in the page's style sheet.
class Svg {
 public:
  // `title` and `description` are read to those who can't see it.
  Svg(double width, double height, const std::string& title, const std::string& description);

  void line(Point a, Point b, const std::string& classes);
  void rect(Point corner, double width, double height, const std::string& classes, const std::string& title = "");
  void path(const std::vector<Point>& points, const std::string& classes);    // open; fewer than 2 points: nothing
  void area(const std::vector<Point>& outline, const std::string& classes);   // closed
  void marker(char shape, Point at, const std::string& classes);              // o s ^ d + x v *
  // anchor: start, middle or end; `turned`: read from below
  void text(Point at, const std::string& text, const std::string& anchor, const std::string& classes = "", bool turned = false);
  // A filled cell whose colour is a share of the heat scale, 0 to 1; below 0: no value.
  void cell(Point corner, double width, double height, double share);
  void open(const std::string& classes);  // a group, until close()
  void close();
  std::string finish();

 private:
  std::string out_;
};

}  // namespace adder::report
