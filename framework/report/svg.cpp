#include "framework/report/svg.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "framework/core/error.h"

namespace adder::report {
namespace {

// Viridis at five places, dark to light: even steps to the eye, readable in grey.
constexpr int kHeat[5][3] = {{68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}};

std::string heat_colour(double share) {
  const double at = std::clamp(share, 0.0, 1.0) * 4;
  const int i = std::min(3, int(at));
  char text[8];
  int c[3];
  for (int k = 0; k < 3; ++k) c[k] = int(std::lround(kHeat[i][k] + (at - i) * (kHeat[i + 1][k] - kHeat[i][k])));
  std::snprintf(text, sizeof text, "#%02x%02x%02x", c[0], c[1], c[2]);
  return text;
}

std::string attribute(const std::string& name, const std::string& value) {
  return value.empty() ? "" : " " + name + "=\"" + escaped(value) + "\"";
}
std::string attribute(const std::string& name, double value) { return attribute(name, pixels(value)); }

std::string joined(const std::vector<Point>& points) {
  std::string text;
  for (const Point& p : points) text += (text.empty() ? "M" : "L") + pixels(p.x) + " " + pixels(p.y);
  return text;
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else if (c == '\'') out += "&#39;";
    else if (uint8_t(c) < 32 && c != '\n' && c != '\t') out += "\xEF\xBF\xBD";
    else out += c;
  }
  return out;
}

std::string pixels(double x) {
  if (!std::isfinite(x)) throw Error("[report] a coordinate is not finite");
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", x);
  std::string s = text;
  s.erase(s.find_last_not_of('0') + 1);
  if (s.back() == '.') s.pop_back();
  return s == "-0" ? "0" : s;
}

std::string shown(double x, int digits) {
  if (std::isnan(x)) return "not a number";
  if (std::isinf(x)) return x > 0 ? "infinite" : "minus infinite";
  char text[48];
  std::snprintf(text, sizeof text, "%.*g", digits, x);
  return text;
}

Svg::Svg(double width, double height, const std::string& title, const std::string& description) {
  out_ = "<svg viewBox=\"0 0 " + pixels(width) + " " + pixels(height) + "\" width=\"" + pixels(width) + "\" role=\"img\"><title>" + escaped(title) +
         "</title><desc>" + escaped(description) + "</desc>";
}

void Svg::line(Point a, Point b, const std::string& classes) {
  out_ += "<line" + attribute("x1", a.x) + attribute("y1", a.y) + attribute("x2", b.x) + attribute("y2", b.y) +
          attribute("class", classes) + "/>";
}

void Svg::rect(Point corner, double width, double height, const std::string& classes, const std::string& title) {
  out_ += "<rect" + attribute("x", corner.x) + attribute("y", corner.y) + attribute("width", width) +
          attribute("height", height) + attribute("class", classes);
  out_ += title.empty() ? "/>" : "><title>" + escaped(title) + "</title></rect>";
}

void Svg::path(const std::vector<Point>& points, const std::string& classes) {
  if (points.size() > 1) out_ += "<path d=\"" + joined(points) + "\"" + attribute("class", classes) + "/>";
}

void Svg::area(const std::vector<Point>& outline, const std::string& classes) {
  if (outline.size() > 2) out_ += "<path d=\"" + joined(outline) + "Z\"" + attribute("class", classes) + "/>";
}

void Svg::marker(char shape, Point at, const std::string& classes) {
  const double x = at.x, y = at.y, r = 3;
  if (shape == 'o') {
    out_ += "<circle" + attribute("cx", x) + attribute("cy", y) + attribute("r", r) + attribute("class", classes) + "/>";
    return;
  }
  if (shape == 's') return rect({x - r, y - r}, 2 * r, 2 * r, classes);
  if (shape == '^') return area({{x, y - r}, {x + r, y + r}, {x - r, y + r}}, classes);
  if (shape == 'v') return area({{x, y + r}, {x + r, y - r}, {x - r, y - r}}, classes);
  if (shape == 'd') return area({{x, y - r - 1}, {x + r + 1, y}, {x, y + r + 1}, {x - r - 1, y}}, classes);
  const bool upright = shape == '+' || shape == '*', slanted = shape != '+';
  if (upright) line({x - r, y}, {x + r, y}, classes), line({x, y - r}, {x, y + r}, classes);
  if (slanted) line({x - r, y - r}, {x + r, y + r}, classes), line({x - r, y + r}, {x + r, y - r}, classes);
}

void Svg::text(Point at, const std::string& text, const std::string& anchor, const std::string& classes, bool turned) {
  out_ += "<text" + attribute("x", at.x) + attribute("y", at.y) + attribute("text-anchor", anchor) +
          attribute("class", classes);
  if (turned) out_ += " transform=\"rotate(-90 " + pixels(at.x) + " " + pixels(at.y) + ")\"";
  out_ += ">" + escaped(text) + "</text>";
}

void Svg::cell(Point corner, double width, double height, double share) {
  out_ += "<rect" + attribute("x", corner.x) + attribute("y", corner.y) + attribute("width", width) +
          attribute("height", height);
  out_ += share < 0 ? " class=\"empty\"/>" : " fill=\"" + heat_colour(share) + "\"/>";
}

void Svg::open(const std::string& classes) { out_ += "<g" + attribute("class", classes) + ">"; }
void Svg::close() { out_ += "</g>"; }
std::string Svg::finish() { return out_ + "</svg>"; }

}  // namespace adder::report
