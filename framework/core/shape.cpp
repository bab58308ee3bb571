#include "framework/core/shape.h"

#include "framework/core/error.h"

namespace adder {

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (int64_t extent : shape) {
    // one more factor of 8 must fit: bytes of the widest element
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count) || count > INT64_MAX / 8)
      throw Error("[tensor] shape " + to_string(shape) + " can't be held: its size overflows; a size is too large");
  }
  return count;
}

void Shape::refuse_rank(size_t rank) {
  throw Error("[tensor] a shape has " + std::to_string(rank) + " axes, at most " + std::to_string(kMaxRank) +
              " can be held: merge some of them");
}

}  // namespace adder
