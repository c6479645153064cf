#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "runtime/flags/targeting/fractional.h"
#include "runtime/flags/targeting/rule.h"
#include "runtime/flags/targeting/sem_ver.h"

namespace shunt::flags::targeting {
namespace {

// Thrown within evaluate() alone.
struct TooMuch {};

// A value of its own, or one that lies in a rule or in data, which outlives it.
class Value {
 public:
  Value(Json own) : own_(std::move(own)) {}  // NOLINT(google-explicit-constructor): operations return JSON
  static Value in(const Json& place) {
    Value value{Json()};
    value.place_ = &place;
    return value;
  }
  [[nodiscard]] const Json& get() const { return place_ != nullptr ? *place_ : own_; }
  [[nodiscard]] bool is_own() const { return place_ == nullptr; }
  [[nodiscard]] Json take() && {
    if (place_ != nullptr) return *place_;
    return std::move(own_);
  }

 private:
  Json own_;
  const Json* place_ = nullptr;
};

class Evaluator {
 public:
  explicit Evaluator(std::uint64_t& steps) : left_(steps) {}

  Value value(const Node& node, const Json& data);

  // Takes the value, or a copy of it.
  Json own(Value value) {
    if (!value.is_own()) charge(weight(value.get()));
    return std::move(value).take();
  }

 private:
  using Arguments = std::vector<Json>;

  void charge(std::uint64_t steps) {
    if (steps > left_) {
      left_ = 0;
      throw TooMuch{};
    }
    left_ -= steps;
  }
  Arguments arguments(const Node& node, const Json& data) {
    Arguments out;
    out.reserve(node.operands.size());
    for (const Node& operand : node.operands) out.push_back(own(value(operand, data)));
    return out;
  }

  Value condition(const Node& node, const Json& data);
  Value and_or(const Node& node, const Json& data);
  Value variable(const Node& node, const Json& data);
  Value scoped(const Node& node, const Json& data);
  Value quantified(const Node& node, const Json& elements);
  Value reduce(const Node& node, const Json& elements, const Json& data);
  Json operation(const Node& node, const Json& data);
  Json text_operation(Op op, Arguments& all);
  Json missing(const Json& keys, const Json& data);

