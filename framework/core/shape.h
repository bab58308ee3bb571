// The sizes of a tensor's axes, or its strides. They are held in place: a tensor is made without asking for memory for them.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <vector>

namespace adder {

class Shape {
 public:
  static constexpr size_t kMaxRank = 8;
  using value_type = int64_t;
  using iterator = int64_t*;
  using const_iterator = const int64_t*;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) : Shape(sizes.begin(), sizes.end()) {}
  Shape(const std::vector<int64_t>& sizes) : Shape(sizes.begin(), sizes.end()) {}  // NOLINT: a list of sizes is a shape
  Shape(size_t rank, int64_t size) { assign(rank, size); }
  template <class Iterator, class = std::enable_if_t<!std::is_integral_v<Iterator>>>
  Shape(Iterator first, Iterator last) {
    for (; first != last; ++first) push_back(int64_t(*first));
  }

  size_t size() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  int64_t& operator[](size_t axis) { return sizes_[axis]; }
  int64_t operator[](size_t axis) const { return sizes_[axis]; }
  int64_t& back() { return sizes_[rank_ - 1u]; }
  int64_t back() const { return sizes_[rank_ - 1u]; }
  iterator begin() { return sizes_.data(); }
  iterator end() { return sizes_.data() + rank_; }
  const_iterator begin() const { return sizes_.data(); }
  const_iterator end() const { return sizes_.data() + rank_; }

  // Error: more than kMaxRank axes.
  void push_back(int64_t size) {
    if (rank_ == kMaxRank) refuse_rank(rank_ + 1);
    sizes_[rank_++] = size;
  }
  void assign(size_t rank, int64_t size) {
    if (rank > kMaxRank) refuse_rank(rank);
    rank_ = rank;
    std::fill(begin(), end(), size);
  }

  std::vector<int64_t> to_vector() const { return {begin(), end()}; }
  friend bool operator==(const Shape& a, const Shape& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

 private:
  [[noreturn]] static void refuse_rank(size_t rank);

  std::array<int64_t, kMaxRank> sizes_{};
  size_t rank_ = 0;
};

std::string to_string(const Shape& shape);  // "[2, 7, 5]"
int64_t element_count(const Shape& shape);

}  // namespace adder
