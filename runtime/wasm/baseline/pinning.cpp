#include "runtime/wasm/baseline/pinning.h"

#include <algorithm>

namespace shunt::wasm::baseline {
namespace {

// A register that the function must save and restore pays from this weight on.
constexpr std::uint32_t worth_saving = 3;

}  // namespace

void Pinning::assign(const FunctionBody& body, const FunctionAnalysis& analysis, const SignatureLayout& layout,
                     const RegisterRoles& roles) {
  registers_.assign(body.locals.size(), {});
  pins_.clear();
  saved_ = {};
  for (const std::uint32_t local : analysis.candidates()) {
    const Reg reg = choose(local, body, analysis, layout, roles);
    if (!reg.valid()) continue;
    registers_[local] = reg;
    if (roles.saved.contains(reg)) saved_.insert(reg);
    const LocalRange& range = analysis.locals()[local];
    pins_.push_back({.local = local, .begin = range.begin, .end = range.end, .reg = reg});
  }
  std::sort(pins_.begin(), pins_.end(), [](const Pin& left, const Pin& right) {
    return left.end != right.end ? left.end < right.end : left.local < right.local;
  });
}

Reg Pinning::choose(std::uint32_t local, const FunctionBody& body, const FunctionAnalysis& analysis,
                    const SignatureLayout& layout, const RegisterRoles& roles) const {
  const LocalRange& range = analysis.locals()[local];
  RegSet taken;
  for (const Pin& pin : pins_) {
    if (range.begin <= pin.end && pin.begin <= range.end) taken.insert(pin.reg);
  }
  const RegClass cls = class_of(body.locals[local]);
  const RegSet volatiles = roles.volatiles.of(cls) - taken;
  const RegSet saved = roles.saved.of(cls) - taken;
  const bool may_be_volatile = !analysis.calls_within(range.begin, range.end);
  if (may_be_volatile) {
    if (local < layout.params.size() && range.live_on_entry) {
      const Reg arrival = layout.params[local].reg;
      if (arrival.valid() && volatiles.contains(arrival)) return arrival;
    }
    if (!volatiles.empty()) return volatiles.first();
  }
  if (const RegSet used = saved & saved_; !used.empty()) return used.first();
  if (saved.empty() || range.weight < worth_saving) return {};
  return saved.first();
}

}  // namespace shunt::wasm::baseline
