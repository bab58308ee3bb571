// Random numbers are most of the work: 32 at a time, each in the low half of a 64-bit lane, whose products leave both halves
// where the next round wants them. What stands in the high halves meanwhile is never read.
#include "kernels/dropout/dropout.h"

#include "kernels/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dropout/cpu.cpp"
#include "hwy/foreach_target.h"
#include "kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace kernels {
namespace HWY_NAMESPACE {
namespace {

using Word = Native<uint64_t>;
constexpr int kWordLanes = kNativeLanes<uint64_t>;
constexpr int kAtOnce = kWordLanes < 4 ? 1 : 4;  // vectors: their rounds do not wait for each other

HWY_INLINE Word product(const Word& x, uint32_t factor) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(Tag<uint64_t>(), uint64_t(uint32_t(hn::GetLane(x))) * factor);
#else
  const Tag<uint32_t> halves;
  return hn::MulEven(hn::BitCast(halves, x), hn::Set(halves, factor));
#endif
}

// Bits of kAtOnce vectors of indices from `first` on: those whose number is at least `dropped`.
template <class T>
HWY_INLINE uint32_t draw(uint64_t first, const Dropout<T>& a) {
  const Tag<uint64_t> d;
  const hn::RebindToSigned<decltype(d)> numbers;
  Word c0[kAtOnce], c1[kAtOnce], c2[kAtOnce], c3[kAtOnce];
  for (int v = 0; v < kAtOnce; ++v) {
    c0[v] = hn::Iota(d, first + uint64_t(v * kWordLanes)), c1[v] = hn::ShiftRight<32>(c0[v]);
    c2[v] = hn::Set(d, a.counter[0]), c3[v] = hn::Set(d, a.counter[1]);
  }
  uint32_t k0 = a.key[0], k1 = a.key[1];
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
    for (int v = 0; v < kAtOnce; ++v) {
      const Word p0 = product(c0[v], 0xD2511F53u), p1 = product(c2[v], 0xCD9E8D57u);
      c0[v] = hn::Xor(hn::ShiftRight<32>(p1), hn::Xor(c1[v], hn::Set(d, k0))), c1[v] = p1;
      c2[v] = hn::Xor(hn::ShiftRight<32>(p0), hn::Xor(c3[v], hn::Set(d, k1))), c3[v] = p0;
    }
  uint32_t bits = 0;
  for (int v = 0; v < kAtOnce; ++v) {
    const auto number = hn::BitCast(numbers, hn::And(c0[v], hn::Set(d, 0xffffffffu)));
    uint8_t some[8] = {};
    hn::StoreMaskBits(numbers, hn::Gt(number, hn::Set(numbers, int64_t(a.dropped) - 1)), some);
    bits |= uint32_t(some[0]) << (v * kWordLanes);
  }
  return bits;
}

template <class T>
void draw_all(const Dropout<T>& a) {
  parallel_blocks(dropout_words(a.x.rows * a.x.columns), 512, [&](int64_t begin, int64_t end) {
    for (int64_t w = begin; w < end; ++w) {
      uint32_t word = 0;
      for (int i = 0; i < 32; i += kAtOnce * kWordLanes) word |= draw(uint64_t(32 * w + i), a) << i;
      a.kept[w] = int32_t(word);
    }
  });
}

// x where the bits are set, from the lowest; else 0
template <class T>
HWY_INLINE Vec<T> if_kept(const Vec<T>& x, uint64_t bits) {
  Vec<T> r;
  for (int i = 0; i < Vec<T>::kParts; ++i) {
    const uint64_t some = bits >> (i * kNativeLanes<T>);
    uint8_t bytes[8];
    std::memcpy(bytes, &some, 8);
    r.part[i] = hn::IfThenElseZero(hn::LoadMaskBits(Tag<T>(), bytes), x.part[i]);
  }
  return r;
}

// f(y, what remains of x, elements) for each vector
template <class T, class F>
void each(const Dropout<T>& a, F f) {
  for_each_run(a.x.rows, a.x.columns, a.x.dense() && a.y.dense(), [&](int64_t row, int64_t first, int64_t n) {
    const T* x = a.x.row(row) + first;
    T* y = a.y.row(row) + first;
    for (int64_t j = 0, at = row * a.x.columns + first; j < n; j += kLanes<T>, at += kLanes<T>) {
      const int32_t* word = a.kept + at / 32;
      const uint64_t bits = (uint64_t(uint32_t(word[1])) << 32 | uint32_t(word[0])) >> (at % 32);
      f(y + j, if_kept(set(a.scale) * load(x + j, n - j), bits), n - j);
    }
  });
}

template <class T>
void forward(const Dropout<T>& a) {
  draw_all(a);
  each(a, [](T* y, const Vec<T>& left, int64_t n) { store(y, left, n); });
}

template <class T>
void backward(const Dropout<T>& a) {
  if (!a.y) return;
  each(a, [](T* dx, const Vec<T>& left, int64_t n) { store(dx, load(dx, n) + left, n); });
}

}  // namespace
SIMD_KERNEL(dropout_fwd, Dropout, forward)
SIMD_KERNEL(dropout_bwd, Dropout, backward)
}  // namespace HWY_NAMESPACE
}  // namespace kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kernels {
SIMD_DISPATCH(dropout_fwd, Dropout)
SIMD_DISPATCH(dropout_bwd, Dropout)
}  // namespace kernels
#endif
