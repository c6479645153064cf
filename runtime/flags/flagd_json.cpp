// flagd's JSON, read by events (SAX), so that every message can name its line and a document of any depth needs no
// recursion.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/flags/definition.h"
#include "runtime/flags/flag_reader.h"
#include "runtime/flags/flag_rules.h"
#include "runtime/flags/passage.h"
#include "runtime/flags/targeting/rule.h"
#include "runtime/flags/text_position.h"

namespace shunt::flags {
namespace {

// The events' receiver. Every handler returns whether to go on; the first error ends the parse.
class DocumentReader {
 public:
  // The names that the parser's interface asks for.
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  DocumentReader(std::string_view text, std::string_view source, Position& position)
      : text_(text), position_(position), findings_(source), flag_(findings_) {}

  bool null() { return scalar(nullptr); }
  bool boolean(bool value) { return scalar(value); }
  bool number_integer(number_integer_t value) { return scalar(static_cast<std::int64_t>(value)); }
  bool number_unsigned(number_unsigned_t value) {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max())) {
      return too_large(fmt::format("{}", value));
    }
    return scalar(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t value, const string_t& text) {
    // An integer too large for 64 bits arrives rounded.
    if (text.find_first_of(".eE") == std::string::npos) return too_large(text);
    return scalar(value);
  }
  bool string(string_t& value) { return scalar(std::move(value)); }
  bool binary(binary_t&) { return false; }  // not in JSON text

  bool start_object(std::size_t);
  bool end_object();
  bool key(string_t& name);
  bool start_array(std::size_t);
  bool end_array();
  bool parse_error(std::size_t position, const std::string& last_token, const nlohmann::json::exception& error);

  Result<Document> finish();

 private:
  enum class At : std::uint8_t { Start, Root, Flags, Flag, Variants, End };

  bool too_large(std::string_view number);
  bool skip();
  bool pass_open();
  bool pass_close();
  bool pass_name(const std::string& name);
  // Of the root or of a flag: the member that is being read.
  [[nodiscard]] const std::string& member() const { return at_ == At::Flag ? flag_.member_name() : member_; }
  [[nodiscard]] bool is_rule() const { return member() == (at_ == At::Flag ? "targeting" : "$evaluators"); }
  bool fail(std::string_view what) {
    return at_ == At::Flag ? flag_.fail(position_.line(), what) : findings_.fail(position_.line(), what);
  }
  bool flag_aggregate();
  bool scalar(Scalar value);
  bool key_in_flags(std::string_view name);
  bool finish_flag();

  std::string_view text_;
  Position& position_;
  Findings findings_;
  FlagReader flag_;
  Document document_;

