#include "tests/fuzz/replay/mutator.h"

#include <algorithm>
#include <fstream>

namespace shunt::fuzz {
namespace {

constexpr std::size_t longest_piece = 32;
constexpr std::uint8_t edges[] = {0x00, 0x01, 0x40, 0x7f, 0x80, 0xfe, 0xff};  // also of LEB128 numbers

Input unquote(const std::string& text) {
  Input bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
      if (text[i] == 'x' && i + 2 < text.size()) {
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i + 1, 2), nullptr, 16)));
        i += 2;
        continue;
      }
    }
    bytes.push_back(static_cast<std::uint8_t>(text[i]));
  }
  return bytes;
}

std::ptrdiff_t place(std::size_t at) {
  return static_cast<std::ptrdiff_t>(at);
}

}  // namespace

std::vector<Input> read_dictionary(const std::string& path) {
  std::vector<Input> words;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t begin = line.find('"'), end = line.rfind('"');
    if (line.starts_with('#') || begin == end) continue;
    words.push_back(unquote(line.substr(begin + 1, end - begin - 1)));
  }
  return words;
}

Mutator::Mutator(const std::vector<Input>& inputs, const std::vector<Input>& words, std::uint64_t seed)
    : inputs_(inputs), words_(words), random_(seed) {}

Input Mutator::next(std::size_t most_bytes) {
  Input input = inputs_[below(inputs_.size())];
  for (std::size_t changes = 1 + below(6); changes != 0; --changes) change(input);
  if (input.size() > most_bytes) input.resize(most_bytes);
  return input;
}

void Mutator::insert(Input& input, std::size_t at, const Input& what) {
  input.insert(input.begin() + place(at), what.begin(), what.end());
}

void Mutator::change(Input& input) {
  const std::size_t at = below(input.size());
  const std::size_t length = std::min(1 + below(longest_piece), input.size() - at);
  switch (below(input.empty() ? 2 : 9)) {
    case 0:
      insert(input, at, {static_cast<std::uint8_t>(random_())});
      return;
    case 1:
      if (!words_.empty()) insert(input, at, words_[below(words_.size())]);
      return;
    case 2:
      input[at] = static_cast<std::uint8_t>(random_());
      return;
    case 3:
      input[at] = static_cast<std::uint8_t>(input[at] ^ (1U << below(8)));
      return;
    case 4:
      input[at] = edges[below(std::size(edges))];
      return;
    case 5:
      input.erase(input.begin() + place(at), input.begin() + place(at + length));
      return;
    case 6:
      insert(input, below(input.size()), Input(input.begin() + place(at), input.begin() + place(at + length)));
      return;
    case 7: {  // goes on as another input
      const Input& other = inputs_[below(inputs_.size())];
      const std::size_t from = below(other.size());
      input.resize(at);
      input.insert(input.end(), other.begin() + place(from), other.end());
      return;
    }
    default:
      input[at] = static_cast<std::uint8_t>(input[at] + below(2) * 2 - 1);
  }
}

}  // namespace shunt::fuzz
