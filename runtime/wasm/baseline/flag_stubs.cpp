#include "runtime/wasm/baseline/flag_stubs.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "shunt/patch_batch.h"

namespace shunt::wasm::baseline {

FlagStubs::FlagStubs(Engine& engine, flags::FlagSet& set, StubEncoder encoder, std::vector<ValueSite> sites)
    : engine_(engine), set_(set), encoder_(encoder) {
  for (ValueSite& site : sites) {
    const auto same = [&](const Group& group) { return group.flag == site.flag && group.type == site.type; };
    auto group = std::find_if(groups_.begin(), groups_.end(), same);
    if (group == groups_.end()) {
      groups_.push_back({.flag = site.flag, .type = site.type, .sites = {}, .values = {}});
      group = std::prev(groups_.end());
    }
    group->sites.push_back(site);
  }
}

FlagStubs::~FlagStubs() {
  detach();
}

Status FlagStubs::attach(const std::uint8_t* code) {
  code_ = code;
  Status added = set_.add_stub_source(*this);
  if (!added) code_ = nullptr;
  return added;
}

void FlagStubs::detach() {
  if (code_ == nullptr) return;
  set_.remove_stub_source(*this);  // a load in progress still retargets sites of the code
  code_ = nullptr;
}

// The set's lock is held, so the values are in force and stay.
Status FlagStubs::begin(PatchBatch& batch) {
  for (Group& group : groups_) {
    const std::uint64_t bits = group.flag->bits(group.type).load(std::memory_order_relaxed);  // stored under the lock
    if (Status status = retarget(batch, group, bits); !status) return status;
  }
  return Ok{};
}

Status FlagStubs::prepare(PatchBatch& batch, flags::Flag& flag, flags::FlagType type, std::uint64_t bits) {
  for (Group& group : groups_) {
    if (group.flag != &flag || group.type != type) continue;
    if (Status status = retarget(batch, group, bits); !status) return status;
  }
  return Ok{};
}

Status FlagStubs::retarget(PatchBatch& batch, Group& group, std::uint64_t bits) {
  constexpr unsigned stub_state = 2;
  Result<const Value*> value = stubs_for(group, bits);
  if (!value) return std::move(value).error();
  DemotableSwitch& key = group.flag->number(group.type);
  for (std::size_t i = 0; i < group.sites.size(); ++i) {
    const ValueSite& site = group.sites[i];
    const std::uint8_t* target = *value == nullptr ? code_ + site.loader : (*value)->code.data() + (*value)->offsets[i];
    batch.retarget(key, code_ + site.site, stub_state, target);
  }
  return Ok{};
}

// The group's stubs for the value, made if they are new; null if there are too many.
Result<const FlagStubs::Value*> FlagStubs::stubs_for(Group& group, std::uint64_t bits) {
  const auto same = [&](const Value& value) { return value.bits == bits; };
  if (const auto known = std::find_if(group.values.begin(), group.values.end(), same); known != group.values.end()) {
    return &*known;
  }
  if (group.values.size() == max_values) return nullptr;
  Result<Engine::Allocation> memory = engine_.allocate(group.sites.size() * encoder_.max_bytes);
  if (!memory) return std::move(memory).error();
  Value value{.bits = bits, .code = {}, .offsets = {}};
  std::size_t used = 0;
  for (const ValueSite& site : group.sites) {
    value.offsets.push_back(static_cast<std::uint32_t>(used));
    used += encoder_.encode(memory->staging + used, reinterpret_cast<std::uintptr_t>(memory->rx + used), site, bits,
                            reinterpret_cast<std::uintptr_t>(code_ + site.resume));
  }
  // Nobody reaches the stubs but by the sites that the batch will patch.
  Result<Code> code = engine_.publish_nosync(*memory, {});
  if (!code) return std::move(code).error();
  value.code = std::move(*code);
  group.values.push_back(std::move(value));
  return &group.values.back();
}

}  // namespace shunt::wasm::baseline
