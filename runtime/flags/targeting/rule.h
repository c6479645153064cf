// A targeting rule: JsonLogic with flagd's operations, read once when definitions are loaded and evaluated for each
// context.
//
// Evaluation never fails for what a context holds: JsonLogic gives null or false then. It fails only when it takes more
// than `max_steps`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/flags/targeting/values.h"
#include "shunt/error.h"

namespace shunt::flags::targeting {

inline constexpr std::size_t max_depth = 64;         // of a rule, with what it refers to
inline constexpr std::size_t max_nodes = 10'000;     // of a rule, likewise
inline constexpr std::uint64_t max_steps = 200'000;  // of an evaluation: operations, and values that are copied

enum class Op : std::uint8_t {
  Literal,
  Array,  // no operations
  Var,
  Missing,
  MissingSome,
  If,
  And,
  Or,
  Not,
  NotNot,
  Equal,
  StrictEqual,
  NotEqual,
  StrictNotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  Max,
  Min,
  Add,
  Subtract,
  Multiply,
  Divide,
  Modulo,
  Map,
  Filter,
  Reduce,
  All,
  None,
  Some,
  Merge,
  In,
  Cat,
  Substr,
  Log,
  Fractional,
  StartsWith,
  EndsWith,
  SemVer,
};

// What the rules of one document may use together, so that reading it is bounded.
struct Allowance {
  std::size_t nodes = 1'000'000;
  std::uint64_t steps = 2'000'000;  // to simplify; without any left, rules stay as they are
};

struct Node {
  Op op = Op::Literal;
  Json literal;                // of a Literal
  std::vector<Node> operands;  // of the others
};

// Immutable, so thread-safe.
class Rule {
 public:
  // What a rule may refer to by {"$ref": name}.
  using Evaluators = std::map<std::string, Json, std::less<>>;

  // Reads a rule of the flag `flag_key`, and simplifies what it decides for every context. Errors: BadFlags,
  // "targeting.if[0]: what: remedy": an operation that there is not, a reference to nothing or in a circle, more than
  // max_depth or max_nodes.
  static Result<Rule> compile(const Json& text, const Evaluators& evaluators, std::string_view flag_key,
                              Allowance& allowance);

  // The rule's value for `data`: a context's object, with "$flagd". Errors: BadFlags if it takes more than max_steps.
  // Thread-safe; does not block.
  [[nodiscard]] Result<Json> evaluate(const Json& data) const;

  // All values that it can have, if they are few and known beforehand; one: the rule decides alone.
  [[nodiscard]] std::optional<std::vector<Json>> possible_values() const;
  // Whether its value may depend on $flagd.timestamp.
  [[nodiscard]] bool uses_time() const noexcept { return uses_time_; }

 private:
  Node root_;
  bool uses_time_ = false;
};

// --- parts ---

// The operation of that name; empty if there is none.
[[nodiscard]] std::optional<Op> operation(std::string_view name);
// Whether its second operand is evaluated for each element of the first.
[[nodiscard]] bool is_scoped(Op op);
// Replaces what does not depend on a context by its value, from the leaves up.
void simplify(Node& node, std::uint64_t& steps);
// As Rule::evaluate(), of a part, in at most so many steps; takes away those that it took.
[[nodiscard]] Result<Json> evaluate(const Node& node, const Json& data, std::uint64_t& steps);

}  // namespace shunt::flags::targeting
