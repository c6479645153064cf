#include "runtime/capi/body_offset.h"

namespace shunt::wasmc {
namespace {

constexpr std::size_t preamble_bytes = 8;  // magic and version
constexpr std::uint8_t code_section = 10;

class Cursor {
 public:
  Cursor(std::span<const std::uint8_t> bytes, std::size_t at) : bytes_(bytes), at_(at) {}

  [[nodiscard]] bool at_end() const { return at_ >= bytes_.size(); }
  [[nodiscard]] std::size_t offset() const { return at_; }
  void skip(std::size_t count) { at_ += count; }

  std::uint8_t byte() { return at_end() ? 0 : bytes_[at_++]; }

  std::uint32_t number() {  // LEB128
    std::uint32_t value = 0;
    for (unsigned shift = 0; shift < 32; shift += 7) {
      const std::uint8_t next = byte();
      value |= std::uint32_t{next & 0x7fu} << shift;
      if (next < 0x80) break;
    }
    return value;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_;
};

}  // namespace

std::optional<std::size_t> body_offset(std::span<const std::uint8_t> module, std::uint32_t function) {
  Cursor cursor(module, preamble_bytes);
  while (!cursor.at_end()) {
    const std::uint8_t section = cursor.byte();
    const std::uint32_t size = cursor.number();
    if (section != code_section) {
      cursor.skip(size);
      continue;
    }
    const std::uint32_t count = cursor.number();
    for (std::uint32_t i = 0; i < count && !cursor.at_end(); ++i) {
      const std::uint32_t body_size = cursor.number();
      if (i == function) return cursor.offset();
      cursor.skip(body_size);
    }
    break;
  }
  return std::nullopt;
}

}  // namespace shunt::wasmc
