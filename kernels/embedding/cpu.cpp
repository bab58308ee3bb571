// Copies and sums of whole rows: bound by memory, so plain loops. Backward sorts the positions by id, and
// each table row adds up its own in order: no atomics, and the same bits on any number of threads.
#include "kernels/embedding/embedding.h"

#include <cstring>
#include <vector>

#include "kernels/elementwise.h"

namespace kernels::cpu {
namespace {

// Positions grouped by id, in order within a group: group v is order[start[v]] to order[start[v + 1]].
struct ById {
  std::vector<int64_t> start, order;

  ById(const int32_t* ids, int64_t positions, int64_t vocabulary)
      : start(size_t(vocabulary) + 1, 0), order(size_t(positions)) {
    for (int64_t i = 0; i < positions; ++i) ++start[size_t(ids[i]) + 1];
    for (size_t v = 0; v < size_t(vocabulary); ++v) start[v + 1] += start[v];
    std::vector<int64_t> next(start.begin(), start.end() - 1);
    for (int64_t i = 0; i < positions; ++i) order[size_t(next[size_t(ids[i])]++)] = i;
  }
};

}  // namespace

template <class T>
void embedding_fwd(const Embedding<T>& a) {
  const int64_t n = a.w.columns;
  parallel_blocks(a.y.rows, rows_a_block(n), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) std::memcpy(a.y.row(i), a.w.row(a.ids[i]), size_t(n) * sizeof(T));
  });
}

template <class T>
void embedding_bwd(const Embedding<T>& a) {
  if (!a.dw) return;
  const int64_t positions = a.dy.rows, vocabulary = a.w.rows, n = a.w.columns;
  const ById by_id(a.ids, positions, vocabulary);
  // A few table rows a task where much is summed, so that frequent neighbours spread over the threads.
  const int64_t block = positions * n < kRunElements ? vocabulary : 4 + vocabulary / 256;
  parallel_blocks(vocabulary, block, [&](int64_t first, int64_t last) {
    for (int64_t v = first; v < last; ++v)
      for (int64_t k = by_id.start[size_t(v)]; k < by_id.start[size_t(v) + 1]; ++k) {
        const T* dy = a.dy.row(by_id.order[size_t(k)]);
        T* dw = a.dw.row(v);
        for (int64_t d = 0; d < n; ++d) dw[d] += dy[d];
      }
  });
}

template void embedding_fwd(const Embedding<float>&);
template void embedding_fwd(const Embedding<double>&);
template void embedding_bwd(const Embedding<float>&);
template void embedding_bwd(const Embedding<double>&);

}  // namespace kernels::cpu
