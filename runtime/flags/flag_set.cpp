#include "shunt/runtime/flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <mutex>
#include <new>
#include <set>
#include <utility>

#include "runtime/flags/definition.h"
#include "runtime/flags/in_force.h"
#include "runtime/flags/reading.h"

namespace shunt::flags {
namespace {

constexpr std::array number_types = {FlagType::I32, FlagType::I64, FlagType::F64};
constexpr std::size_t index_of(FlagType type) {
  return static_cast<std::size_t>(type);
}
constexpr std::string_view number_suffix[] = {":i32", ":i64", ":f64"};

// A key and the storage of its name, which must outlive it.
template <class Key>
struct Named {
  template <class... Args>
  explicit Named(std::string text, Args... args) : name(std::move(text)), key(name.c_str(), args...) {}
  std::string name;
  Key key;
};

}  // namespace

struct Flag::State {
  FlagSet::Impl& set;

  // The cells. Stores happen under the set's lock, before the batch that changes the sites: release, so that whoever is
  // sent here by a new site finds the value that the site means (the batch's core serialisation lies between).
  std::array<std::atomic<std::uint64_t>, 4> bits{};

  // Protects `text` alone; nothing else is locked while it is held.
  mutable std::mutex text_lock;
  std::shared_ptr<const std::string> text = std::make_shared<const std::string>();

  // Made under the set's lock, published by a release store: a reader that acquires the pointer sees the finished key.
  std::atomic<Named<DemotableKey>*> truth{nullptr};
  std::array<std::atomic<Named<DemotableSwitch>*>, number_types.size()> numbers{};
  std::map<std::string, std::unique_ptr<Named<DemotableKey>>, std::less<>> variants;  // under the set's lock

  std::vector<Reader> readers;  // under the set's lock

  explicit State(FlagSet::Impl& owner) : set(owner) {}
  ~State() {
    delete truth.load(std::memory_order_relaxed);  // the set ends: nobody else is here
    for (auto& number : numbers) delete number.load(std::memory_order_relaxed);
  }
  void write(const InForce& now);
  [[nodiscard]] bool demoted() const;  // under the set's lock
};

// One lock for all that it holds. Held while stub sources prepare and the batch commits (lock order: set, then the stub
// sources', then the engine's).
struct FlagSet::Impl {
  explicit Impl(Engine& owner) : engine(owner) {}

  Engine& engine;
  mutable std::mutex lock;
  std::map<std::string, std::unique_ptr<Flag>, std::less<>> flags;  // those that somebody wants
  Document document;
  Overrides overrides;
  std::vector<StubSource*> sources;
  std::set<std::string> load_warnings;                 // of the last load
  std::set<std::string, std::less<>> reported_unread;  // wanted flags without a value that take_warnings() has reported

  // With the lock held:
  [[nodiscard]] InForce now(std::string_view key) const { return in_force({document, overrides}, key); }
  Status queue(PatchBatch& batch, Flag& flag, const InForce& next);
  [[nodiscard]] Status check_readers(const Document& next) const;
  Result<LoadReport> change(const Definitions& next, const std::set<std::string>& keys, bool& in_force);

