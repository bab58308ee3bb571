#include "framework/cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "framework/cli/terminal.h"
#include "framework/core/error.h"

namespace adder {
namespace {

[[noreturn]] void fail_output() {
  throw Error("cannot write to standard output: " + std::string(std::strerror(errno)));
}

std::string formatted(const char* format, int digits, double x) {
  if (std::isnan(x)) return "nan";  // without the sign that printf shows
  char text[400];
  std::snprintf(text, sizeof text, format, digits, x);
  return text;
}

std::string two_digits(int64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); }

}  // namespace

// ---- streams ------------------------------------------------------------------------------------

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail_output();
}

void print_json(const JsonValue& value) { print(dump(value) + "\n"); }

void flush_output() {
  if (std::fflush(stdout) != 0) fail_output();
}

void note(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }
void warn(const std::string& text) { note("adder: warning: " + text); }

void report_error(const std::string& text) {
  const bool colour = terminal(STDERR_FILENO).colour;
  note((colour ? "\x1b[31madder:\x1b[0m " : "adder: ") + text);
}

// ---- numbers ------------------------------------------------------------------------------------

std::string with_commas(int64_t n) {
  std::string text = std::to_string(n);
  const int64_t first = n < 0 ? 1 : 0;
  for (int64_t at = int64_t(text.size()) - 3; at > first; at -= 3) text.insert(size_t(at), ",");
  return text;
}

std::string duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e12) return "?";
  if (seconds < 9.95) return decimals(seconds, 1) + "s";
  const int64_t s = std::llround(seconds), minute = 60, hour = 3600, day = 86400;
  if (s < minute) return std::to_string(s) + "s";
  if (s < hour) return std::to_string(s / minute) + "m" + two_digits(s % minute) + "s";
  if (s < day) return std::to_string(s / hour) + "h" + two_digits(s % hour / minute) + "m";
  return std::to_string(s / day) + "d" + two_digits(s % day / hour) + "h";
}

std::string decimals(double x, int digits) { return formatted("%.*f", digits, x); }
std::string significant(double x, int digits) { return formatted("%.*g", digits, x); }

void make_out_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error("--out " + folder + ": no folder can be made there: " + error.message());
}

std::string shell_quoted(const std::string& word) {
  const char* plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./=:,+@%";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

// ---- columns ------------------------------------------------------------------------------------

std::string aligned(const std::vector<std::pair<std::string, std::string>>& rows) {
  size_t width = 0;
  for (const auto& [name, value] : rows) width = std::max(width, name.size());
  std::string text;
  for (const auto& [name, value] : rows)
    text += name + std::string(width + 2 - name.size(), ' ') + value + "\n";
  return text;
}

std::string table(const std::vector<std::string>& heads, const std::vector<std::vector<std::string>>& rows,
                  size_t left) {
  std::vector<size_t> widths;
  for (const std::string& head : heads) widths.push_back(head.size());
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  const auto add = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - row[i].size(), ' ');
      line += (i ? "  " : "") + (i < left ? row[i] + space : space + row[i]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  };
  add(heads);
  for (const auto& row : rows) add(row);
  return text;
}

}  // namespace adder
