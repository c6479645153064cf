// One flag of a document while it is read: what its members and variants say, and what is wrong with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/flags/definition.h"
#include "shunt/error.h"

namespace shunt::flags {

using Scalar = std::variant<std::nullptr_t, bool, std::int64_t, double, std::string>;

// What is said of a document: the first error, which ends the reading, and warnings. All handlers of events return
// whether to go on.
class Findings {
 public:
  explicit Findings(std::string_view source) : source_(source) {}

  bool fail(unsigned line, std::string_view what);
  bool fail_flag(std::string_view key, unsigned line, std::string_view what);
  bool fail(Error error) {
    error_ = std::move(error);
    return false;
  }
  void warn_flag(std::string_view key, unsigned line, std::string_view what);

  [[nodiscard]] const std::string& source() const { return source_; }
  [[nodiscard]] std::optional<Error>& error() { return error_; }
  [[nodiscard]] std::vector<std::string>& warnings() { return warnings_; }

 private:
  std::string source_;
  std::optional<Error> error_;
  std::vector<std::string> warnings_;
};

class FlagReader {
 public:
  explicit FlagReader(Findings& findings) : findings_(findings) {}

  bool begin(std::string_view key, unsigned line);
  // The name of a member, whose value follows.
  bool member(std::string_view name, unsigned line);
  // A member that is not an object or an array, or is one where none belongs (then `value` is any non-string).
  bool value(const Scalar& value);
  // 'variants' is an object: its members follow.
  void begin_variants() { has_variants_ = true; }
  bool variant(std::string_view name, unsigned line);
  bool variant_value(Scalar value);
  bool object_variant() { return add(Kind::Object, false); }
  bool variant_is_array();
  bool variant_is_too_large(std::string_view number);
  // The last variant's: an object's.
  void set_text(std::string_view text) { flag_.variants.back().value = std::string(text); }
  void set_metadata(std::string_view text) { flag_.metadata = text; }
  // All members were there. `has_rule`: 'targeting' is one.
  bool finish(bool has_rule);
  [[nodiscard]] Definition take() { return std::move(flag_); }

  bool fail(unsigned line, std::string_view what) { return findings_.fail_flag(key_, line, what); }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] unsigned line() const { return flag_.line; }
  [[nodiscard]] const std::string& member_name() const { return member_; }
  [[nodiscard]] unsigned member_line() const { return member_line_; }

 private:
  bool add(Kind kind, FlagValue value);

  Findings& findings_;
  std::string key_;
  Definition flag_;
  bool has_state_ = false, has_variants_ = false, has_default_ = false, has_targeting_ = false;
  std::optional<std::string> default_name_;
  unsigned default_line_ = 0;
  std::string member_;        // or 'variants' of it that is being read
  unsigned member_line_ = 0;  // or the variant's
  std::string variant_name_;
};

}  // namespace shunt::flags