  // Gives a key that has no sites yet the state of the value in force. A commit that cannot be made for another reason
  // than memory (an earlier one is not serialised yet, code memory cannot be copied after a fork) refuses the
  // publication of the key's first site too, so it is reported there.
  template <class Key, class State>
  void start(Key& key, State state) {
    if (!state) return;
    PatchBatch batch(engine);
    batch.set(key, state);
    const Result<CommitReport> committed = batch.commit();
    if (!committed && committed.error().code() == ErrorCode::OutOfMemory) throw std::bad_alloc();
  }
};

void Flag::State::write(const InForce& now) {
  for (const FlagType type : number_types) bits[index_of(type)].store(bits_of(now, type), std::memory_order_release);
  const auto* string = now.value ? std::get_if<std::string>(&*now.value) : nullptr;
  auto next = std::make_shared<const std::string>(string == nullptr ? std::string() : *string);
  const std::scoped_lock hold(text_lock);
  text = std::move(next);
}

bool Flag::State::demoted() const {
  const auto* const asks = truth.load(std::memory_order_relaxed);  // written under the lock
  const auto number_is = [](const std::atomic<Named<DemotableSwitch>*>& number) {
    const auto* const made = number.load(std::memory_order_relaxed);  // written under the lock
    return made != nullptr && made->key.demoted();
  };
  return (asks != nullptr && asks->key.demoted()) || std::ranges::any_of(numbers, number_is) ||
         std::ranges::any_of(variants, [](const auto& entry) { return entry.second->key.demoted(); });
}

ImportName split_import_name(std::string_view import_name) noexcept {
  const std::size_t equals = import_name.find('=');
  if (equals == std::string_view::npos) return {import_name, {}};
  return {import_name.substr(0, equals), import_name.substr(equals + 1)};
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

DemotableKey& Flag::truth() {
  if (auto* made = state_->truth.load(std::memory_order_acquire)) return made->key;
  FlagSet::Impl& set = state_->set;
  const std::scoped_lock hold(set.lock);
  if (auto* made = state_->truth.load(std::memory_order_relaxed)) return made->key;  // written under the lock
  auto made = std::make_unique<Named<DemotableKey>>(key_);
  const InForce now = set.now(key_);
  set.start(made->key, now.value && is_true(*now.value));
  state_->truth.store(made.get(), std::memory_order_release);
  return made.release()->key;
}

DemotableSwitch& Flag::number(FlagType type) {
  auto& slot = state_->numbers[index_of(type)];
  if (auto* made = slot.load(std::memory_order_acquire)) return made->key;
  FlagSet::Impl& set = state_->set;
  const std::scoped_lock hold(set.lock);
  if (auto* made = slot.load(std::memory_order_relaxed)) return made->key;  // written under the lock
  auto made = std::make_unique<Named<DemotableSwitch>>(key_ + std::string(number_suffix[index_of(type)]), 3U);
  set.start(made->key, number_state(bits_of(set.now(key_), type), type));
  slot.store(made.get(), std::memory_order_release);
  return made.release()->key;
}

DemotableKey& Flag::variant(std::string_view variant_name) {
  FlagSet::Impl& set = state_->set;
  const std::scoped_lock hold(set.lock);
  if (const auto it = state_->variants.find(variant_name); it != state_->variants.end()) return it->second->key;
  auto made = std::make_unique<Named<DemotableKey>>(fmt::format("{}={}", key_, variant_name));
  const InForce now = set.now(key_);
  set.start(made->key, now.value && now.variant == variant_name);
  return state_->variants.emplace(std::string(variant_name), std::move(made)).first->second->key;
}

FlagSet::FlagSet(Engine& engine) : impl_(std::make_unique<Impl>(engine)) {}
FlagSet::~FlagSet() = default;

// Queues every key of `flag` that is not in the state that `next` asks for, and prepares its stubs.
Status FlagSet::Impl::queue(PatchBatch& batch, Flag& flag, const InForce& next) {
  Flag::State& state = *flag.state_;
  if (auto* truth = state.truth.load(std::memory_order_relaxed)) {  // written under the lock
    batch.set(truth->key, next.value && is_true(*next.value));
  }
  for (auto& [name, named] : state.variants) batch.set(named->key, next.value && next.variant == name);
  for (const FlagType type : number_types) {
    auto* number = state.numbers[index_of(type)].load(std::memory_order_relaxed);  // written under the lock
    if (number == nullptr) continue;
    const std::uint64_t bits = bits_of(next, type);
    const unsigned wanted = number_state(bits, type);
    if (wanted == 2) {
      for (StubSource* source : sources) {
        if (Status prepared = source->prepare(batch, flag, type, bits); !prepared) return prepared;
      }
    }
    batch.set(number->key, wanted);
  }
  return Ok{};
}

// Puts what `next` says of `keys` in force, in one batch:
//   1. find what changes, and queue its keys and stubs;
//   2. write the cells, so that no site can be sent to an old value;
//   3. commit. If nothing was written, put the cells back.
// `in_force` says whether the caller is to keep `next`: also after SerialisationFailed, when the sites are written.
Result<LoadReport> FlagSet::Impl::change(const Definitions& next, const std::set<std::string>& keys, bool& in_force) {
  in_force = false;
  struct Changed {
    Flag* flag;
    InForce before, after;
    bool was_demoted;
  };
  std::vector<Changed> changed;
  LoadReport report;
  PatchBatch batch(engine);
  for (const std::string& key : keys) {
    InForce before = now(key);
    InForce after = flags::in_force(next, key);
    if (before == after) continue;
    report.changed.push_back(key);
    const auto flag = flags.find(key);
    if (flag == flags.end()) continue;
    if (Status queued = queue(batch, *flag->second, after); !queued) return queued.error();
    changed.push_back({flag->second.get(), std::move(before), std::move(after), flag->second->state_->demoted()});
  }

  for (const Changed& change : changed) change.flag->state_->write(change.after);
  Result<CommitReport> committed = batch.commit();
  in_force = committed || committed.error().code() == ErrorCode::SerialisationFailed;
  if (!in_force) {
    for (const Changed& change : changed) change.flag->state_->write(change.before);
  }
  if (!committed) return committed.error();
  report.commit = *committed;
  for (const Changed& change : changed) {
    if (!change.was_demoted && change.flag->state_->demoted()) report.demoted.push_back(change.flag->key());
  }
  return report;
}

Status FlagSet::Impl::check_readers(const Document& next) const {
  for (const auto& [key, flag] : flags) {
    const auto definition = next.flags.find(key);
    if (definition == next.flags.end()) continue;
    for (const Reader& reader : flag->state_->readers) {
      if (auto what = misfit(next, key, definition->second, reader)) {
        return make_error(ErrorCode::BadFlags, std::move(*what));
      }
    }
  }
  return Ok{};
}

Result<LoadReport> FlagSet::load_json(std::string_view json, std::string_view source) {
  const auto begin = std::chrono::steady_clock::now();
  Result<Document> parsed = parse_flagd(json, source);
  if (!parsed) return parsed.error();
  const auto parse_time = std::chrono::steady_clock::now() - begin;

  const std::scoped_lock hold(impl_->lock);
  if (Status fit = impl_->check_readers(*parsed); !fit) return fit.error();
  std::set<std::string> keys;
  for (const Document* side : {&impl_->document, &*parsed}) {
    for (const auto& entry : side->flags) keys.insert(entry.first);
  }
  for (const auto& entry : impl_->overrides) keys.insert(entry.first);

  const Overrides none;
  bool in_force = false;
  Result<LoadReport> report = impl_->change({*parsed, none}, keys, in_force);
  if (!in_force) return report;
  impl_->document = std::move(*parsed);
  impl_->overrides.clear();
  std::set<std::string> given;
  std::vector<std::string> fresh;
  for (const std::string& warning : impl_->document.warnings) {
    given.insert(warning);
    if (!impl_->load_warnings.contains(warning)) fresh.push_back(warning);
  }
  impl_->load_warnings = std::move(given);
  if (!report) return report;
  report->warnings = std::move(fresh);
  report->parse_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(parse_time).count());
  return report;
}

Result<LoadReport> FlagSet::set(std::string_view key, FlagValue value) {
  const std::scoped_lock hold(impl_->lock);
  if (const auto flag = impl_->flags.find(key); flag != impl_->flags.end()) {
    for (const Reader& reader : flag->second->state_->readers) {
      if (auto what = misfit(key, value, reader)) return make_error(ErrorCode::BadFlags, std::move(*what));
    }
  }
  Overrides next = impl_->overrides;
  next.insert_or_assign(std::string(key), std::move(value));
  bool in_force = false;
  Result<LoadReport> report = impl_->change({impl_->document, next}, {std::string(key)}, in_force);
  if (in_force) impl_->overrides = std::move(next);
  return report;
}

Result<Flag*> FlagSet::want(std::string_view import_name, FlagType type, std::string_view reader) {
  const auto refuse = [&](std::string_view what) {
    return make_error(ErrorCode::BadFlags,
                      fmt::format("flag import {} of {}: {}", in_quotes(import_name), reader, what));
  };
  const ImportName name = split_import_name(import_name);
  if (name.key.empty()) return refuse("it names no flag: import \"key\" or \"key=variant\"");
  if (name.variant && name.variant->empty()) return refuse("it names no variant: import \"key\" or \"key=variant\"");
  if (name.variant && type != FlagType::I32) {
    return refuse("whether a variant is in force is read as () -> i32: give the import that type");
  }
  const Reader wanted{type, std::string(name.variant.value_or("")), std::string(reader)};

  const std::scoped_lock hold(impl_->lock);
  if (const auto definition = impl_->document.flags.find(name.key); definition != impl_->document.flags.end()) {
    if (auto what = misfit(impl_->document, name.key, definition->second, wanted)) {
      return make_error(ErrorCode::BadFlags, std::move(*what));
    }
  }
  if (const auto set = impl_->overrides.find(name.key); set != impl_->overrides.end()) {
    if (auto what = misfit(name.key, set->second, wanted)) return make_error(ErrorCode::BadFlags, std::move(*what));
  }
  auto it = impl_->flags.find(name.key);
  if (it == impl_->flags.end()) {
    std::unique_ptr<Flag> flag(new Flag(*this, std::string(name.key)));
    flag->state_->write(impl_->now(name.key));
    it = impl_->flags.emplace(std::string(name.key), std::move(flag)).first;
  }
  std::vector<Reader>& readers = it->second->state_->readers;
  if (std::ranges::find(readers, wanted) == readers.end()) readers.push_back(wanted);
  return it->second.get();
}

void FlagSet::add_stub_source(StubSource& source) {
  const std::scoped_lock hold(impl_->lock);
  impl_->sources.push_back(&source);
}

void FlagSet::remove_stub_source(StubSource& source) {
  const std::scoped_lock hold(impl_->lock);
  std::erase(impl_->sources, &source);
}

std::optional<FlagValue> FlagSet::value(std::string_view key) const {
  const std::scoped_lock hold(impl_->lock);
  return impl_->now(key).value;
}

std::vector<std::string> FlagSet::keys() const {
  const std::scoped_lock hold(impl_->lock);
  std::set<std::string> keys;
  for (const auto& entry : impl_->document.flags) keys.insert(entry.first);
  for (const auto& entry : impl_->overrides) keys.insert(entry.first);
  return {keys.begin(), keys.end()};
}

std::vector<std::string> FlagSet::demoted() const {
  const std::scoped_lock hold(impl_->lock);
  std::vector<std::string> keys;
  for (const auto& [key, flag] : impl_->flags) {
    if (flag->state_->demoted()) keys.push_back(key);
  }
  return keys;
}

std::vector<std::string> FlagSet::take_warnings() {
  const std::scoped_lock hold(impl_->lock);
  std::vector<std::string> warnings;
  for (const auto& [key, flag] : impl_->flags) {
    if (impl_->now(key).value) {
      impl_->reported_unread.erase(key);
      continue;
    }
    if (!impl_->reported_unread.insert(key).second) continue;
    const auto definition = impl_->document.flags.find(key);
    const bool defined = definition != impl_->document.flags.end();
    if (defined && definition->second.enabled) continue;  // an Object or without a default: the load has warned
    const Reader& reader = flag->state_->readers.front();
    warnings.push_back(fmt::format("{}flag {}, which {} reads, is {}: it reads as {}",
                                   impl_->document.source.empty() ? "" : impl_->document.source + ": ", in_quotes(key),
                                   reader.name, defined ? "DISABLED" : "not defined",
                                   reader.type == FlagType::String ? "the empty string" : "zero"));
  }
  return warnings;
}

}  // namespace shunt::flags
