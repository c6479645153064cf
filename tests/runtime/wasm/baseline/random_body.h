// A function body made at random.
#pragma once

#include <wabt/opcode.h>

#include <cstdint>
#include <span>
#include <vector>

#include "tests/runtime/wasm/baseline/random_choices.h"
#include "tests/runtime/wasm/baseline/random_module.h"
#include "tests/runtime/wasm/module/module_bytes.h"

namespace shunt::test {

// What bodies refer to.
struct RandomContext {
  std::vector<wasm::FunctionType> types;  // functions' types first, then block types
  std::uint32_t functions = 0;
  std::vector<wasm::ValueType> globals;  // the first is the step counter: an i32
  std::uint32_t table_functions = 0;     // elements of table 0: the last functions, which call nobody
  std::uint32_t first_callable = 0;      // functions before it are not called: callers come first
  std::uint32_t flags = 0;               // functions that read them have the first numbers
  std::uint32_t flag_type = 0;
};

std::uint8_t encoding_of(wasm::ValueType type);

class RandomBody {
 public:
  RandomBody(Choices& random, const RandomModuleOptions& options, RandomContext& context,
             const wasm::FunctionType& type);
  // The body's bytes: local declarations and code.
  Bytes make();

 private:
  using ValueType = wasm::ValueType;
  struct Label {
    std::vector<ValueType> types;  // that a branch to it takes
    bool is_loop;
    std::uint32_t counter;  // of a loop: the local that counts down
  };

  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }
  bool chance(unsigned percent) { return below(100) < percent; }
  void op(wabt::Opcode::Enum opcode);
  void op(wabt::Opcode::Enum opcode, std::uint64_t immediate);
  void constant(ValueType type, std::uint64_t bits);
  ValueType any_type();
  std::uint32_t block_type(std::vector<ValueType> params, std::vector<ValueType> results);

  void values(std::span<const ValueType> types, unsigned depth);
  void value(ValueType type, unsigned depth);
  void leaf(ValueType type);
  void random_constant(ValueType type);
  void arithmetic(ValueType type, unsigned depth);
  void canonical_nan(ValueType type);
  void load(ValueType type, unsigned depth);
  void address(unsigned depth);
  void tight_address();
  void choice(ValueType type, unsigned depth);
  void block_value(ValueType type, unsigned depth);
  bool call_for(ValueType type, unsigned depth);
  void statement(unsigned depth);
  void statements(unsigned depth);
  void store(unsigned depth);
  void assignment(unsigned depth);
  void block(std::span<const ValueType> results, unsigned depth);
  void loop(unsigned depth);
  std::uint32_t begin_count(unsigned times);
  void count_down(std::uint32_t counter);
  void tight_loop();
  void tight_statement();
  void flag();
  void branch(unsigned depth);
  void branch_table(unsigned depth);
  void branch_operand(const Label& label, unsigned depth);
  void step();
  void memory_operation(unsigned depth);
  void memory_init(unsigned depth);
  void table_write();
  void table_range();
  void table_reference();

  Choices& random_;
  const RandomModuleOptions& options_;
  RandomContext& context_;
  const wasm::FunctionType& type_;
  std::vector<ValueType> locals_;
  std::uint32_t assignable_ = 0;  // locals before it; the others count loops
  std::vector<Label> labels_;
  std::uint32_t loops_ = 0;
  bool is_tight_ = false;  // in a loop without calls, blocks and steps, whose addresses depend on its counter
  int fuel_ = 0;
  Bytes code_;
};

}  // namespace shunt::test
