// From JSON to a Rule.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/flags/definition.h"
#include "runtime/flags/targeting/rule.h"

namespace shunt::flags::targeting {
namespace {

constexpr std::pair<std::string_view, Op> names[] = {
    {"var", Op::Var},
    {"missing", Op::Missing},
    {"missing_some", Op::MissingSome},
    {"if", Op::If},
    {"?:", Op::If},
    {"and", Op::And},
    {"or", Op::Or},
    {"!", Op::Not},
    {"!!", Op::NotNot},
    {"==", Op::Equal},
    {"===", Op::StrictEqual},
    {"!=", Op::NotEqual},
    {"!==", Op::StrictNotEqual},
    {"<", Op::Less},
    {"<=", Op::LessEqual},
    {">", Op::Greater},
    {">=", Op::GreaterEqual},
    {"max", Op::Max},
    {"min", Op::Min},
    {"+", Op::Add},
    {"-", Op::Subtract},
    {"*", Op::Multiply},
    {"/", Op::Divide},
    {"%", Op::Modulo},
    {"map", Op::Map},
    {"filter", Op::Filter},
    {"reduce", Op::Reduce},
    {"all", Op::All},
    {"none", Op::None},
    {"some", Op::Some},
    {"merge", Op::Merge},
    {"in", Op::In},
    {"cat", Op::Cat},
    {"substr", Op::Substr},
    {"log", Op::Log},
    {"fractional", Op::Fractional},
    {"starts_with", Op::StartsWith},
    {"ends_with", Op::EndsWith},
    {"sem_ver", Op::SemVer},
};

class Compiler {
 public:
  Compiler(const Rule::Evaluators& evaluators, std::string_view flag_key, Allowance& allowance)
      : evaluators_(evaluators), flag_key_(flag_key), allowance_(allowance) {}

  // `scoped`: inside the second operand of map and the like, where data is one element.
  Status node(const Json& text, Node& out, const std::string& path, std::size_t depth, bool scoped) {
    if (depth > max_depth) return refuse(path, fmt::format("it is nested deeper than {}: make it flatter", max_depth));
    if (Status counted = count(1, path); !counted) return counted;
    if (text.is_array()) {
      out.op = Op::Array;
      return operands(text, out, path, depth, scoped);
    }
    if (!text.is_object() || text.size() != 1) {
      out.literal = text;
      return count(weight(text), path);
    }
    const auto member = text.begin();
    const std::string& name = member.key();
    const Json& value = member.value();
    if (name == "$ref") return reference(value, out, path, depth, scoped);
    const auto op = operation(name);
    const std::string here = fmt::format("{}.{}", path, shown(name));
    if (!op) {
      return refuse(here, fmt::format("there is no operation {}: correct its name", in_quotes(name)));
    }
    out.op = *op;
    const Json one = Json::array({value});
    if (Status done = operands(value.is_array() ? value : one, out, here, depth, scoped); !done) return done;
    if (out.op == Op::Var) look_at_variable(out, scoped);
    return Ok{};
  }

  [[nodiscard]] bool uses_time() const { return uses_time_; }

 private:
  Status count(std::size_t parts, const std::string& path) {
    nodes_ += parts;
    if (nodes_ > max_nodes) {
      return refuse(path, fmt::format("the rule has more than {} parts: make it smaller", max_nodes));
    }
    if (parts > allowance_.nodes) return refuse(path, "all rules together have too many parts: make them smaller");
    allowance_.nodes -= parts;
    return Ok{};
  }

  Status operands(const Json& values, Node& out, const std::string& path, std::size_t depth, bool scoped) {
    out.operands.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const bool inner = scoped || (is_scoped(out.op) && i == 1);
      const std::string place = fmt::format("{}[{}]", path, i);
      if (Status done = node(values[i], out.operands[i], place, depth + 1, inner); !done) return done;
    }
    return Ok{};
  }

