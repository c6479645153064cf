// A few elements on the stack, many on the heap: for arguments and results, of which there are mostly few.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace shunt::wasm {

template <class T, std::size_t few>
class InlineBuffer {
 public:
  explicit InlineBuffer(std::size_t size) : size_(size) {
    if (size > few) many_.resize(size);
  }
  InlineBuffer(const InlineBuffer&) = delete;
  InlineBuffer& operator=(const InlineBuffer&) = delete;

  [[nodiscard]] std::span<T> all() { return {many_.empty() ? few_.data() : many_.data(), size_}; }

 private:
  std::size_t size_;
  std::array<T, few> few_{};
  std::vector<T> many_;
};

}  // namespace shunt::wasm
