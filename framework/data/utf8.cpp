#include "framework/data/utf8.h"

#include <algorithm>
#include <cstdio>

namespace adder {
namespace {

// How many bytes a character has that starts with this one (0: none does), and what its second byte may be.
struct Lead { int length; uint8_t low, high; };

Lead lead(uint8_t byte) {
  if (byte < 0x80) return {1, 0x80, 0xBF};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte < 0xF0) return {3, uint8_t(byte == 0xE0 ? 0xA0 : 0x80), uint8_t(byte == 0xED ? 0x9F : 0xBF)};
  if (byte < 0xF5) return {4, uint8_t(byte == 0xF0 ? 0x90 : 0x80), uint8_t(byte == 0xF4 ? 0x8F : 0xBF)};
  return {0, 0, 0};
}

constexpr char32_t kReplacement = 0xFFFD;

}  // namespace

Utf8 read_utf8(std::string_view text) {
  const uint8_t first = uint8_t(text[0]);
  Lead expected = lead(first);
  if (expected.length == 0) return {Utf8::invalid, 1, 0};
  if (expected.length == 1) return {Utf8::complete, 1, first};
  char32_t value = first & (0x7Fu >> expected.length);
  for (int i = 1; i < expected.length; ++i) {
    if (size_t(i) == text.size()) return {Utf8::truncated, i, 0};
    const uint8_t byte = uint8_t(text[size_t(i)]);
    if (byte < expected.low || byte > expected.high) return {Utf8::invalid, i, 0};
    value = value << 6 | (byte & 0x3Fu);
    expected.low = 0x80, expected.high = 0xBF;
  }
  return {Utf8::complete, expected.length, value};
}

void append_utf8(std::string& text, char32_t value) {
  if (value < 0x80) {
    text += char(value);
    return;
  }
  const int more = value < 0x800 ? 1 : value < 0x10000 ? 2 : 3;
  text += char((0xFF00u >> (more + 1) & 0xFF) | value >> (6 * more));  // as many leading ones as bytes
  for (int i = more - 1; i >= 0; --i) text += char(0x80 | (value >> (6 * i) & 0x3F));
}

std::string describe_character(char32_t value) {
  char code[16];
  std::snprintf(code, sizeof code, "U+%04X", unsigned(value));
  std::string text = code;
  if (value < 0x20 || (value >= 0x7F && value < 0xA0)) return text;
  text += " \"";
  append_utf8(text, value);
  return text + "\"";
}

std::string StreamDecoder::push(std::string_view bytes) {
  pending_ += bytes;
  std::string out;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const Utf8 next = read_utf8(rest);
    if (next.status == Utf8::truncated) break;
    if (next.status == Utf8::complete) out += rest.substr(0, size_t(next.length));
    else append_utf8(out, kReplacement);
    rest.remove_prefix(size_t(next.length));
  }
  pending_ = std::string(rest);
  return out;
}

std::string StreamDecoder::finish() {
  std::string out;
  if (!pending_.empty()) append_utf8(out, kReplacement);  // a truncated character is one good beginning
  pending_.clear();
  return out;
}

}  // namespace adder
