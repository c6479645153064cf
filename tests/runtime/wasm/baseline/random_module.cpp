#include "tests/runtime/wasm/baseline/random_module.h"

#include <string>

#include "tests/runtime/wasm/baseline/random_body.h"
#include "tests/runtime/wasm/module/module_bytes.h"

namespace shunt::test {
namespace {

using wasm::FunctionType;
using wasm::ValueType;

constexpr std::uint32_t memory_pages = 1, most_memory_pages = 3;
constexpr std::uint32_t most_table_growth = 4;

class Builder {
 public:
  Builder(Choices& random, const RandomModuleOptions& options) : random_(random), options_(options) {}

  RandomModule make() {
    choose();
    Bytes bodies;
    for (std::uint32_t function = 0; function < context_.functions; ++function) {
      const bool calls = function < context_.functions - context_.table_functions;
      context_.first_callable = calls ? function + 1 : context_.functions;
      const FunctionType type = context_.types[function];
      bodies.sized(RandomBody(random_, options_, context_, type).make());
    }
    RandomModule module;
    module.functions.assign(context_.types.begin(), context_.types.begin() + context_.functions);
    module.globals = static_cast<std::uint32_t>(context_.globals.size());
    module.flags = context_.flags;
    module.bytes = module_bytes(bodies, true);
    module.without_imports = module_bytes(bodies, false);
    return module;
  }

 private:
  std::vector<std::uint8_t> module_bytes(const Bytes& bodies, bool imports) const {
    const std::uint32_t own = imports ? 0 : context_.flags;  // functions that stand for flags
    Bytes bytes = header();
    bytes.section(1, types());
    if (imports && context_.flags > 0) bytes.section(2, flag_imports());
    bytes.section(3, functions(own)).section(4, table());
    bytes.section(5, {1, 1, memory_pages, most_memory_pages});
    bytes.section(6, globals(own)).section(7, exports()).section(9, elements());
    if (options_.segments) bytes.section(12, {1});
    Bytes code;
    code.number(own + context_.functions);
    for (std::uint32_t flag = 0; flag < own; ++flag) {
      code.sized(Bytes{0, 0x23}.number(context_.globals.size() + flag).add({0x0b}));
    }
    bytes.section(10, code.add(bodies));
    if (options_.segments) bytes.section(11, Bytes{1, 1}.name("a passive segment's bytes"));
    return bytes.get();
  }

  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }

  std::vector<ValueType> some_types(unsigned most) {
    constexpr ValueType all[] = {ValueType::I32, ValueType::I64, ValueType::F32, ValueType::F64};
    std::vector<ValueType> types(below(most + 1));
    for (ValueType& type : types) type = all[below(options_.floats ? 4 : 2)];
    return types;
  }

  void choose() {
    context_.functions = options_.functions;
    context_.table_functions = 1 + below(options_.functions);
    for (std::uint32_t i = 0; i < context_.functions; ++i) {
      context_.types.push_back({some_types(options_.max_params), some_types(options_.max_results)});
    }
    context_.flags = options_.flags;
    context_.flag_type = static_cast<std::uint32_t>(context_.types.size());
    if (context_.flags > 0) context_.types.push_back({{}, {ValueType::I32}});
    context_.globals = {ValueType::I32};
    for (const ValueType type : some_types(4)) context_.globals.push_back(type);
  }

  Bytes types() const {
    Bytes content;
    content.number(context_.types.size());
    for (const FunctionType& type : context_.types) {
      content.add({0x60});
      for (const std::vector<ValueType>* list : {&type.params, &type.results}) {
        content.number(list->size());
        for (const ValueType value : *list) content.add({encoding_of(value)});
      }
    }
    return content;
  }
  Bytes flag_imports() const {
    Bytes content;
    content.number(context_.flags);
    for (std::uint32_t i = 0; i < context_.flags; ++i) {
      content.name("flags").name("flag" + std::to_string(i)).add({0}).number(context_.flag_type);
    }
    return content;
  }
  Bytes functions(std::uint32_t flags) const {
    Bytes content;
    content.number(flags + context_.functions);
    for (std::uint32_t i = 0; i < flags; ++i) content.number(context_.flag_type);
    for (std::uint32_t i = 0; i < context_.functions; ++i) content.number(i);
    return content;
  }
  // The last element is null.
  Bytes table() const {
    const std::uint32_t size = context_.table_functions + 1;
    return Bytes{1, 0x70, 1}.number(size).number(size + most_table_growth);
  }
  Bytes elements() const {
    Bytes functions;
    functions.number(context_.table_functions);
    for (std::uint32_t i = context_.functions - context_.table_functions; i < context_.functions; ++i)
      functions.number(context_.flags + i);
    Bytes content{options_.segments ? 2 : 1, 0, 0x41, 0, 0x0b};
    content.add(functions);
    if (options_.segments) content.add({1, 0}).add(functions);  // passive
    return content;
  }
  Bytes globals(std::uint32_t flags) const {
    Bytes content;
    content.number(context_.globals.size() + flags);
    for (std::size_t i = 0; i < context_.globals.size(); ++i) {
      content.add({encoding_of(context_.globals[i]), 1});
      switch (context_.globals[i]) {
        case ValueType::I32:
          content.add({0x41}).add(i == 0 ? Bytes().number(most_random_steps) : Bytes{7});
          break;
        case ValueType::I64:
          content.add({0x42, 9});
          break;
        case ValueType::F32:
          content.add({0x43, 0, 0, 0x80, 0x3f});
          break;
        default:
          content.add({0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f});
      }
      content.add({0x0b});
    }
    for (std::uint32_t i = 0; i < flags; ++i) content.add({0x7f, 1, 0x41, 0, 0x0b});
    return content;
  }
  Bytes exports() const {
    Bytes content;
    content.number(context_.functions + context_.globals.size() + 1);
    for (std::uint32_t i = 0; i < context_.functions; ++i) {
      content.name("f" + std::to_string(i)).add({0}).number(context_.flags + i);
    }
    for (std::size_t i = 0; i < context_.globals.size(); ++i) {
      content.name("g" + std::to_string(i)).add({3}).number(i);
    }
    return content.name("memory").add({2, 0});
  }

  Choices& random_;
  const RandomModuleOptions& options_;
  RandomContext context_;
};

}  // namespace

RandomModule make_random_module(Choices& random, const RandomModuleOptions& options) {
  return Builder(random, options).make();
}

}  // namespace shunt::test