  At at_ = At::Start;
  Passage passage_;  // a value that is read later, or not at all
  bool seen_flags_ = false, seen_evaluators_ = false;
  std::vector<RuleText> rules_;
  std::string_view evaluators_;
  std::string member_;  // of the root
  unsigned member_line_ = 0;
};

bool DocumentReader::too_large(std::string_view number) {
  if (passage_.is_open() || at_ != At::Variants) return scalar(0.0);
  return flag_.variant_is_too_large(number);
}

// Passes over a value that is an object or an array, which has just begun. Rules are nested two deep for each
// operation.
bool DocumentReader::skip() {
  passage_.begin(position_.offset() - 1, at_ != At::Variants && is_rule() ? 2 * targeting::max_depth + 2 : 0);
  return true;
}

// An object or an array as a member of a flag, other than an object as 'variants'.
bool DocumentReader::flag_aggregate() {
  const std::string& name = flag_.member_name();
  if (name == "state" || name == "variants" || name == "defaultVariant") return flag_.value(false);
  return skip();
}

bool DocumentReader::pass_open() {
  if (passage_.open()) return true;
  return fail(fmt::format("'{}' is nested deeper than {}: make it flatter", member(), 2 * targeting::max_depth + 2));
}

bool DocumentReader::pass_name(const std::string& name) {
  if (passage_.name(name)) return true;
  return fail(fmt::format("'{}' has a member {} twice in one object: remove one", member(), in_quotes(name)));
}

// Keeps what is needed of the passage when it is over.
bool DocumentReader::pass_close() {
  if (!passage_.close()) return true;
  const std::string_view text = passage_.text(text_, position_.offset());
  const bool is_object = text.starts_with('{');
  if (at_ == At::Variants) {
    flag_.set_text(text);
  } else if (at_ == At::Flag && member() == "targeting") {
    if (is_object && text.find_first_not_of("{} \t\r\n") != std::string_view::npos) {
      rules_.push_back({flag_.key(), text, flag_.member_line()});
    } else if (!is_object && text.find_first_not_of("[] \t\r\n") != std::string_view::npos) {
      return flag_.fail(flag_.member_line(), "'targeting' is not an object: write a rule, {\"if\": [...]}");
    }
  } else if (at_ == At::Root && member_ == "$evaluators") {
    if (!is_object)
      return findings_.fail(member_line_, "'$evaluators' is not an object: write one with a member for each evaluator");
    evaluators_ = text;
  } else if (member() == "metadata" && is_object) {
    if (at_ == At::Flag) {
      flag_.set_metadata(text);
    } else {
      document_.metadata = text;
    }
  }
  return true;
}

bool DocumentReader::start_object(std::size_t) {
  if (passage_.is_open()) return pass_open();
  switch (at_) {
    case At::Start:
      at_ = At::Root;
      return true;
    case At::Root:
      if (member_ != "flags") return skip();
      at_ = At::Flags;
      return true;
    case At::Flags:
      at_ = At::Flag;
      return true;
    case At::Flag:
      if (flag_.member_name() == "variants") {
        flag_.begin_variants();
        at_ = At::Variants;
        return true;
      }
      return flag_aggregate();
    case At::Variants:
      return flag_.object_variant() && skip();
    case At::End:
      break;
  }
  return true;
}

bool DocumentReader::end_object() {
  if (passage_.is_open()) return pass_close();
  switch (at_) {
    case At::Variants:
      at_ = At::Flag;
      return true;
    case At::Flag:
      at_ = At::Flags;
      return finish_flag();
    case At::Flags:
      at_ = At::Root;
      return true;
    default:
      at_ = At::End;
      return true;
  }
}

bool DocumentReader::start_array(std::size_t) {
  if (passage_.is_open()) return pass_open();
  switch (at_) {
    case At::Start:
      return findings_.fail(position_.line(), "the document is an array: write an object with a member 'flags'");
    case At::Root:
      if (member_ != "flags") return skip();
      return findings_.fail(member_line_, "'flags' is an array: write an object with one member for each flag");
    case At::Flags:
      return flag_.fail(flag_.line(), "it is an array: write an object with 'state', 'variants' and 'defaultVariant'");
    case At::Flag:
      return flag_aggregate();
    case At::Variants:
      return flag_.variant_is_array();
    case At::End:
      break;
  }
  return true;
}

bool DocumentReader::end_array() {
  return pass_close();  // arrays occur only in what is skipped
}

bool DocumentReader::key(string_t& name) {
  if (passage_.is_open()) return pass_name(name);
  switch (at_) {
    case At::Root:
      member_ = std::move(name);
      member_line_ = position_.line();
      if (member_ == "flags" && std::exchange(seen_flags_, true)) {
        return findings_.fail(member_line_, "'flags' is there twice: merge the two");
      }
      if (member_ == "$evaluators" && std::exchange(seen_evaluators_, true)) {
        return findings_.fail(member_line_, "'$evaluators' is there twice: merge the two");
      }
      return true;
    case At::Flags:
      return key_in_flags(name);
    case At::Flag:
      return flag_.member(name, position_.line());
    case At::Variants:
      return flag_.variant(name, position_.line());
    default:
      return true;
  }
}

bool DocumentReader::key_in_flags(std::string_view name) {
  if (!flag_.begin(name, position_.line())) return false;
  const auto first = document_.flags.find(name);
  if (first == document_.flags.end()) return true;
  return flag_.fail(flag_.line(), fmt::format("it is defined twice, first in line {}: remove one", first->second.line));
}

bool DocumentReader::scalar(Scalar value) {
  if (passage_.is_open()) return true;
  switch (at_) {
    case At::Start:
      return findings_.fail(position_.line(), "the document is not an object: write an object with a member 'flags'");
    case At::Root:
      if (member_ == "$evaluators" && !std::holds_alternative<std::nullptr_t>(value)) {
        return findings_.fail(member_line_,
                              "'$evaluators' is not an object: write one with a member for each evaluator");
      }
      return member_ != "flags" ||
             findings_.fail(member_line_, "'flags' is not an object: write an object with one member for each flag");
    case At::Flags:
      return flag_.fail(flag_.line(),
                        "it is not an object: write an object with 'state', 'variants' and 'defaultVariant'");
    case At::Flag:
      return flag_.value(value);
    case At::Variants:
      return flag_.variant_value(std::move(value));
    case At::End:
      break;
  }
  return true;
}

bool DocumentReader::finish_flag() {
  if (!flag_.finish(!rules_.empty() && rules_.back().flag == flag_.key())) return false;
  document_.flags.emplace(flag_.key(), flag_.take());
  return true;
}

bool DocumentReader::parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) {
  // `position` counts the characters taken, the offending one included.
  const std::string_view before = text_.substr(0, std::min(position == 0 ? 0 : position - 1, text_.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;

  // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while …": what follows the place.
  std::string_view what = error.what();
  if (const auto bracket = what.find("] "); bracket != std::string_view::npos) what.remove_prefix(bracket + 2);
  if (what.starts_with("parse error at")) {
    if (const auto colon = what.find(": "); colon != std::string_view::npos) what.remove_prefix(colon + 2);
  }
  constexpr std::size_t shown = 200;
  return findings_.fail(
      make_error(ErrorCode::BadFlags,
                 fmt::format("{}:{}:{}: not valid JSON: {}{}", findings_.source(), line, before.size() - line_start + 1,
                             what.substr(0, shown), what.size() > shown ? "..." : "")));
}

Result<Document> DocumentReader::finish() {
  if (findings_.error()) return std::move(*findings_.error());
  if (!seen_flags_) {
    static_cast<void>(
        findings_.fail(1, "the document has no 'flags': add \"flags\": {}, with one member for each flag"));
    return std::move(*findings_.error());
  }
  document_.source = findings_.source();
  document_.warnings = std::move(findings_.warnings());
  if (Status done = add_rules(document_, rules_, evaluators_); !done) return done.error();
  return std::move(document_);
}

}  // namespace

Result<Document> parse_flagd(std::string_view json, std::string_view source) {
  Position position(json);
  DocumentReader reader(json, source, position);
  nlohmann::json::sax_parse(CountingIterator(json.data(), position),
                            CountingIterator(json.data() + json.size(), position), &reader);
  return reader.finish();
}

}  // namespace shunt::flags
