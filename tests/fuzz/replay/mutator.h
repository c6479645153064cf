// Changes inputs at random, for fuzz targets without libFuzzer.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace shunt::fuzz {

using Input = std::vector<std::uint8_t>;

// The entries of a dictionary file in libFuzzer's format: lines `"text"` or `name="text"`, with \xNN, \\ and \".
std::vector<Input> read_dictionary(const std::string& path);

class Mutator {
 public:
  // `inputs` (at least one) and `words` must outlive it. The same seed gives the same mutants.
  Mutator(const std::vector<Input>& inputs, const std::vector<Input>& words, std::uint64_t seed);

  // One of the inputs with one to six changes, at most `most_bytes` long.
  Input next(std::size_t most_bytes);

 private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }
  void change(Input& input);
  void insert(Input& input, std::size_t at, const Input& what);

  const std::vector<Input>& inputs_;
  const std::vector<Input>& words_;
  std::mt19937_64 random_;
};

}  // namespace shunt::fuzz
