// UTF-8, strictly (Unicode 15, table 3-7: no surrogates, no overlong forms, nothing above U+10FFFF).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace adder {

struct Utf8 {
  enum Status { complete, truncated, invalid };
  Status status;
  int length;      // bytes of the character; of the longest good beginning (at least 1) where it is none
  char32_t value;  // where complete
};
// The character at the start of `text`, which isn't empty. `truncated`: the text ends inside a good one.
Utf8 read_utf8(std::string_view text);
void append_utf8(std::string& text, char32_t value);
std::string describe_character(char32_t value);  // U+00E9 "é"; controls without the picture

// Turns bytes that arrive in any parts into text that may be shown at once: only whole characters come out, and
// each longest good beginning of a broken one becomes U+FFFD (as Unicode and browsers do). The output does not
// depend on how the bytes were cut.
class StreamDecoder {
 public:
  std::string push(std::string_view bytes);
  std::string finish();  // what was begun and never ended; the decoder is fresh again

 private:
  std::string pending_;
};

}  // namespace adder
