// Which pieces of code memory were published, each with its own handle: what an address belongs to.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>

namespace shunt::detail {

// Offsets in code memory. Not thread-safe: the engine's commit lock protects it.
class CodePieces {
 public:
  struct Piece {
    std::uint32_t begin = 0;
    std::uint32_t size = 0;  // 0: none
  };

  void add(std::uint32_t begin, std::uint32_t size) { sizes_[begin] = size; }  // may throw std::bad_alloc
  void remove(std::uint32_t begin) noexcept { sizes_.erase(begin); }

  [[nodiscard]] Piece find(std::uint32_t offset) const noexcept {
    const auto after = sizes_.upper_bound(offset);
    if (after == sizes_.begin()) return {};
    const auto& [begin, size] = *std::prev(after);
    return offset - begin < size ? Piece{begin, size} : Piece{};
  }

 private:
  std::map<std::uint32_t, std::uint32_t> sizes_;
};

}  // namespace shunt::detail
