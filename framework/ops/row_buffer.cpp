#include "framework/ops/row_buffer.h"

#include <algorithm>

#include "framework/core/shapes.h"

namespace adder::ops {
namespace {

Tensor rows_of(const Tensor& x, int64_t b, int64_t first, int64_t count) {
  return x.narrow(0, b, 1).narrow(1, first, count);
}

int64_t at(const Tensor& counts, int64_t b) { return counts.data<int32_t>()[b]; }

void check_rows(const Shapes& check, const char* what, int64_t b, int64_t found, int64_t most) {
  if (found < 0 || found > most)
    check.fail(std::string(what) + "[" + std::to_string(b) + "] is " + std::to_string(found) + ", expected 0 to " +
               std::to_string(most));
}

}  // namespace

Var append_rows(Var buffer, const Tensor& counts, const Var& x) {
  const Shapes check{"append_rows"};
  const auto [batch, capacity, n] = check("buffer", buffer, {"batch", "capacity", "n"});
  const int64_t length = check("x", x, {batch, "length", n})[1];
  check("counts", counts, {batch});
  if (buffer.dtype() != DType::bf16 || x.dtype() != DType::bf16) check.one_dtype({&buffer, &x});
  int64_t needed = 0;
  for (int64_t b = 0; b < batch; ++b) {
    check_rows(check, "counts", b, at(counts, b), capacity);
    needed = std::max(needed, at(counts, b) + length);
  }
  const bool recorded = recording({buffer, x}), alone = !buffer.value().shares_storage();
  Tensor y = buffer.value();
  if (recorded || !alone || needed > capacity || !y.contiguous()) {
    const int64_t grown = needed > capacity ? std::max(needed, recorded ? needed : 2 * capacity) : capacity;
    y = Tensor::zeros({batch, grown, n}, x.dtype(), x.device());
    for (int64_t b = 0; b < batch; ++b)
      if (at(counts, b) > 0) rows_of(y, b, 0, at(counts, b)).copy_from(rows_of(buffer.value(), b, 0, at(counts, b)));
  }
  for (int64_t b = 0; b < batch; ++b) rows_of(y, b, at(counts, b), length).copy_from(x.value().narrow(0, b, 1));
  return record("append_rows", y, {buffer, x}, [counts, length, batch = batch](const Adjoints& g) {
    const Tensor dy = g.out(0), dbuffer = g.in(0), dx = g.in(1);
    for (int64_t b = 0; b < batch; ++b) {
      const int64_t count = at(counts, b);
      if (dbuffer.defined() && count > 0) rows_of(dbuffer, b, 0, count).add(rows_of(dy, b, 0, count));
      if (dx.defined()) dx.narrow(0, b, 1).add(rows_of(dy, b, count, length));
    }
  });
}

Var take_rows(const Var& x, const Tensor& starts, const Tensor& counts) {
  const Shapes check{"take_rows"};
  const auto [batch, length, n] = check("x", x, {"batch", "length", "n"});
  check("starts", starts, {batch});
  check("counts", counts, {batch});
  int64_t most = 1;
  for (int64_t b = 0; b < batch; ++b) {
    check_rows(check, "starts", b, at(starts, b), length);
    check_rows(check, "counts", b, at(counts, b), length - at(starts, b));
    most = std::max(most, at(counts, b));
  }
  const Tensor y = Tensor::zeros({batch, most, n}, x.dtype(), x.device());
  for (int64_t b = 0; b < batch; ++b)
    if (at(counts, b) > 0)
      rows_of(y, b, 0, at(counts, b)).copy_from(rows_of(x.value(), b, at(starts, b), at(counts, b)));
  return record("take_rows", y, {x}, [starts, counts, batch = batch](const Adjoints& g) {
    const Tensor dy = g.out(0), dx = g.in(0);
    for (int64_t b = 0; b < batch; ++b)
      if (at(counts, b) > 0) rows_of(dx, b, at(starts, b), at(counts, b)).add(rows_of(dy, b, 0, at(counts, b)));
  });
}

}  // namespace adder::ops
