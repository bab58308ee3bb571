// Address space cut into blocks: the bookkeeping of the arena's large buffers, which knows nothing of the memory behind it.
// A buffer takes the smallest free block that holds it (best fit) and leaves the rest; free neighbours become one block again.
// So buffers of all sizes share the same memory one after the other, and a training step needs hardly more than its peak:
// 331 MB where 329 are in use at once, with a list of free buffers a size it was 379 (a Transformer of 10.7 M).
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace adder {

struct Block {
  uintptr_t begin;
  size_t size;
};

class Blocks {
 public:
  // Where `size` bytes are free, now taken; 0: nowhere, add a piece first. Memory that was used before comes first.
  uintptr_t take(size_t size);
  void give_back(const Block& taken);
  void add(const Block& piece);            // address space to cut up
  std::vector<Block> remove_unused();      // pieces of which nothing is taken, from now on not here
  size_t used_before() const;              // bytes that are taken, or were: with memory behind them
  size_t free() const;                     // of these, bytes that are not taken

 private:
  struct Piece {
    Block all;
    uintptr_t fresh;                       // nothing from here on was ever taken
    std::vector<Block> free;               // before that, by address, no two of them touching
  };
  std::vector<Piece> pieces_;
};

}  // namespace adder