  Status reference(const Json& name, Node& out, const std::string& path, std::size_t depth, bool scoped) {
    const std::string here = path + ".$ref";
    if (!name.is_string()) return refuse(here, "it is not a string: write the name of one of $evaluators");
    const auto evaluator = evaluators_.find(name.get_ref<const std::string&>());
    if (evaluator == evaluators_.end()) {
      return refuse(here, fmt::format("there is no evaluator {}: add it to $evaluators",
                                      in_quotes(name.get_ref<const std::string&>())));
    }
    if (std::ranges::find(open_, evaluator->first) != open_.end()) {
      return refuse(here, fmt::format("evaluator {} refers to itself: break the circle", in_quotes(evaluator->first)));
    }
    open_.push_back(evaluator->first);
    Status done = node(evaluator->second, out, fmt::format("{}({})", here, shown(evaluator->first)), depth + 1, scoped);
    open_.pop_back();
    return done;
  }

  // Replaces $flagd.flagKey, which is known; notes what may read the time.
  void look_at_variable(Node& out, bool scoped) {
    if (scoped) return;
    const bool is_known = !out.operands.empty() && out.operands[0].op == Op::Literal;
    const std::string path = is_known ? joined_text(out.operands[0].literal) : std::string();
    if (is_known && path == "$flagd.flagKey") {
      out = Node{.op = Op::Literal, .literal = std::string(flag_key_), .operands = {}};
    } else if (path.empty() || path == "$flagd" || path == "$flagd.timestamp") {
      uses_time_ = true;  // an empty path, or one that is computed, may be all of it
    }
  }

  static std::string shown(std::string_view name) {
    const std::string quoted = in_quotes(name);
    return quoted.substr(1, quoted.size() - 2);
  }
  static Error refuse(const std::string& path, std::string_view what) {
    return make_error(ErrorCode::BadFlags, fmt::format("{}: {}", path, what));
  }

  const Rule::Evaluators& evaluators_;
  std::string_view flag_key_;
  Allowance& allowance_;
  std::size_t nodes_ = 0;
  std::vector<std::string> open_;  // evaluators that are being read
  bool uses_time_ = false;
};

constexpr std::size_t most_values = 64;

// Adds what the node can be to `values`; false: not known, or too many.
bool gather(const Node& node, std::vector<Json>& values) {
  const auto add = [&](const Json& value) {
    if (std::ranges::find(values, value) == values.end()) values.push_back(value);
    return values.size() <= most_values;
  };
  switch (node.op) {
    case Op::Literal:
      return add(node.literal);
    case Op::If: {
      bool known = true;
      for (std::size_t i = 1; i < node.operands.size(); i += 2) known = known && gather(node.operands[i], values);
      if (node.operands.size() % 2 == 0) return known && add(nullptr);
      return known && gather(node.operands.back(), values);
    }
    case Op::Fractional:
      for (const Node& operand : node.operands) {
        const bool is_bucket = operand.op == Op::Literal ? operand.literal.is_array() : operand.op == Op::Array;
        if (!is_bucket) continue;
        if (operand.op == Op::Array && (operand.operands.empty() || !gather(operand.operands[0], values))) return false;
        if (operand.op == Op::Literal && (operand.literal.empty() || !add(operand.literal[0]))) return false;
      }
      return add(nullptr);
    default:
      return false;
  }
}

}  // namespace

std::optional<Op> operation(std::string_view name) {
  const auto* const it = std::ranges::find(names, name, &std::pair<std::string_view, Op>::first);
  return it == std::end(names) ? std::nullopt : std::optional(it->second);
}

bool is_scoped(Op op) {
  return op >= Op::Map && op <= Op::Some;
}

Result<Rule> Rule::compile(const Json& text, const Evaluators& evaluators, std::string_view flag_key,
                           Allowance& allowance) {
  Rule rule;
  Compiler compiler(evaluators, flag_key, allowance);
  if (Status done = compiler.node(text, rule.root_, "targeting", 0, false); !done) return done.error();
  simplify(rule.root_, allowance.steps);
  rule.uses_time_ = compiler.uses_time() && rule.root_.op != Op::Literal;
  return rule;
}

Result<Json> Rule::evaluate(const Json& data) const {
  std::uint64_t steps = max_steps;
  return targeting::evaluate(root_, data, steps);
}

std::optional<std::vector<Json>> Rule::possible_values() const {
  std::vector<Json> values;
  if (!gather(root_, values)) return {};
  return values;
}

}  // namespace shunt::flags::targeting
