#include "framework/report/page.h"

#include "framework/report/svg.h"
#include "framework/report/style.h"
#include "framework/training/durable_file.h"

namespace adder::report {
namespace {

const char* tone_class(Tone tone) {
  switch (tone) {
    case Tone::good: return "good";
    case Tone::bad: return "bad";
    case Tone::open: return "open";
    case Tone::plain: break;
  }
  return "plain";
}

const char* tone_word(Tone tone) {
  switch (tone) {
    case Tone::good: return "pass";
    case Tone::bad: return "FAIL";
    case Tone::open: return "open";
    case Tone::plain: break;
  }
  return "note";
}

std::string element(const std::string& tag, const std::string& text, const std::string& classes = "") {
  return "<" + tag + (classes.empty() ? "" : " class=\"" + classes + "\"") + ">" + escaped(text) + "</" + tag + ">\n";
}

std::string folded(const std::string& summary, const Table& table) {
  return "<details><summary>" + escaped(summary) + "</summary>" + to_html(table) + "</details>\n";
}

// The data stand outside the figure: a long table of them may run over pages, the picture and its caption may not.
std::string to_html(const Figure& f) {
  const std::string html = "<div class=\"plate\"><figure>\n" + f.svg + "\n<figcaption><b>" + escaped(f.title) + ".</b> " + escaped(f.caption) + "</figcaption>\n</figure>\n";
  return html + (f.data.rows.empty() ? "" : folded("data", f.data)) + "</div>\n";
}

// The lines after a cell's first are its small print.
std::string cell_html(const std::string& text) {
  const size_t end = text.find('\n');
  if (end == std::string::npos) return escaped(text);
  return escaped(text.substr(0, end)) + "<small>" + escaped(text.substr(end + 1)) + "</small>";
}

}  // namespace

std::string to_html(const Table& t) {
  std::string html = "<div class=\"wide\"><table><thead><tr>";
  const auto cell = [&](const std::string& tag, size_t column, const std::string& text) {
    return "<" + tag + (column < t.left ? " class=\"left\"" : "") + ">" + cell_html(text) + "</" + tag + ">";
  };
  for (size_t c = 0; c < t.heads.size(); ++c) html += cell("th", c, t.heads[c]);
  html += "</tr></thead><tbody>";
  for (const auto& row : t.rows) {
    html += "<tr>";
    for (size_t c = 0; c < row.size(); ++c) html += cell("td", c, row[c]);
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

Page::Page(const std::string& title, const std::string& kicker, Palette palette)
    : title_(title), kicker_(kicker), palette_(std::move(palette)) {}

void Page::verdict(Tone tone, const std::string& headline, const std::string& effect, const std::string& detail) {
  body_ += std::string("<section class=\"verdict ") + tone_class(tone) + "\">\n" + element("p", headline, "headline") +
           element("p", effect, "effect") + element("p", detail, "detail") + "</section>\n";
}
void Page::heading(const std::string& text) { body_ += element("h2", text); }
void Page::paragraph(const std::string& text) { body_ += element("p", text); }
void Page::command(const std::string& line) { body_ += element("pre", line); }

void Page::points(const std::vector<std::string>& items) {
  body_ += "<ul>\n";
  for (const std::string& item : items) body_ += element("li", item);
  body_ += "</ul>\n";
}

void Page::checklist(const std::vector<std::pair<Tone, std::string>>& items) {
  body_ += "<ul class=\"checks\">\n";
  for (const auto& [tone, text] : items)
    body_ += std::string("<li class=\"") + tone_class(tone) + "\"><b>" + tone_word(tone) + "</b> " + escaped(text) + "</li>\n";
  body_ += "</ul>\n";
}

void Page::facts(const std::vector<std::pair<std::string, std::string>>& rows) {
  body_ += "<dl>\n";
  for (const auto& [name, value] : rows) body_ += "<div>" + element("dt", name) + element("dd", value) + "</div>\n";
  body_ += "</dl>\n";
}

void Page::table(const Table& table, const std::string& caption) {
  if (!caption.empty()) body_ += element("p", caption, "caption");
  body_ += to_html(table);
}

void Page::folded_table(const std::string& summary, const Table& table) { body_ += folded(summary, table); }
void Page::figure(const Figure& f) { body_ += to_html(f); }

void Page::figures(const std::vector<Figure>& list) {
  body_ += "<div class=\"grid\">\n";
  for (const Figure& f : list) body_ += to_html(f);
  body_ += "</div>\n";
}

void Page::toggles() {
  body_ += "<fieldset class=\"toggles\"><legend>shown in the figures</legend>\n";
  for (size_t i = 0; i < palette_.names().size(); ++i) {
    const std::string& name = palette_.names()[i];
    Svg sample(34, 12, name, "its line and marker");
    sample.path({{1, 6}, {33, 6}}, "line " + palette_.classes(name));
    sample.marker(palette_.marker(name), {17, 6}, "mark " + palette_.classes(name));
    body_ += "<label><input type=\"checkbox\" id=\"show" + std::to_string(i) + "\" checked> <span>" + sample.finish() +
             "</span> " + escaped(name) + "</label>\n";
  }
  body_ += "</fieldset>\n";
}

std::string Page::html() const {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
         "<meta name=\"color-scheme\" content=\"light dark\">\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
         "<link rel=\"icon\" href=\"data:,\">\n"
         "<title>" + escaped(title_) + "</title>\n<style>\n" + page_css() + palette_css(palette_) + "\n</style>\n</head>\n<body>\n<main>\n" +
         element("p", kicker_, "kicker") + element("h1", title_) + body_ + "</main>\n</body>\n</html>\n";
}

void write_page(const std::string& path, const Page& page) { write_durably(path, page.html()); }

}  // namespace adder::report
