// The scan of any operator of operators.h, over `batch` sequences of `length` steps of `lines` independent
// recurrences. A problem says what it works on; a line is a channel, or a vector of channels, and steps count
// in the scan's direction:
//   using Op
//   State start(b, line)               the state before step 0
//   Element element(b, line, step)     what a step offers; may be asked for twice
//   void visit(b, line, step, state)   the state after a step, each step once
//   void finish(b, line, state)        the state after the last step
// run_sequential: time is a plain loop over vectors of channels, which stand side by side in a row.
// run_chunked, for channels too few to fill vectors: time is cut into chunks. Each chunk's steps combine into
// one element, a scan over those gives the state that enters each chunk, and the chunks then run side by side.
// The number of channels alone decides between them, never threads or batch: see kChunkedBelow.
// Include it where simd.h may be included.

// Toggled by foreach_target.h: this part is seen once for each target.
#if defined(KERNELS_SCAN_RUN_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_SCAN_RUN_H_
#undef KERNELS_SCAN_RUN_H_
#else
#define KERNELS_SCAN_RUN_H_
#endif

#include <algorithm>
#include <type_traits>

#include "kernels/parallel.h"
#include "kernels/scan/operators.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {

// From 4 channels on, one core's plain loop over partly filled vectors keeps up with two cores' chunks.
constexpr int64_t kChunkedBelow = 4, kChunk = 256;
// A task's vectors of a row, 4 KB: narrower pieces keep the hardware from fetching ahead.
constexpr int64_t kVectors = 64;
// Chunks that one loop advances together, so that they hide one another's latency.
constexpr int64_t kTogether = 8;

template <class Problem>
void run_sequential(int64_t batch, int64_t length, int64_t lines, const Problem& problem) {
  using Op = typename Problem::Op;
  const int64_t groups = (lines + kVectors - 1) / kVectors;
  parallel_blocks(batch * groups, 1, [&](int64_t begin, int64_t end) {
    const Problem p = problem;  // a copy of its own: what is written can't be suspected of changing it
    for (int64_t task = begin; task < end; ++task) {
      const int64_t b = task / groups, first = task % groups * kVectors,
                    count = std::min(kVectors, lines - first);
      typename Op::State state[kVectors];
      for (int64_t c = 0; c < count; ++c) state[c] = p.start(b, first + c);
      for (int64_t i = 0; i < length; ++i)
        for (int64_t c = 0; c < count; ++c) {
          state[c] = Op::apply(p.element(b, first + c, i), state[c]);
          p.visit(b, first + c, i, state[c]);
        }
      for (int64_t c = 0; c < count; ++c) p.finish(b, first + c, state[c]);
    }
  });
}

// A line's chunk: `steps` of it from `first` on. The last chunk of a line may be short.
struct Chain {
  int64_t b, line, first, steps;
};

template <class Problem>
class ChunkedScan {
 public:
  using Op = typename Problem::Op;
  using Element = typename Op::Element;
  using State = typename Op::State;

  ChunkedScan(int64_t batch, int64_t length, int64_t lines, const Problem& p)
      : batch_(batch), length_(length), lines_(lines), chunks_((length + kChunk - 1) / kChunk), problem_(p) {}

  void run() {
    totals_ = scratch<Element>(size_t(batch_ * chunks_ * lines_), 0);
    entering_ = scratch<State>(size_t(batch_ * chunks_ * lines_), 1);
    const int64_t needed = chunks_ - 1;  // nothing needs the last chunk's total
    each_block(needed, [this](const Problem& p, const Chain* c, auto count) { combine_steps<count()>(p, c); });
    parallel_blocks(batch_ * lines_, 1, [this](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) scan_totals(problem_, i / lines_, i % lines_);
    });
    each_block(chunks_, [this](const Problem& p, const Chain* c, auto count) { run_steps<count()>(p, c); });
  }

 private:
  // By sequence, chunk and line, in this order: neighbours lie side by side in memory.
  size_t place(int64_t b, int64_t chunk, int64_t line) const {
    return size_t((b * chunks_ + chunk) * lines_ + line);
  }
  size_t place(const Chain& c) const { return place(c.b, c.first / kChunk, c.line); }

  // f(problem, chains, their number) over the first `chunks` chunks of every line: kTogether at once where all
  // of them are whole, else one.
  template <class F>
  void each_block(int64_t chunks, F f) {
    const int64_t chains = batch_ * chunks * lines_, blocks = (chains + kTogether - 1) / kTogether;
    parallel_blocks(blocks, 4, [&](int64_t begin, int64_t end) {
      const Problem p = problem_;
      for (int64_t block = begin; block < end; ++block) {
        Chain some[kTogether];
        const int64_t from = block * kTogether, count = std::min(kTogether, chains - from);
        bool whole = count == kTogether;
        for (int64_t i = 0; i < count; ++i) {
          const int64_t line = (from + i) % lines_, chunk = (from + i) / lines_ % chunks,
                        b = (from + i) / lines_ / chunks;
          some[i] = {b, line, chunk * kChunk, std::min(kChunk, length_ - chunk * kChunk)};
          whole = whole && some[i].steps == kChunk;
        }
        if (whole) f(p, some, std::integral_constant<int, kTogether>());
        for (int64_t i = 0; !whole && i < count; ++i) f(p, some + i, std::integral_constant<int, 1>());
      }
    });
  }

  template <int n>
  void combine_steps(const Problem& p, const Chain* chains) {
    Element sum[n];
    for (int c = 0; c < n; ++c) sum[c] = Op::identity();
    for (int64_t i = 0; i < chains[0].steps; ++i)
      for (int c = 0; c < n; ++c)
        sum[c] = Op::combine(sum[c], p.element(chains[c].b, chains[c].line, chains[c].first + i));
    for (int c = 0; c < n; ++c) totals_[place(chains[c])] = sum[c];
  }

  void scan_totals(const Problem& p, int64_t b, int64_t line) {
    State state = p.start(b, line);
    for (int64_t chunk = 0; chunk < chunks_; ++chunk) {
      entering_[place(b, chunk, line)] = state;
      if (chunk + 1 == chunks_) break;
      const State before = state;
      state = Op::apply(totals_[place(b, chunk, line)], before);
      if (Op::sound(state)) continue;
      state = before;
      for (int64_t i = chunk * kChunk; i < (chunk + 1) * kChunk; ++i)
        state = Op::apply(p.element(b, line, i), state);
    }
  }

  template <int n>
  void run_steps(const Problem& p, const Chain* chains) {
    State state[n];
    for (int c = 0; c < n; ++c) state[c] = entering_[place(chains[c])];
    for (int64_t i = 0; i < chains[0].steps; ++i)
      for (int c = 0; c < n; ++c) {
        const int64_t step = chains[c].first + i;
        state[c] = Op::apply(p.element(chains[c].b, chains[c].line, step), state[c]);
        p.visit(chains[c].b, chains[c].line, step, state[c]);
      }
    for (int c = 0; c < n; ++c)
      if (chains[c].first + chains[c].steps == length_) p.finish(chains[c].b, chains[c].line, state[c]);
  }

  int64_t batch_, length_, lines_, chunks_;
  const Problem& problem_;
  Element* totals_ = nullptr;
  State* entering_ = nullptr;
};

template <class Problem>
void run_chunked(int64_t batch, int64_t length, int64_t lines, const Problem& problem) {
  ChunkedScan<Problem>(batch, length, lines, problem).run();
}

}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#endif
