// The 512 bytes in front of a checkpoint; see checkpoint.h for their layout.
#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "framework/training/durable_file.h"

namespace adder {

inline constexpr uint64_t kBlockBytes = 512;

struct CheckpointBlock {
  uint32_t version = 0;
  uint64_t length = 0;                 // of the whole file
  std::array<uint8_t, 16> checksum{};  // XXH3-128 of everything after the block
};

using BlockBytes = std::array<uint8_t, kBlockBytes>;
BlockBytes encode(const CheckpointBlock& block);
// Checks magic, the block's own checksum, version and length against the file. UnreadableError.
CheckpointBlock read_block(const Descriptor& file, const std::string& path);
// XXH3-128 of the bytes from the end of the block to `length`.
std::array<uint8_t, 16> checksum_after_block(const Descriptor& file, const std::string& path,
                                             uint64_t length);

}  // namespace adder
