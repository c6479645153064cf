// Modules byte by byte, for tests of what no text can say.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace shunt::test {

class Bytes {
 public:
  Bytes() = default;
  Bytes(std::initializer_list<int> bytes) {
    for (const int byte : bytes) data_.push_back(static_cast<std::uint8_t>(byte));
  }

  // Unsigned LEB128.
  Bytes& number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) data_.push_back(static_cast<std::uint8_t>(value | 0x80));
    data_.push_back(static_cast<std::uint8_t>(value));
    return *this;
  }
  Bytes& add(const Bytes& other) {
    data_.insert(data_.end(), other.data_.begin(), other.data_.end());
    return *this;
  }
  Bytes& repeat(std::size_t count, const Bytes& other) {
    for (std::size_t i = 0; i < count; ++i) add(other);
    return *this;
  }
  // Its length, then its bytes.
  Bytes& name(std::string_view text) {
    number(text.size());
    data_.insert(data_.end(), text.begin(), text.end());
    return *this;
  }
  // A length, then what is behind it.
  Bytes& sized(const Bytes& content) { return number(content.data_.size()).add(content); }
  Bytes& section(int id, const Bytes& content) {
    data_.push_back(static_cast<std::uint8_t>(id));
    return sized(content);
  }

  [[nodiscard]] const std::vector<std::uint8_t>& get() const { return data_; }
  [[nodiscard]] std::size_t size() const { return data_.size(); }

 private:
  std::vector<std::uint8_t> data_;
};

inline Bytes header() {
  return {0x00, 'a', 's', 'm', 1, 0, 0, 0};
}

// A module of one function without parameters or results: `body` is its local declarations and its code.
inline Bytes one_function(const Bytes& body) {
  return header().section(1, {1, 0x60, 0, 0}).section(3, {1, 0}).section(10, Bytes{1}.sized(body));
}

}  // namespace shunt::test
