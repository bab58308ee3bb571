// A report: one HTML file that asks the network for nothing, is complete without a script, prints on A4, works in the
// dark, and is the same bytes each time it is made from the same things.
#pragma once
#include <string>
#include <vector>

#include "framework/report/figure.h"

namespace adder::report {

enum class Tone { plain, good, bad, open };

class Page {
 public:
  // `kicker`: what kind of page it is, above the title.
  Page(const std::string& title, const std::string& kicker, Palette palette = Palette());

  // The first screen: what was found, in words and one large figure, with its colour.
  void verdict(Tone tone, const std::string& headline, const std::string& effect, const std::string& detail);
  void heading(const std::string& text);
  void paragraph(const std::string& text);
  void points(const std::vector<std::string>& items);              // a list
  void checklist(const std::vector<std::pair<Tone, std::string>>& items);  // passed, failed, open
  void command(const std::string& line);                           // what a person types
  void facts(const std::vector<std::pair<std::string, std::string>>& rows);  // names and values
  void table(const Table& table, const std::string& caption = "");
  void folded_table(const std::string& summary, const Table& table);  // behind a click; open on paper
  void figure(const Figure& figure);
  void figures(const std::vector<Figure>& figures);                // side by side
  void toggles();                                                  // a box a name of the palette: show or hide it everywhere

  std::string html() const;

 private:
  std::string title_, kicker_;
  Palette palette_;
  std::string body_;
};

// Writes it beside, and renames.
void write_page(const std::string& path, const Page& page);

}  // namespace adder::report
