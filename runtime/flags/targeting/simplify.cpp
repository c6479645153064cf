// What a rule decides for every context: found from the leaves up, by evaluating parts that read no data.
#include <algorithm>

#include "runtime/flags/targeting/rule.h"

namespace shunt::flags::targeting {
namespace {

bool is_literal(const Node& node) {
  return node.op == Op::Literal;
}

void become(Node& node, Json value) {
  node = Node{.op = Op::Literal, .literal = std::move(value), .operands = {}};
}
void become(Node& node, Node&& other) {
  Node taken = std::move(other);
  node = std::move(taken);
}

bool reads_data(const Node& node) {
  if (node.op == Op::Var || node.op == Op::Missing || node.op == Op::MissingSome) return true;
  if (node.op != Op::Fractional) return false;
  // With a text of its own it does not ask for the targeting key.
  return node.operands.empty() || !is_literal(node.operands[0]) || !node.operands[0].literal.is_string();
}

// Whether all that is evaluated with the data of the node itself is known.
bool is_known(const Node& node) {
  if (reads_data(node)) return false;
  for (std::size_t i = 0; i < node.operands.size(); ++i) {
    // What is evaluated for each element reads nothing else; an operand that is no literal is data of that scope.
    if (is_scoped(node.op) && i == 1) continue;
    if (!is_literal(node.operands[i])) return false;
  }
  return true;
}

// Conditions that are known go, and with them what they exclude; without any left, the rest is the value.
void simplify_if(Node& node) {
  std::vector<Node> kept;
  std::size_t i = 0;
  for (; i + 1 < node.operands.size(); i += 2) {
    Node& condition = node.operands[i];
    if (!is_literal(condition)) {
      kept.push_back(std::move(condition));
      kept.push_back(std::move(node.operands[i + 1]));
    } else if (truthy(condition.literal)) {
      i += 1;  // this is the rest
      break;
    }
  }
  Node rest;  // null
  if (i < node.operands.size()) rest = std::move(node.operands[i]);
  const auto same = [&](std::size_t at) {
    return is_literal(kept[at]) && strictly_equal(kept[at].literal, rest.literal);
  };
  while (!kept.empty() && is_literal(rest) && same(kept.size() - 1)) kept.resize(kept.size() - 2);
  if (kept.empty()) return become(node, std::move(rest));
  kept.push_back(std::move(rest));
  node.operands = std::move(kept);
}

// Operands in front that do not decide go; one that does ends it.
void simplify_and_or(Node& node) {
  const bool deciding = node.op == Op::Or;
  auto& operands = node.operands;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (is_literal(operands[i]) && truthy(operands[i].literal) == deciding) {
      operands.resize(i + 1);
      break;
    }
  }
  const auto decides_nothing = [&](const Node& operand) { return &operand != &operands.back() && is_literal(operand); };
  while (!operands.empty() && decides_nothing(operands.front())) operands.erase(operands.begin());
  if (operands.size() == 1) return become(node, std::move(operands.front()));
  if (operands.empty()) become(node, Json(nullptr));
}

}  // namespace

void simplify(Node& node, std::uint64_t& steps) {
  for (Node& operand : node.operands) simplify(operand, steps);
  switch (node.op) {
    case Op::Literal:
      return;
    case Op::If:
      return simplify_if(node);
    case Op::And:
    case Op::Or:
      return simplify_and_or(node);
    default:
      break;
  }
  if (!is_known(node)) return;
  const std::uint64_t given = std::min(steps, max_steps);
  std::uint64_t left = given;
  if (Result<Json> value = evaluate(node, Json(nullptr), left)) become(node, std::move(*value));
  steps -= given - left;
}

}  // namespace shunt::flags::targeting
