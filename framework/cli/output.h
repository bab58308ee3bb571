// Results go to stdout, everything else to stderr; and how numbers look to people.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "framework/config/json.h"

namespace adder {

void print(const std::string& text);         // to stdout; an Error where it can't be written (a full disk)
void print_json(const JsonValue& value);     // one document and a line end
void flush_output();                         // so that a stream is seen as it grows; errors as print()
void note(const std::string& line);          // to stderr, with a line end
void warn(const std::string& text);          // "adder: warning: …"
void report_error(const std::string& text);  // "adder: …", red on a terminal

std::string with_commas(int64_t n);                 // 1,003,854
std::string duration(double seconds);               // 0.4s, 59s, 2m03s, 1h02m, 3d04h
std::string decimals(double x, int digits);         // fixed
std::string significant(double x, int digits);      // as %g
void make_out_folder(const std::string& folder);    // that of --out, with those above it; an Error where it can't be made
std::string shell_quoted(const std::string& word);  // as a shell reads it back

// Names on the left, values on the right, as many columns as the longest name needs.
std::string aligned(const std::vector<std::pair<std::string, std::string>>& rows);
// Columns under their heads; the first `left` of them begin at the left, the others end at the right.
std::string table(const std::vector<std::string>& heads, const std::vector<std::vector<std::string>>& rows,
                  size_t left = 1);

}  // namespace adder
