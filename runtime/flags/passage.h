// A part of a document that is read later, as a whole: noticed while the parser passes over it. Its text, and that it
// is neither nested too deep nor has a member twice.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace shunt::flags {

class Passage {
 public:
  // `depth`: how deep objects and arrays may be nested in it; 0: as deep as they like.
  void begin(std::size_t offset, std::size_t depth) {
    begin_ = offset;
    most_ = depth;
    depth_ = 1;
    names_.clear();
    names_.emplace_back();
  }
  // False: too deep.
  bool open() {
    ++depth_;
    if (most_ != 0) names_.emplace_back();
    return most_ == 0 || depth_ <= most_;
  }
  // Whether it was the last one.
  bool close() {
    if (!names_.empty()) names_.pop_back();
    return --depth_ == 0;
  }
  // Of an object in it. False: the object has that member already.
  bool name(const std::string& member) { return most_ == 0 || names_.back().insert(member).second; }

  [[nodiscard]] bool is_open() const { return depth_ != 0; }
  [[nodiscard]] std::string_view text(std::string_view document, std::size_t end) const {
    return document.substr(begin_, end - begin_);
  }

 private:
  std::size_t begin_ = 0, most_ = 0;
  std::size_t depth_ = 0;  // open objects and arrays
  std::vector<std::set<std::string>> names_;
};

}  // namespace shunt::flags
