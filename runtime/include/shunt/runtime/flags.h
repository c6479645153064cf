// The feature flags of an engine: definitions, and the keys whose sites read them.
//
// A flag is read in code as a patch site, by what the reader asks (FlagUse). A set holds one key per flag and use:
//
//   use        key            off (falls through)        on                       stub
//   Truth      DemotableKey      the value is zero/false   anything else           the value, loaded: while demoted
//   Number     DemotableSwitch   zero                      one (i32 only)          any other value; loaded: while
//   demoted Variant    DemotableKey      variant not in force      `key=variant` in force  whether it is, loaded: while
//   demoted
//
// A flag that changes more often than EngineOptions::flip_limit is demoted: its sites go to stubs that load, so that a
// change rewrites nothing, until it is calm again (shunt/demotable_key.h). Strings are read by a call. Loading a
// definition changes every key that it affects in one patch batch. docs/flags.md describes the file format and when a
// reader sees a change.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shunt/demotable_key.h"
#include "shunt/engine.h"
#include "shunt/error.h"
#include "shunt/patch_batch.h"
#include "shunt/static_key.h"

namespace shunt::flags {

// The type that a reader asked for. I32 reads booleans and integers.
enum class FlagType : std::uint8_t { I32, I64, F64, String };

using FlagValue = std::variant<bool, std::int64_t, double, std::string>;

// An import's name, taken apart at its first '=': "key", or "key=variant". A variant's name may hold '=', a key that is
// imported may not. The views point into `import_name`.
struct ImportName {
  std::string_view key;
  std::optional<std::string_view> variant;
};
[[nodiscard]] ImportName split_import_name(std::string_view import_name) noexcept;

class FlagSet;

// One flag of a set. Its address is stable as long as the set lives.
class Flag {
 public:
  Flag(const Flag&) = delete;
  Flag& operator=(const Flag&) = delete;
  ~Flag();

  [[nodiscard]] const std::string& key() const noexcept { return key_; }

  // The value in force as the bits that a guest reads (i32 zero-extended, i64, or f64's bit pattern); zero if the value
  // does not fit the type, and always for String. Written before the sites of a batch change, so code that a site sends
  // to it never reads an older value than the site's own. Lock-free; the address lives as long as the flag, so machine
  // code may read it.
  [[nodiscard]] const std::atomic<std::uint64_t>& bits(FlagType type) const noexcept;

  // The string in force (empty if absent or not a string). Thread-safe; takes a lock for as long as the pointer is
  // copied.
  [[nodiscard]] std::shared_ptr<const std::string> text() const;

  // Keys, made at first use under the set's lock, with the state of the value in force; then constant, and found
  // without a lock (variant() takes it each time). Off while the flag is absent. They end with the set, so code that
  // has sites of them must end before it. Thread-safe; may block. Throw only what allocations throw.
  DemotableKey& truth();  // sites that only ask zero or not: off for false, 0, 0.0, -0.0 and the empty string
  DemotableSwitch& number(FlagType type);  // 3 values: 0: all bits are zero (-0.0 is not), 1: I32 and the value is 1,
                                           // 2: any other. One key per type. The stub of a demoted site loads bits(),
                                           // with acquire. Precondition: type != String
  DemotableKey& variant(std::string_view variant_name);

  // Whether the engine has a flip limit: else no key of the flag is ever demoted, and sites need no stub for it.
  [[nodiscard]] bool may_be_demoted() const noexcept;

 private:
  friend class FlagSet;
  struct State;
  Flag(FlagSet& set, std::string key);
  std::string key_;
  std::unique_ptr<State> state_;
};

// Told under the set's lock when `number(type)` of a flag is about to take `bits` in state 2, so that its sites' stubs
// can be retargeted in the same batch (PatchBatch::retarget). May call bits() and number(type) of that flag, nothing
// else of the set; must not wait for a lock that someone holds while calling the set. An error makes the whole load
// fail, with that error.
class StubSource {
 public:
  virtual ~StubSource() = default;
  virtual Status prepare(PatchBatch& batch, Flag& flag, FlagType type, std::uint64_t bits) = 0;
};

struct LoadReport {
  std::vector<std::string> changed;   // keys of flags whose value or variant in force changed, sorted
  std::vector<std::string> warnings;  // one line each; a warning that the load before gave too is not repeated
  std::vector<std::string> demoted;   // keys of flags that were demoted by this change, sorted
  CommitReport commit;
  std::uint64_t parse_ns = 0;
};

// Thread-safe. One lock protects the definitions, the flags and the order of changes; it is held while a batch commits,
// so that cells and sites change in the same order everywhere.
class FlagSet {
 public:
  // `engine` must outlive the set.
  explicit FlagSet(Engine& engine);
  ~FlagSet();
  FlagSet(const FlagSet&) = delete;
  FlagSet& operator=(const FlagSet&) = delete;

  // Replaces the definitions by those of a flagd JSON document; changes all keys in one batch. `source` is for messages
  // (a file's path). Overrides made by set() end. Errors: BadFlags (message: source, line, flag, what, remedy), or what
  // PatchBatch::commit() returns; then everything stays as it was, except after SerialisationFailed: then the new
  // definitions are in force, and Engine::resynchronise() completes them. Thread-safe; blocks.
  Result<LoadReport> load_json(std::string_view json, std::string_view source);

  // Overrides one flag until the next load_json: for hosts that decide themselves. Defined or not, DISABLED or not: the
  // value is in force. So is the first variant of the definition that has this value, if there is one. Errors: BadFlags
  // if a reader asked for another type, else as load_json(). Thread-safe; blocks.
  Result<LoadReport> set(std::string_view key, FlagValue value);

  // Declares that someone reads the flag `import_name` ("key" or "key=variant") as `type`, for as long as the set
  // lives; `reader` is for messages (a module's file). Errors: BadFlags when the flag is defined with a type that does
  // not fit, or without that variant, when `key=variant` is read as another type than I32, and for a name that lacks
  // its key or its variant. The flag may be absent: reads give zero until it is defined. Thread-safe; may block.
  Result<Flag*> want(std::string_view import_name, FlagType type, std::string_view reader);

  // A source is told of every load until it is removed; when remove_stub_source() has returned, it is not called any
  // more. Thread-safe; block while a load is in progress.
  void add_stub_source(StubSource& source);
  void remove_stub_source(StubSource& source);

  // The value in force, empty if absent or DISABLED.
  [[nodiscard]] std::optional<FlagValue> value(std::string_view key) const;
  // The flags that are defined (DISABLED ones too) or set, sorted.
  [[nodiscard]] std::vector<std::string> keys() const;
  // The flags of which a key is demoted now, sorted.
  [[nodiscard]] std::vector<std::string> demoted() const;

  // Warnings about wanted flags that are absent, DISABLED or unreadable: one each time that a flag comes to be so, and
  // only once.
  [[nodiscard]] std::vector<std::string> take_warnings();

 private:
  friend class Flag;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace shunt::flags
