// The feature flags of an engine: definitions, and the keys whose sites read them.
//
// A flag is read in code as a patch site, by what the reader asks. A set holds one DemotableSwitch per flag and use:
//
//   use        0: falls through         1                      2                3 (Truth, Variant: 2)
//   Truth      the value is zero/false  anything else                           asks
//   Number     zero                     one (i32 only)         any other value  asks
//   Variant    variant not in force     `key=variant` in force                  asks
//
// "Asks": the evaluation contexts of those who read the flag differ in it, so the site goes to a stub that loads what
// the reader's own context gives (shunt/runtime/flag_view.h). In all other states a flag has one value for everybody.
//
// A flag that changes more often than EngineOptions::flip_limit is demoted: its sites go to stubs that load the value,
// so that a change rewrites nothing, until it is calm again (shunt/demotable_key.h). Strings are read by a call.
// Loading a definition changes every key that it affects in one patch batch. docs/flags.md describes the file format
// and when a reader sees a change.
//
// Rules of a definition (targeting) are evaluated when the definitions or a context change, and each second if they ask
// for the time: never when a flag is read. So a flag that has rules costs its readers what any other costs, unless
// their contexts differ in it; then it costs a load.
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

namespace shunt::flags {

// The type that a reader asked for. I32 reads booleans and integers.
enum class FlagType : std::uint8_t { I32, I64, F64, String };

using FlagValue = std::variant<bool, std::int64_t, double, std::string>;

// Why a flag has its value, and what was wrong if it has none, as OpenFeature names them.
enum class Reason : std::uint8_t {
  Static,          // the flag has no rules
  Default,         // its rules chose nothing, or it has no default variant and no rules
  TargetingMatch,  // its rules chose
  Disabled,
  Error,
};
enum class EvaluationError : std::uint8_t {
  None,
  FlagNotFound,
  ParseError,      // of the definitions
  TypeMismatch,    // the value is of another type than was asked for
  InvalidContext,  // no JSON object, too large, or its targetingKey is no string
  General,         // the rules gave no variant of the flag, or took too long
};
[[nodiscard]] std::string_view to_string(Reason reason);          // "TARGETING_MATCH"
[[nodiscard]] std::string_view to_string(EvaluationError error);  // "FLAG_NOT_FOUND"; empty for None

// Whether a flag has one value for everybody.
enum class Targeting : std::uint8_t {
  None,    // it has no rules, or they decide the same for every context, or it was set
  Agreed,  // rules decide, and all contexts in use alike: its sites hold the value
  Differs  // rules decide, and not alike: its sites ask
};

// What a flag is for one context.
struct Evaluation {
  std::optional<FlagValue> value;  // empty: the reader's own default is to be used
  bool is_object = false;          // the value is an object's JSON text
  std::string variant;             // empty if none
  Reason reason = Reason::Error;
  EvaluationError error = EvaluationError::None;
  std::string message;  // of an error
};

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
  // to it never reads an older value than the site's own. While contexts differ in the flag it keeps the last value
  // that all had. Lock-free; the address lives as long as the flag, so machine code may read it.
  [[nodiscard]] const std::atomic<std::uint64_t>& bits(FlagType type) const noexcept;
  // The same for a variant: 1 while it is in force, else 0. Takes a lock.
  [[nodiscard]] const std::atomic<std::uint64_t>& variant_bits(std::string_view variant_name);

  // The string in force (empty if absent or not a string); while contexts differ, the last one that all had.
  // Thread-safe; takes a lock for as long as the pointer is copied.
  [[nodiscard]] std::shared_ptr<const std::string> text() const;

  // Keys, made at first use under the set's lock, with the state of the value in force; then constant, and found
  // without a lock (variant() takes it each time). Off while the flag is absent. They end with the set, so code that
  // has sites of them must end before it. The stub of a demoted site loads bits() or variant_bits(), with acquire.
  // Thread-safe; may block. Throw only what allocations throw.
  DemotableSwitch& truth();  // sites that only ask zero or not: off for false, 0, 0.0, -0.0 and the empty string
  DemotableSwitch& number(FlagType type);  // 0: all bits are zero (-0.0 is not), 1: I32 and the value is 1, 2: any
                                           // other. One key per type. Precondition: type != String
  DemotableSwitch& variant(std::string_view variant_name);

  // The value of a key whose sites ask.
  static constexpr unsigned truth_asks = 2, number_asks = 3;

  // Whether the engine has a flip limit: else no key of the flag is ever demoted, and sites need no stub for it.
  [[nodiscard]] bool may_be_demoted() const noexcept;

 private:
  friend class FlagSet;
  friend class FlagView;
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
  // The same for the values in force, when the source is added.
  virtual Status begin(PatchBatch& /*batch*/) { return Ok{}; }
  virtual Status prepare(PatchBatch& batch, Flag& flag, FlagType type, std::uint64_t bits) = 0;
};

struct LoadReport {
  std::vector<std::string> changed;   // keys of flags whose value or variant changed for some context, sorted
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

  // The evaluation context of all who read this set's flags: a JSON object, empty text for none (OpenFeature calls it
  // the global context). A reader may have one of its own, whose members are put over it (FlagView::set_context()).
  // Rules ("targeting") are evaluated for it; the flags that they decide otherwise now change in one batch. Errors:
  // InvalidArgument (not an object, its targetingKey no string, too large), else as load_json(). Thread-safe; blocks.
  Result<LoadReport> set_context(std::string_view json);

  // What a flag is for the set's context with the members of `context` put over it; of a flag that set() overrides, the
  // value with Reason::Static. Never blocks longer than a load. Thread-safe.
  [[nodiscard]] Evaluation evaluate(std::string_view key, std::string_view context = {}) const;

  // Called with the keys of flags that changed, after each commit that changed some, on the thread that made it, under
  // the set's lock: must not call the set, begin or end an instance that reads its flags, or throw. One at a time;
  // empty: none.
  using ChangeCallback = std::function<void(const std::vector<std::string>& keys)>;
  void on_change(ChangeCallback callback);

  // Declares that someone reads the flag `import_name` ("key" or "key=variant") as `type`, for as long as the set
  // lives; `reader` is for messages (a module's file). Errors: BadFlags when the flag is defined with a type that does
  // not fit, or without that variant, when `key=variant` is read as another type than I32, and for a name that lacks
  // its key or its variant. The flag may be absent: reads give zero until it is defined. Thread-safe; may block.
  Result<Flag*> want(std::string_view import_name, FlagType type, std::string_view reader);

  // A source is told of every load until it is removed; when remove_stub_source() has returned, it is not called any
  // more. Errors, of add_stub_source(): the source's, or the commit's; then it is not added. Thread-safe; block while a
  // load is in progress.
  Status add_stub_source(StubSource& source);
  void remove_stub_source(StubSource& source);

  // The value in force for the set's context, empty if absent or DISABLED.
  [[nodiscard]] std::optional<FlagValue> value(std::string_view key) const;
  // Whether rules decide the flag, and whether the contexts in use differ in it. Thread-safe; blocks while a load is in
  // progress.
  [[nodiscard]] Targeting targeting(std::string_view key) const;
  // The flags that are defined (DISABLED ones too) or set, sorted.
  [[nodiscard]] std::vector<std::string> keys() const;
  // The flags of which a key is demoted now, sorted.
  [[nodiscard]] std::vector<std::string> demoted() const;

  // Warnings about wanted flags that are absent, DISABLED or unreadable: one each time that a flag comes to be so, and
  // only once.
  [[nodiscard]] std::vector<std::string> take_warnings();

 private:
  friend class Flag;
  friend class FlagView;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace shunt::flags
