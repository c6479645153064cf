// Integer division while registers are scarce: it needs two fixed ones on x86-64. Every operation, with operands and
// result in every kind of place, in functions whose parameters take all registers that hold locals.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "shunt/engine.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module.h"
#include "shunt/runtime/module_file.h"

namespace shunt::runtime {
namespace {

// An expression and its value.
struct Expression {
  std::string text;
  std::uint64_t value;
};

template <class Signed>
class Cases {
 public:
  using Unsigned = std::make_unsigned_t<Signed>;
  static constexpr bool wide = sizeof(Signed) == 8;

  struct Case {
    std::string export_name;
    Unsigned expected;
  };

  Cases(std::string operation, std::size_t parameters) : operation_(std::move(operation)), parameters_(parameters) {
    for (std::size_t i = 0; i < parameters; ++i)
      arguments_.push_back(static_cast<Unsigned>(1000003 * (i + 7) % 997 + 2));
    arguments_[0] = static_cast<Unsigned>(std::numeric_limits<Signed>::min());
    arguments_[1] = static_cast<Unsigned>(-9);
    for (const Expression& a : operands()) {
      for (const Expression& b : operands()) {
        for (int occupied = 0; occupied < 3; ++occupied) {
          for (const bool assigned : {false, true}) add(a, b, occupied, assigned);
        }
      }
    }
  }

  [[nodiscard]] std::string module() const {
    return "(module (memory (export \"memory\") 1)\n(data (i32.const 16) \"\\11\\22\\33\\44\\55\\66\\77\\08\")\n" +
           functions_ + ")";
  }
  [[nodiscard]] const std::vector<Case>& cases() const { return cases_; }
  [[nodiscard]] std::vector<Value> arguments() const {
    std::vector<Value> values;
    for (const Unsigned argument : arguments_) values.push_back({type(), argument});
    return values;
  }

 private:
  static ValueType type() { return wide ? ValueType::I64 : ValueType::I32; }
  static std::string name() { return wide ? "i64" : "i32"; }
  static std::string op(const std::string& what, const std::string& a, const std::string& b) {
    return "(" + name() + "." + what + " " + a + " " + b + ")";
  }
  static std::string get(std::size_t i) { return "(local.get " + std::to_string(i) + ")"; }
  static std::string number(std::int64_t value) { return "(" + name() + ".const " + std::to_string(value) + ")"; }

  [[nodiscard]] std::vector<Expression> operands() const {
    const Unsigned stored = static_cast<Unsigned>(0x0877665544332211);
    const std::string address = wide ? "(i32.wrap_i64 " + op("or", op("and", get(2), number(0)), number(16)) + ")"
                                     : op("or", op("and", get(2), number(0)), number(16));
    return {{get(0), arguments_[0]},
            {get(1), arguments_[1]},
            {number(10), 10},
            {number(-1), static_cast<Unsigned>(-1)},
            {op("xor", get(2), get(3)), static_cast<Unsigned>(arguments_[2] ^ arguments_[3])},
            {"(" + name() + ".load (i32.const 16))", stored},
            {"(" + name() + ".load " + address + ")", stored}};
  }

  [[nodiscard]] bool traps(Unsigned a, Unsigned b) const {
    return b == 0 || (operation_ == "div_s" && static_cast<Signed>(b) == -1 &&
                      a == static_cast<Unsigned>(std::numeric_limits<Signed>::min()));
  }
  [[nodiscard]] Unsigned divide(Unsigned a, Unsigned b) const {
    if (operation_ == "div_u") return a / b;
    if (operation_ == "rem_u") return a % b;
    if (static_cast<Signed>(b) == -1) return operation_ == "div_s" ? Unsigned{0} - a : 0;
    const Signed result = operation_ == "div_s" ? static_cast<Signed>(a) / static_cast<Signed>(b)
                                                : static_cast<Signed>(a) % static_cast<Signed>(b);
    return static_cast<Unsigned>(result);
  }

  // `occupied` values wait on the operand stack; the result stays there too or becomes a parameter's. All parameters
  // are used afterwards, so that none gives its register up.
  void add(const Expression& a, const Expression& b, int occupied, bool assigned) {
    const auto left = static_cast<Unsigned>(a.value);
    const auto right = static_cast<Unsigned>(b.value);
    if (traps(left, right)) return;
    const Unsigned quotient = divide(left, right);
    std::string text = op(operation_, a.text, b.text);
    std::vector<Unsigned> locals = arguments_;
    if (assigned) {
      text = "(local.tee 3 " + text + ")";
      locals[3] = quotient;
    }
    Unsigned expected = quotient;
    for (int i = 0; i < occupied; ++i) {
      const auto first = static_cast<std::size_t>(i);
      text = op("add", op("xor", get(first), get(first + 1)), text);
      expected += arguments_[first] ^ arguments_[first + 1];
    }
    for (std::size_t i = 0; i < parameters_; ++i) {
      text = op("add", op("mul", text, number(3)), get(i));
      expected = static_cast<Unsigned>(expected * 3 + locals[i]);
    }
    const std::string export_name = "f" + std::to_string(cases_.size());
    functions_ += "(func (export \"" + export_name + "\") (param";
    for (std::size_t i = 0; i < parameters_; ++i) functions_ += " " + name();
    functions_ += ") (result " + name() + ")\n  " + text + ")\n";
    cases_.push_back({export_name, expected});
  }

  std::string operation_;
  std::size_t parameters_;
  std::vector<Unsigned> arguments_;
  std::string functions_;
  std::vector<Case> cases_;
};

template <class Signed>
void run(const std::string& operation, std::size_t parameters) {
  SCOPED_TRACE(operation + ", " + std::to_string(8 * sizeof(Signed)) + " bits, " + std::to_string(parameters) +
               " parameters");
  const Cases<Signed> cases(operation, parameters);
  Result<Engine*> engine = Engine::process();
  ASSERT_TRUE(engine.has_value()) << engine.error().message();
  flags::FlagSet flags(**engine);
  Result<std::vector<std::uint8_t>> bytes = assemble(cases.module(), "division.wat");
  ASSERT_TRUE(bytes.has_value()) << bytes.error().message();
  Result<Module> module = Module::load(**engine, flags, *bytes);
  ASSERT_TRUE(module.has_value()) << module.error().message();
  Result<Store> store = Store::create();
  ASSERT_TRUE(store.has_value()) << store.error().message();
  Linker linker(*store);
  Result<Instance> instance = linker.instantiate(*module);
  ASSERT_TRUE(instance.has_value()) << instance.error().message();
  const std::vector<Value> arguments = cases.arguments();
  for (const auto& [name, expected] : cases.cases()) {
    const Result<std::vector<Value>> result = instance->call(name, arguments);
    ASSERT_TRUE(result.has_value()) << name << ": " << result.error().message();
    EXPECT_EQ(result->front().bits, expected) << name;
  }
  EXPECT_GT(cases.cases().size(), 200U);
}

class Division : public ::testing::TestWithParam<const char*> {};

TEST_P(Division, WithScarceRegisters) {
  for (const std::size_t parameters : {4U, 10U, 14U}) {
    run<std::int32_t>(GetParam(), parameters);
    run<std::int64_t>(GetParam(), parameters);
  }
}

INSTANTIATE_TEST_SUITE_P(Operations, Division, ::testing::Values("div_s", "div_u", "rem_s", "rem_u"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace shunt::runtime
