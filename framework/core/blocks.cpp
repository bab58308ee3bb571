#include "framework/core/blocks.h"

#include <algorithm>

namespace adder {

uintptr_t Blocks::take(size_t size) {
  Piece* from = nullptr;
  size_t best = 0;
  for (Piece& piece : pieces_)
    for (size_t i = 0; i < piece.free.size(); ++i)
      if (piece.free[i].size >= size && (!from || piece.free[i].size < from->free[best].size)) from = &piece, best = i;
  if (from) {
    Block& block = from->free[best];
    const uintptr_t begin = block.begin;
    block = {begin + size, block.size - size};
    if (block.size == 0) from->free.erase(from->free.begin() + std::ptrdiff_t(best));
    return begin;
  }
  for (Piece& piece : pieces_) {
    const bool at_end = !piece.free.empty() && piece.free.back().begin + piece.free.back().size == piece.fresh;
    const uintptr_t begin = at_end ? piece.free.back().begin : piece.fresh;
    if (piece.all.begin + piece.all.size - begin < size) continue;
    if (at_end) piece.free.pop_back();
    piece.fresh = begin + size;
    return begin;
  }
  return 0;
}

void Blocks::give_back(const Block& taken) {
  const auto holds = [&](const Piece& p) { return taken.begin >= p.all.begin && taken.begin - p.all.begin < p.all.size; };
  std::vector<Block>& free = std::find_if(pieces_.begin(), pieces_.end(), holds)->free;
  auto next = std::lower_bound(free.begin(), free.end(), taken.begin, [](const Block& b, uintptr_t at) { return b.begin < at; });
  const bool meets_next = next != free.end() && taken.begin + taken.size == next->begin;
  const bool meets_last = next != free.begin() && std::prev(next)->begin + std::prev(next)->size == taken.begin;
  if (meets_last) {
    std::prev(next)->size += taken.size + (meets_next ? next->size : 0);
    if (meets_next) free.erase(next);
  } else if (meets_next) {
    *next = {taken.begin, taken.size + next->size};
  } else {
    free.insert(next, taken);
  }
}

void Blocks::add(const Block& piece) { pieces_.push_back({piece, piece.begin, {}}); }

std::vector<Block> Blocks::remove_unused() {
  std::vector<Block> unused;
  const auto idle = [&](const Piece& p) {
    const bool all_free = p.free.size() == 1 && p.free[0].begin == p.all.begin && p.free[0].size == p.fresh - p.all.begin;
    if (p.fresh != p.all.begin && !all_free) return false;
    unused.push_back(p.all);
    return true;
  };
  pieces_.erase(std::remove_if(pieces_.begin(), pieces_.end(), idle), pieces_.end());
  return unused;
}

size_t Blocks::used_before() const {
  size_t bytes = 0;
  for (const Piece& piece : pieces_) bytes += piece.fresh - piece.all.begin;
  return bytes;
}

size_t Blocks::free() const {
  size_t bytes = 0;
  for (const Piece& piece : pieces_)
    for (const Block& block : piece.free) bytes += block.size;
  return bytes;
}

}  // namespace adder
