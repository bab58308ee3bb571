#include "framework/training/checkpoint_block.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <vector>

#include "framework/core/error.h"
#include "framework/training/checkpoint.h"

namespace adder {

static_assert(std::endian::native == std::endian::little,
              "the block's numbers are copied as they lie in memory");

namespace {

// As in PNG: a byte that is no text, the name, and line ends that a transfer in text mode would change.
constexpr uint8_t kMagic[8] = {0x89, 'A', 'D', 'D', 'R', '\r', '\n', 0x1a};
constexpr char kText[] = "Adder checkpoint: HDF5 behind a block of 512 bytes\n";
constexpr size_t kVersionAt = 8, kSizeAt = 12, kLengthAt = 16, kChecksumAt = 24, kTextAt = 64, kOwnAt = 504;

void put(BlockBytes& bytes, size_t at, const void* value, size_t size) {
  std::memcpy(bytes.data() + at, value, size);
}

uint64_t own_checksum(const BlockBytes& bytes) { return XXH3_64bits(bytes.data(), kOwnAt); }

bool own_checksum_holds(const BlockBytes& bytes) {
  uint64_t stored = 0;
  std::memcpy(&stored, bytes.data() + kOwnAt, sizeof stored);
  return stored == own_checksum(bytes);
}

// Damage in the magic itself: everything else of the block is as it should be.
bool ours_but_for_the_magic(BlockBytes bytes) {
  put(bytes, 0, kMagic, sizeof kMagic);
  return own_checksum_holds(bytes);
}

}  // namespace

BlockBytes encode(const CheckpointBlock& block) {
  BlockBytes bytes{};
  const uint32_t size = kBlockBytes;
  put(bytes, 0, kMagic, sizeof kMagic);
  put(bytes, kVersionAt, &block.version, sizeof block.version);
  put(bytes, kSizeAt, &size, sizeof size);
  put(bytes, kLengthAt, &block.length, sizeof block.length);
  put(bytes, kChecksumAt, block.checksum.data(), block.checksum.size());
  put(bytes, kTextAt, kText, sizeof kText - 1);
  const uint64_t own = own_checksum(bytes);
  put(bytes, kOwnAt, &own, sizeof own);
  return bytes;
}

CheckpointBlock read_block(const Descriptor& file, const std::string& path) {
  const uint64_t size = file_size(file, path);
  BlockBytes bytes{};
  const size_t there = size_t(std::min(size, kBlockBytes));
  read_at(file, path, 0, bytes.data(), there);
  if (size == 0) throw UnreadableError(path + ": is empty, expected an Adder checkpoint");
  const bool magic = std::memcmp(bytes.data(), kMagic, std::min(there, sizeof kMagic)) == 0;
  if (!magic && !ours_but_for_the_magic(bytes))
    throw UnreadableError(path +
                          ": is not an Adder checkpoint (other first bytes); checkpoints are written by "
                          "`adder train` and `adder import`");
  if (there < kBlockBytes)
    throw UnreadableError(path + ": is truncated: found " + std::to_string(size) +
                          " bytes, expected more than " + std::to_string(kBlockBytes) +
                          "; use an earlier checkpoint");
  if (!magic || !own_checksum_holds(bytes))
    throw UnreadableError(path +
                          ": is damaged: the checksum of its first 512 bytes does not hold; use an earlier "
                          "checkpoint");

  CheckpointBlock block;
  std::memcpy(&block.version, bytes.data() + kVersionAt, sizeof block.version);
  std::memcpy(&block.length, bytes.data() + kLengthAt, sizeof block.length);
  std::memcpy(block.checksum.data(), bytes.data() + kChecksumAt, block.checksum.size());
  if (block.version > kCheckpointVersion)
    throw UnreadableError(path + ": is a checkpoint of format " + std::to_string(block.version) +
                          ", this adder reads " + std::to_string(kCheckpointVersion) +
                          "; a newer adder wrote it: update this one");
  if (size < block.length)
    throw UnreadableError(path + ": is truncated: found " + std::to_string(size) + " bytes, expected " +
                          std::to_string(block.length) + "; use an earlier checkpoint");
  if (size > block.length)
    throw UnreadableError(path + ": is damaged: found " + std::to_string(size) + " bytes, expected " +
                          std::to_string(block.length) + "; something was appended");
  return block;
}

std::array<uint8_t, 16> checksum_after_block(const Descriptor& file, const std::string& path,
                                             uint64_t length) {
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                              XXH3_freeState);
  XXH3_128bits_reset(state.get());
  std::vector<uint8_t> part(size_t{1} << 20);
  for (uint64_t at = kBlockBytes; at < length;) {
    const size_t bytes = size_t(std::min<uint64_t>(part.size(), length - at));
    read_at(file, path, at, part.data(), bytes);
    XXH3_128bits_update(state.get(), part.data(), bytes);
    at += bytes;
  }
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state.get()));
  std::array<uint8_t, 16> checksum{};
  std::memcpy(checksum.data(), canonical.digest, checksum.size());
  return checksum;
}

}  // namespace adder