  std::uint64_t& left_;
};

const Json null_value;

const Json& at(const std::vector<Json>& all, std::size_t index) {
  return index < all.size() ? all[index] : null_value;
}

// "a.b.0" in data; null if it leads nowhere.
const Json* find(const Json& data, std::string_view path) {
  const Json* place = &data;
  for (;;) {
    const std::size_t end = std::min(path.find('.'), path.size());
    const std::string_view name = path.substr(0, end);
    if (place->is_object()) {
      const auto member = place->find(name);
      if (member == place->end()) return nullptr;
      place = &*member;
    } else if (place->is_array()) {
      std::size_t index = 0;
      if (name.empty() || name.size() > 9) return nullptr;
      for (const char c : name) {
        if (c < '0' || c > '9') return nullptr;
        index = index * 10 + static_cast<std::size_t>(c - '0');
      }
      if (index >= place->size()) return nullptr;
      place = &(*place)[index];
    } else {
      return nullptr;
    }
    if (end == path.size()) return place;
    path.remove_prefix(end + 1);
  }
}

Value Evaluator::value(const Node& node, const Json& data) {
  charge(1);
  switch (node.op) {
    case Op::Literal:
      return Value::in(node.literal);
    case Op::Array: {
      Json out = Json::array();
      for (const Node& operand : node.operands) out.push_back(own(value(operand, data)));
      return out;
    }
    case Op::Var:
      return variable(node, data);
    case Op::If:
      return condition(node, data);
    case Op::And:
    case Op::Or:
      return and_or(node, data);
    default:
      return is_scoped(node.op) ? scoped(node, data) : Value(operation(node, data));
  }
}

Value Evaluator::condition(const Node& node, const Json& data) {
  std::size_t i = 0;
  for (; i + 1 < node.operands.size(); i += 2) {
    if (truthy(value(node.operands[i], data).get())) return value(node.operands[i + 1], data);
  }
  return i < node.operands.size() ? value(node.operands[i], data) : Value(Json());
}

Value Evaluator::and_or(const Node& node, const Json& data) {
  Value last{Json()};
  for (const Node& operand : node.operands) {
    last = value(operand, data);
    if (truthy(last.get()) == (node.op == Op::Or)) break;
  }
  return last;
}

Value Evaluator::variable(const Node& node, const Json& data) {
  const Value path = node.operands.empty() ? Value(Json()) : value(node.operands[0], data);
  const std::string name = joined_text(path.get());
  if (name.empty()) return Value::in(data);
  charge(name.size() / 16);
  if (const Json* const found = find(data, name)) return Value::in(*found);
  return node.operands.size() < 2 ? Value(Json()) : value(node.operands[1], data);
}

// map, filter, reduce, all, none, some.
Value Evaluator::scoped(const Node& node, const Json& data) {
  const Value list = node.operands.empty() ? Value(Json()) : value(node.operands[0], data);
  const Json& elements = list.get();
  const Node nothing;
  const Node& body = node.operands.size() < 2 ? nothing : node.operands[1];
  if (node.op == Op::Reduce) return reduce(node, elements, data);
  if (node.op != Op::Map && node.op != Op::Filter) return quantified(node, elements);
  Json out = Json::array();
  if (!elements.is_array()) return out;
  for (const Json& element : elements) {
    if (node.op == Op::Map) {
      out.push_back(own(value(body, element)));
    } else if (truthy(value(body, element).get())) {
      out.push_back(own(Value::in(element)));
    }
  }
  return out;
}

Value Evaluator::quantified(const Node& node, const Json& elements) {
  if (!elements.is_array() || elements.empty()) return Json(node.op == Op::None);
  const Node nothing;
  const Node& body = node.operands.size() < 2 ? nothing : node.operands[1];
  for (const Json& element : elements) {
    const bool holds = truthy(value(body, element).get());
    if (node.op == Op::All && !holds) return Json(false);
    if (node.op == Op::Some && holds) return Json(true);
    if (node.op == Op::None && holds) return Json(false);
  }
  return Json(node.op != Op::Some);
}

Value Evaluator::reduce(const Node& node, const Json& elements, const Json& data) {
  Json accumulator = node.operands.size() > 2 ? own(value(node.operands[2], data)) : Json();
  if (!elements.is_array() || node.operands.size() < 2) return accumulator;
  for (const Json& element : elements) {
    Json scope = Json::object();
    scope["accumulator"] = std::move(accumulator);
    scope["current"] = own(Value::in(element));
    accumulator = own(value(node.operands[1], scope));
  }
  return accumulator;
}

Json Evaluator::missing(const Json& keys, const Json& data) {
  Json out = Json::array();
  if (!keys.is_array()) return out;
  for (const Json& key : keys) {
    charge(1);
    const std::string name = joined_text(key);
    const Json* const found = name.empty() ? &data : find(data, name);
    if (found == nullptr || found->is_null() || (found->is_string() && found->get_ref<const std::string&>().empty()))
      out.push_back(key);
  }
  return out;
}

// --- operations whose operands are all evaluated first ---

bool contains(const Json& what, const Json& where) {
  if (where.is_array()) return std::ranges::any_of(where, [&](const Json& one) { return strictly_equal(one, what); });
  return where.is_string() && where.get_ref<const std::string&>().find(to_text(what)) != std::string::npos;
}

// The lesser of numbers, or the greater; NaN if one is none.
double extreme(const std::vector<Json>& all, bool greatest) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  double out = greatest ? -infinity : infinity;
  for (const Json& one : all) {
    const double next = to_number(one);
    if (std::isnan(next)) return next;
    out = greatest ? std::max(out, next) : std::min(out, next);
  }
  return out;
}

// Characters of UTF-8, not bytes.
std::string substring(const std::string& text, double from, std::optional<double> count) {
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) starts.push_back(i);
  }
  const auto size = static_cast<double>(starts.size());
  const auto whole = [](double number) { return std::isnan(number) ? 0 : std::trunc(number); };
  from = whole(from);
  const double begin = std::min(from < 0 ? std::max(size + from, 0.0) : from, size);
  double end = size;
  if (count) {
    const double wanted = whole(*count);
    end = wanted < 0 ? size + wanted : std::min(begin + wanted, size);
  }
  if (end <= begin) return {};
  const auto offset = [&](double index) {
    return index < size ? starts[static_cast<std::size_t>(index)] : text.size();
  };
  return text.substr(offset(begin), offset(end) - offset(begin));
}

