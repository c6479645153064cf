// One flag: its cells and its keys.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/flags/flag_state.h"
#include "runtime/flags/set_state.h"

namespace shunt::flags {
namespace {

constexpr std::string_view number_suffix[] = {":i32", ":i64", ":f64"};

bool has_variant(const InForce& now, std::string_view name) {
  return now.value && now.variant == name;
}

}  // namespace

unsigned Common::truth() const {
  return asks ? Flag::truth_asks : now.value && is_true(*now.value) ? 1 : 0;
}
unsigned Common::number(FlagType type) const {
  return asks ? Flag::number_asks : number_state(bits_of(now, type), type);
}
unsigned Common::variant(std::string_view name) const {
  return asks ? Flag::truth_asks : has_variant(now, name) ? 1 : 0;
}

Flag::State::~State() {
  delete truth.load(std::memory_order_relaxed);  // the set ends: nobody else is here
  for (auto& number : numbers) delete number.load(std::memory_order_relaxed);
}

Text text_of(const InForce& now) {
  const auto* const string = now.value ? std::get_if<std::string>(&*now.value) : nullptr;
  return std::make_shared<const std::string>(string == nullptr ? std::string() : *string);
}

Flag::State::Cells Flag::State::cells_for(const InForce& now) const {
  Cells wanted{.text = text_of(now)};
  for (const FlagType type : number_types) wanted.bits[index_of(type)] = bits_of(now, type);
  for (const auto& [name, key] : variants) wanted.variants.emplace_back(key.get(), has_variant(now, name) ? 1 : 0);
  return wanted;
}

Flag::State::Cells Flag::State::cells() const {
  // Relaxed: written under the lock that is held.
  Cells held{.text = text};
  for (std::size_t i = 0; i < bits.size(); ++i) held.bits[i] = bits[i].load(std::memory_order_relaxed);
  for (const auto& [unused, key] : variants)
    held.variants.emplace_back(key.get(), key->bits.load(std::memory_order_relaxed));
  return held;
}

void Flag::State::write(const Cells& cells) noexcept {
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i].store(cells.bits[i], std::memory_order_release);
  for (const auto& [key, value] : cells.variants) key->bits.store(value, std::memory_order_release);
  Text next = cells.text;
  const std::scoped_lock hold(text_lock);
  text.swap(next);
}

bool Flag::State::demoted() const {
  const auto is = [](const std::atomic<NamedKey*>& made) {
    const NamedKey* const key = made.load(std::memory_order_relaxed);  // written under the lock
    return key != nullptr && key->key.demoted();
  };
  return is(truth) || std::ranges::any_of(numbers, is) ||
         std::ranges::any_of(variants, [](const auto& entry) { return entry.second->key.demoted(); });
}

Status Flag::State::queue(PatchBatch& batch, Flag& flag, const Common& before, const Common& after) const {
  if (auto* made = truth.load(std::memory_order_relaxed); made != nullptr && before.truth() != after.truth()) {
    batch.set(made->key, after.truth());
  }
  for (const auto& [name, key] : variants) {
    if (before.variant(name) != after.variant(name)) batch.set(key->key, after.variant(name));
  }
  for (const FlagType type : number_types) {
    auto* made = numbers[index_of(type)].load(std::memory_order_relaxed);  // written under the lock
    if (made == nullptr) continue;
    const std::uint64_t now = bits_of(after.now, type);
    const unsigned wanted = after.number(type);
    if (wanted == before.number(type) && (after.asks || now == bits_of(before.now, type))) continue;
    if (wanted == 2) {
      for (StubSource* source : set.sources) {
        if (Status prepared = source->prepare(batch, flag, type, now); !prepared) return prepared;
      }
    }
    batch.set(made->key, wanted);
  }
  return Ok{};
}

// Setting a key to the value that it has makes the data visible that the value stands for (shunt/demotable_key.h).
void Flag::State::queue_again(PatchBatch& batch) const {
  if (auto* made = truth.load(std::memory_order_relaxed)) batch.set(made->key, truth_asks);
  for (const auto& number : numbers) {
    if (auto* made = number.load(std::memory_order_relaxed)) batch.set(made->key, number_asks);
  }
  for (const auto& [unused, variant] : variants) batch.set(variant->key, truth_asks);
}

Flag::Flag(FlagSet& set, std::string key) : key_(std::move(key)), state_(std::make_unique<State>(*set.impl_)) {}
Flag::~Flag() = default;

const std::atomic<std::uint64_t>& Flag::bits(FlagType type) const noexcept {
  return state_->bits[index_of(type)];
}

std::shared_ptr<const std::string> Flag::text() const {
  const std::scoped_lock hold(state_->text_lock);
  return state_->text;
}

bool Flag::may_be_demoted() const noexcept {
  return state_->set.engine.flip_limit() != 0;
}

DemotableSwitch& Flag::truth() {
  if (auto* made = state_->truth.load(std::memory_order_acquire)) return made->key;
  const FlagSet::Impl& set = state_->set;
  const std::scoped_lock hold(set.lock);
  if (auto* made = state_->truth.load(std::memory_order_relaxed)) return made->key;  // written under the lock
  auto made = std::make_unique<NamedKey>(key_, truth_asks + 1);
  set.start(made->key, Common{set.now(key_), state_->asks.load(std::memory_order_relaxed)}.truth());
  state_->truth.store(made.get(), std::memory_order_release);
  return made.release()->key;
}

DemotableSwitch& Flag::number(FlagType type) {
  auto& slot = state_->numbers[index_of(type)];
  if (auto* made = slot.load(std::memory_order_acquire)) return made->key;
  const FlagSet::Impl& set = state_->set;
  const std::scoped_lock hold(set.lock);
  if (auto* made = slot.load(std::memory_order_relaxed)) return made->key;  // written under the lock
  auto made = std::make_unique<NamedKey>(key_ + std::string(number_suffix[index_of(type)]), number_asks + 1);
  set.start(made->key, Common{set.now(key_), state_->asks.load(std::memory_order_relaxed)}.number(type));
  slot.store(made.get(), std::memory_order_release);
  return made.release()->key;
}

// The entry of a variant, made if it is new.
VariantKey& Flag::State::variant(const std::string& key, std::string_view variant_name) {
  const std::scoped_lock hold(set.lock);
  if (const auto it = variants.find(variant_name); it != variants.end()) return *it->second;
  auto made = std::make_unique<VariantKey>(fmt::format("{}={}", key, variant_name));
  const InForce now = set.now(key);
  made->bits.store(has_variant(now, variant_name) ? 1 : 0, std::memory_order_relaxed);  // nobody reads it yet
  set.start(made->key, Common{now, asks.load(std::memory_order_relaxed)}.variant(variant_name));
  return *variants.emplace(std::string(variant_name), std::move(made)).first->second;
}

DemotableSwitch& Flag::variant(std::string_view variant_name) {
  return state_->variant(key_, variant_name).key;
}

const std::atomic<std::uint64_t>& Flag::variant_bits(std::string_view variant_name) {
  return state_->variant(key_, variant_name).bits;
}

}  // namespace shunt::flags
