// The feature flags of an engine: definitions, and the keys whose sites read them.
//
// A flag is read in code as a patch site, by what the reader asks (FlagUse). A set holds one key per flag and use:
//
//   use        key            off (falls through)        on                       stub
//   Truth      StaticKey      the value is zero/false    anything else            -
//   Number     StaticSwitch   zero                       one (i32 only)           any other value, from the site's stub
//   Variant    StaticKey      variant not in force       `key=variant` in force   -
//
// Strings are read by a call. Loading a definition changes every key that it affects in one patch batch.
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

#include "shunt/engine.h"
#include "shunt/error.h"
#include "shunt/patch_batch.h"
#include "shunt/static_key.h"

namespace shunt::flags {

// The type that a reader asked for. I32 reads booleans and integers.
enum class FlagType : std::uint8_t { I32, I64, F64, String };

using FlagValue = std::variant<bool, std::int64_t, double, std::string>;

class FlagSet;

// One flag of a set. Its address is stable as long as the set lives.
class Flag {
 public:
  Flag(const Flag&) = delete;
  Flag& operator=(const Flag&) = delete;

  [[nodiscard]] const std::string& key() const noexcept { return key_; }

  // The value in force as the bits that a guest reads (i32 zero-extended, i64, or f64's bit pattern). Written before the sites of
  // a batch change, so code that a site sends to it never reads an older value than the site's own. Lock-free.
  [[nodiscard]] const std::atomic<std::uint64_t>& bits(FlagType type) const noexcept;

  // The string in force (empty if absent or not a string). Thread-safe; takes a lock for as long as the pointer is copied.
  [[nodiscard]] std::shared_ptr<const std::string> text() const;

  // Keys, made at first use under the set's lock, then constant. Off while the flag is absent.
  StaticKey& truth();                              // sites that only ask zero or not
  StaticSwitch& number(FlagType type);             // 3 states: 0 off, 1 on (I32: the value is 1), 2 stub. One key per type
  StaticKey& variant(std::string_view variant_name);

 private:
  friend class FlagSet;
  struct State;
  Flag(FlagSet& set, std::string key);
  std::string key_;
  std::unique_ptr<State> state_;
};

// Told under the set's lock when `number(type)` of a flag is about to take `bits` in state 2, so that its sites' stubs can be
// retargeted in the same batch (PatchBatch::retarget).
class StubSource {
 public:
  virtual ~StubSource() = default;
  virtual Status prepare(PatchBatch& batch, Flag& flag, FlagType type, std::uint64_t bits) = 0;
};

struct LoadReport {
  std::vector<std::string> changed;   // keys of flags whose value in force changed
  std::vector<std::string> warnings;  // one line each
  CommitReport commit;
  std::uint64_t parse_ns = 0;
};

class FlagSet {
 public:
  explicit FlagSet(Engine& engine);
  ~FlagSet();
  FlagSet(const FlagSet&) = delete;
  FlagSet& operator=(const FlagSet&) = delete;

  // Replaces the definitions by those of a flagd JSON document; changes all keys in one batch. `source` is for messages (a file's
  // path). Errors: BadFlags (message: source, line, flag, what, remedy), then everything stays as it was. Thread-safe; blocks.
  Result<LoadReport> load_json(std::string_view json, std::string_view source);

  // Overrides one flag until the next load_json: for hosts that decide themselves. Errors: BadFlags if a reader asked for another
  // type. Thread-safe; blocks.
  Result<LoadReport> set(std::string_view key, FlagValue value);

  // Declares that someone reads the flag `import_name` ("key" or "key=variant") as `type`. Errors: BadFlags when the flag is
  // defined with a type that does not fit. The flag may be absent: reads give zero until it is defined.
  Result<Flag*> want(std::string_view key, FlagType type, std::string_view reader);

  void add_stub_source(StubSource& source);
  void remove_stub_source(StubSource& source);

  // The value in force, empty if absent or DISABLED.
  [[nodiscard]] std::optional<FlagValue> value(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> keys() const;

  // Warnings about wanted flags that are absent or DISABLED, each given once.
  [[nodiscard]] std::vector<std::string> take_warnings();

 private:
  friend class Flag;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace shunt::flags
