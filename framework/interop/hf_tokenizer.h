// Our tokenizers as Hugging Face's tokenizer.json, with the same ids, and back.
//   byte   a byte-level BPE without merges: its 256 tokens are the bytes
//   char   whole words of one character each
#pragma once
#include <string>

#include "framework/data/tokenizer.h"

namespace adder {

// UsageError for a tokenizer that it cannot express.
std::string hf_tokenizer_json(const Tokenizer& tokenizer);
std::string hf_tokenizer_config();  // tokenizer_config.json, the same for each

// The tokenizer of a folder whose tokenizer.json says what hf_tokenizer_json says of one of ours; null for
// any other, and where there is none.
TokenizerPtr read_hf_tokenizer(const std::string& folder);

}  // namespace adder
