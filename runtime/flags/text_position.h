// The line that a parser has reached, for parsers that take characters through iterators and say nothing of where they
// are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string_view>

namespace shunt::flags {

// Where in the text the parser is. The parser copies its iterators, so they share one position.
class Position {
 public:
  explicit Position(std::string_view text) : begin_(text.data()), seen_(begin_), counted_(begin_) {}
  void passed(const char* to) noexcept { seen_ = to; }

  // How many bytes the parser took.
  [[nodiscard]] std::size_t offset() const noexcept { return static_cast<std::size_t>(seen_ - begin_); }

  // The line of the last character that the parser took, from 1.
  unsigned line() noexcept {
    line_ += static_cast<unsigned>(std::count(counted_, seen_, '\n'));
    counted_ = seen_;
    return line_;
  }

 private:
  const char* begin_;
  const char* seen_;
  const char* counted_;  // everything before it is counted in line_
  unsigned line_ = 1;
};

class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, Position& position) : at_(at), position_(&position) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    position_->passed(++at_);
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator old = *this;
    ++*this;
    return old;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  Position* position_;
};

}  // namespace shunt::flags
