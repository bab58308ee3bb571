#include "framework/report/svg_file.h"

#include "framework/report/style.h"
#include "framework/training/durable_file.h"

namespace adder::report {

std::string standalone_svg(const Figure& figure, const Palette& palette) {
  const size_t open = figure.svg.find('>') + 1;
  std::string head = figure.svg.substr(0, open);
  head.insert(head.find(' '), " xmlns=\"http://www.w3.org/2000/svg\"");
  return head + "<style>" + page_css() + palette_css(palette) + "</style><rect width=\"100%\" height=\"100%\" fill=\"var(--paper)\"/>" +
         figure.svg.substr(open) + "\n";
}

void write_svg(const std::string& path, const Figure& figure, const Palette& palette) {
  write_durably(path, standalone_svg(figure, palette));
}

}  // namespace adder::report
