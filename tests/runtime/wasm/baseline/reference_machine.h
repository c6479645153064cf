// What the official interpreter makes of a module: the reference for compiled code.
//
// Plain C++17, apart from the project's headers: those of the interpreter are no C++20.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace shunt::test {

// One instance. Values are 64-bit words; i32 and f32 zero-extended.
class ReferenceMachine {
 public:
  enum class Type : std::uint8_t { I32, I64, F32, F64 };
  using Words = std::vector<std::uint64_t>;

  // Null if the module is not valid or does not start: `message` says why.
  static std::unique_ptr<ReferenceMachine> create(const std::vector<std::uint8_t>& module, std::string& message);
  ~ReferenceMachine();

  // The results, or nothing if the guest trapped.
  std::optional<Words> call(std::uint32_t function, const std::vector<Type>& params, const std::vector<Type>& results,
                            const Words& arguments);
  std::uint64_t global(std::uint32_t index) const;
  void set_global(std::uint32_t index, std::uint32_t value);  // an i32
  std::pair<const std::uint8_t*, std::size_t> memory() const;

 private:
  struct State;
  explicit ReferenceMachine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace shunt::test
