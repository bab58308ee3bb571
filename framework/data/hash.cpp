#include "framework/data/hash.h"

// Inlined: the header alone is needed, and the state's size is known.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdio>

namespace adder {

struct ContentHash::State {
  XXH3_state_t xxh3;
};

ContentHash::ContentHash() : state_(std::make_unique<State>()) { XXH3_64bits_reset(&state_->xxh3); }
ContentHash::~ContentHash() = default;

void ContentHash::add(const void* bytes, size_t size) {
  if (size) XXH3_64bits_update(&state_->xxh3, bytes, size);
}

uint64_t ContentHash::value() const { return XXH3_64bits_digest(&state_->xxh3); }

std::string ContentHash::hex() const {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value()));
  return text;
}

std::string hash_hex(std::string_view bytes) {
  ContentHash hash;
  hash.add(bytes.data(), bytes.size());
  return hash.hex();
}

}  // namespace adder