Json affix(Op op, const std::vector<Json>& all) {
  if (all.size() != 2 || !all[0].is_string() || !all[1].is_string()) return nullptr;
  const auto& text = all[0].get_ref<const std::string&>();
  const auto& part = all[1].get_ref<const std::string&>();
  return op == Op::StartsWith ? text.starts_with(part) : text.ends_with(part);
}

Json versions(const std::vector<Json>& all) {
  if (all.size() != 3 || !all[1].is_string()) return nullptr;
  const auto is_version = [](const Json& one) { return one.is_string() || one.is_number(); };
  if (!is_version(all[0]) || !is_version(all[2])) return nullptr;
  const auto result = compare_versions(to_text(all[0]), all[1].get_ref<const std::string&>(), to_text(all[2]));
  return result ? Json(*result) : Json();
}

Json Evaluator::text_operation(Op op, Arguments& all) {
  switch (op) {
    case Op::In:
      if (at(all, 1).is_string()) {  // searching may compare each byte of one with each of the other
        const std::uint64_t sought = to_text(at(all, 0)).size() / 64 + 1;
        charge(sought * (at(all, 1).get_ref<const std::string&>().size() / 16));
      }
      return contains(at(all, 0), at(all, 1));
    case Op::Cat: {
      std::string out;
      for (const Json& one : all) out += joined_text(one);
      charge(out.size() / 16);
      return out;
    }
    case Op::Substr:
      return substring(to_text(at(all, 0)), to_number(at(all, 1)),
                       all.size() > 2 ? std::optional(to_number(all[2])) : std::nullopt);
    case Op::StartsWith:
    case Op::EndsWith:
      return affix(op, all);
    default:
      return versions(all);
  }
}

Json Evaluator::operation(const Node& node, const Json& data) {
  Arguments all = arguments(node, data);
  const Json& a = at(all, 0);
  const Json& b = at(all, 1);
  switch (node.op) {
    case Op::Missing:
      return missing(a.is_array() ? a : Json(all), data);
    case Op::MissingSome: {
      Json absent = missing(b, data);
      const auto present = static_cast<double>(b.is_array() ? b.size() : 0) - static_cast<double>(absent.size());
      return present >= to_number(a) ? Json::array() : absent;
    }
    case Op::Not:
      return !truthy(a);
    case Op::NotNot:
      return truthy(a);
    case Op::Equal:
      return loosely_equal(a, b);
    case Op::StrictEqual:
      return strictly_equal(a, b);
    case Op::NotEqual:
      return !loosely_equal(a, b);
    case Op::StrictNotEqual:
      return !strictly_equal(a, b);
    case Op::Less:
      return less(a, b) && (all.size() < 3 || less(b, all[2]));
    case Op::LessEqual:
      return less_or_equal(a, b) && (all.size() < 3 || less_or_equal(b, all[2]));
    case Op::Greater:
      return less(b, a);
    case Op::GreaterEqual:
      return less_or_equal(b, a);
    case Op::Max:
    case Op::Min:
      return number(extreme(all, node.op == Op::Max));
    case Op::Add: {
      double sum = 0;
      for (const Json& one : all) sum += leading_number(one);
      return number(sum);
    }
    case Op::Multiply: {
      if (all.empty()) return nullptr;
      double product = leading_number(a);
      for (std::size_t i = 1; i < all.size(); ++i) product *= leading_number(all[i]);
      return number(product);
    }
    case Op::Subtract:
      return number(all.size() < 2 ? -to_number(a) : to_number(a) - to_number(b));
    case Op::Divide:
      return number(to_number(a) / to_number(b));
    case Op::Modulo:
      return number(std::fmod(to_number(a), to_number(b)));
    case Op::Merge: {
      Json out = Json::array();
      for (Json& one : all) {
        if (!one.is_array()) {
          out.push_back(std::move(one));
          continue;
        }
        for (Json& element : one) out.push_back(std::move(element));
      }
      return out;
    }
    case Op::Log:  // nobody reads it: the value alone
      return a;
    case Op::Fractional:
      return fractional(all, data);
    default:
      return text_operation(node.op, all);
  }
}

}  // namespace

Result<Json> evaluate(const Node& node, const Json& data, std::uint64_t& steps) {
  try {
    Evaluator evaluator(steps);
    return evaluator.own(evaluator.value(node, data));
  } catch (const TooMuch&) {
    return make_error(ErrorCode::BadFlags,
                      fmt::format("the rule takes more than {} steps: make it or the context smaller", max_steps));
  }
}

}  // namespace shunt::flags::targeting
