#include "runtime/wasm/module/type_registry.h"

#include <map>
#include <mutex>
#include <vector>

namespace shunt::wasm {
namespace {

// Orders types by their parameters, then their results.
struct LessType {
  bool operator()(const runtime::FunctionType& a, const runtime::FunctionType& b) const {
    if (a.params != b.params) return a.params < b.params;
    return a.results < b.results;
  }
};

struct Registry {
  std::mutex lock;  // protects `numbers`; nothing else is taken while it is held
  std::map<runtime::FunctionType, std::uint32_t, LessType> numbers;
};

Registry& registry() {
  static Registry* const instance = new Registry;  // never destroyed: code may compare numbers until the process ends
  return *instance;
}

}  // namespace

std::uint32_t canonical_type(const runtime::FunctionType& type) {
  Registry& all = registry();
  const std::lock_guard hold(all.lock);
  return all.numbers.try_emplace(type, static_cast<std::uint32_t>(all.numbers.size())).first->second;
}

}  // namespace shunt::wasm
