// Any text as flag definitions, contexts and changed definitions: refused with a message and without effect, or in
// force as every reader sees it.
//
// The parts are separated by byte 0x1e: definitions, contexts, and last the definitions that replace the first ones.
#include <cmath>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shunt/engine.h"
#include "shunt/runtime/flags.h"
#include "tests/fuzz/bytes.h"
#include "tests/fuzz/target.h"

namespace shunt::fuzz {
namespace {

using flags::Evaluation;
using flags::EvaluationError;
using flags::FlagSet;
using flags::FlagType;
using flags::FlagValue;

constexpr char separator = 0x1e;
constexpr unsigned inputs_of_an_engine = 512;

// What a set says of itself.
struct Seen {
  std::vector<std::string> keys;
  std::vector<std::optional<FlagValue>> values;
};
Seen look(const FlagSet& set) {
  Seen seen{set.keys(), {}};
  for (const std::string& key : seen.keys) seen.values.push_back(set.value(key));
  return seen;
}
bool same(const std::optional<FlagValue>& a, const std::optional<FlagValue>& b) {
  if (a.has_value() != b.has_value()) return false;
  if (!a) return true;
  if (const auto* one = std::get_if<double>(&*a); one != nullptr && std::isnan(*one)) return a->index() == b->index();
  return *a == *b;
}
bool same(const Seen& a, const Seen& b) {
  if (a.keys != b.keys) return false;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    if (!same(a.values[i], b.values[i])) return false;
  }
  return true;
}

void check(const Evaluation& evaluation) {
  const bool failed = evaluation.error != EvaluationError::None;
  if (failed != (evaluation.reason == flags::Reason::Error)) give_up("an error without its reason, or the reverse");
  if (failed && evaluation.value) give_up("an error with a value");
  if (failed && evaluation.message.empty()) give_up("an error without a message");
  if (evaluation.value && evaluation.variant.empty() && evaluation.reason != flags::Reason::Static &&
      evaluation.reason != flags::Reason::TargetingMatch && evaluation.reason != flags::Reason::Default) {
    give_up("a value of no variant");
  }
}

class Session {
 public:
  Session(Engine& engine, std::string_view input)
      : set_(engine), parts_(split(input, separator)), has_time_(input.find("timestamp") != std::string_view::npos) {}

  void run() {
    read();
    if (!load(parts_.front())) return;
    for (std::size_t i = 1; i < parts_.size(); ++i) with_context(parts_[i]);
    const Seen before = look(set_);
    if (!has_time_) {
      const auto again = set_.load_json(parts_.front(), "fuzz.json");
      if (!again || !again->changed.empty()) give_up("the same definitions are a change");
    }
    if (parts_.size() == 1) return;
    if (!load(parts_.back()) && !has_time_ && !same(before, look(set_))) {
      give_up("definitions that were refused had an effect");
    }
  }

 private:
  // Somebody reads these, as modules do.
  void read() {
    for (const auto& [name, type] : {std::pair("a", FlagType::I32), std::pair("b", FlagType::F64),
                                     std::pair("c", FlagType::String), std::pair("d=on", FlagType::I32)}) {
      if (auto flag = set_.want(name, type, "fuzz.wasm"); !flag) give_up(flag.error().message());
    }
    a_ = *set_.want("a", FlagType::I32, "fuzz.wasm");
    static_cast<void>(a_->number(FlagType::I32));
    static_cast<void>(a_->truth());
  }

  bool load(std::string_view text) {
    const auto report = set_.load_json(text, "fuzz.json");
    static_cast<void>(set_.take_warnings());
    if (!report) {
      if (report.error().code() != ErrorCode::BadFlags) give_up(report.error().message());
      if (!report.error().message().starts_with("fuzz.json")) give_up("a message without its place");
      return false;
    }
    for (const std::string& key : set_.keys()) {
      const Evaluation now = set_.evaluate(key);
      check(now);
      if (!has_time_ && !now.is_object && !same(now.value, set_.value(key))) give_up("two answers for one flag");
    }
    const auto value = set_.value("a");
    if (value && !has_time_ && std::holds_alternative<bool>(*value)) {
      if (a_->bits(FlagType::I32).load() != (std::get<bool>(*value) ? 1U : 0U)) give_up("guests read another value");
      if ((a_->truth().value() == 1) != std::get<bool>(*value)) give_up("guests' sites say another value");
    }
    return true;
  }

  void with_context(std::string_view context) {
    for (const std::string& key : set_.keys()) check(set_.evaluate(key, context));
    if (const auto report = set_.set_context(context); !report && report.error().message().empty()) {
      give_up("a context was refused without a message");
    }
    for (const std::string& key : set_.keys()) check(set_.evaluate(key));
  }

  FlagSet set_;
  std::vector<std::string_view> parts_;
  bool has_time_;
  flags::Flag* a_ = nullptr;
};

}  // namespace
}  // namespace shunt::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shunt;
  static std::unique_ptr<Engine> engine;
  static unsigned used = 0;
  if (used++ % fuzz::inputs_of_an_engine == 0) {
    engine.reset();
    auto created = Engine::create({.code_reservation = std::size_t{1} << 20});
    if (!created) fuzz::give_up(created.error().message());
    engine = std::move(*created);
  }
  fuzz::Session(*engine, std::string_view(reinterpret_cast<const char*>(data), size)).run();
  return 0;
}
