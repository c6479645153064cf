#include "shunt/runtime/flags.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "runtime/flags/evaluation.h"
#include "runtime/flags/flag_state.h"
#include "runtime/flags/reading.h"
#include "runtime/flags/set_state.h"

namespace shunt::flags {

FlagSet::FlagSet(Engine& engine) : impl_(std::make_unique<Impl>(engine)) {}
FlagSet::~FlagSet() {
  impl_->clock.stop();
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

  if (Status followed = impl_->follow_time(*parsed); !followed) return followed.error();

  const Overrides none;
  bool in_force = false;
  Result<LoadReport> report = impl_->change(impl_->with(*parsed, none), keys, in_force);
  if (!in_force) return report;
  impl_->document = std::move(*parsed);
  impl_->overrides.clear();
  std::set<std::string> given;
  std::vector<std::string> fresh;
  std::vector<std::string> all = impl_->document.warnings;
  if (report) all.insert(all.end(), report->warnings.begin(), report->warnings.end());
  for (const std::string& warning : all) {
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
  Result<LoadReport> report = impl_->change(impl_->with(impl_->document, next), {std::string(key)}, in_force);
  if (in_force) impl_->overrides = std::move(next);
  return report;
}

Result<LoadReport> FlagSet::set_context(std::string_view json) {
  Result<Context> next = Context::parse(json);
  if (!next) return next.error();
  const std::scoped_lock hold(impl_->lock);
  std::set<std::string> keys;
  for (const auto& [key, unused] : impl_->targeted) keys.insert(key);
  bool in_force = false;
  Result<LoadReport> report =
      impl_->change({impl_->document, impl_->overrides, next->json(), seconds_now()}, keys, in_force);
  if (in_force) impl_->context = std::move(*next);
  return report;
}

Evaluation FlagSet::evaluate(std::string_view key, std::string_view context) const {
  Evaluation out;
  const Result<Context> own = Context::parse(context);
  if (!own) {
    out.error = EvaluationError::InvalidContext;
    out.message = own.error().message();
    return out;
  }
  const std::scoped_lock hold(impl_->lock);
  if (const auto set = impl_->overrides.find(key); set != impl_->overrides.end()) {
    const InForce now = impl_->now(key);
    out.value = now.value;
    out.variant = now.variant;
    out.reason = Reason::Static;
    return out;
  }
  const auto definition = impl_->document.flags.find(key);
  if (definition == impl_->document.flags.end()) {
    out.error = EvaluationError::FlagNotFound;
    out.message = fmt::format("flag {} is not defined", in_quotes(key));
    return out;
  }
  const Context merged = impl_->context.with(*own);
  return flags::evaluate(key, definition->second, merged.json(), seconds_now());
}

void FlagSet::on_change(ChangeCallback callback) {
  const std::scoped_lock hold(impl_->lock);
  impl_->on_change = std::move(callback);
}

Status FlagSet::add_stub_source(StubSource& source) {
  const std::scoped_lock hold(impl_->lock);
  PatchBatch batch(impl_->engine);
  if (Status begun = source.begin(batch); !begun) return begun;
  impl_->sources.push_back(&source);
  const Result<CommitReport> committed = batch.commit();
  if (committed) return Ok{};
  impl_->sources.pop_back();
  return committed.error();
}

void FlagSet::remove_stub_source(StubSource& source) {
  const std::scoped_lock hold(impl_->lock);
  std::erase(impl_->sources, &source);
}

std::optional<FlagValue> FlagSet::value(std::string_view key) const {
  const std::scoped_lock hold(impl_->lock);
  return impl_->now(key).value;
}

Targeting FlagSet::targeting(std::string_view key) const {
  const std::scoped_lock hold(impl_->lock);
  if (!Impl::is_targeted(impl_->with(impl_->document, impl_->overrides), key)) return Targeting::None;
  const auto flag = impl_->flags.find(key);
  const bool differs = flag != impl_->flags.end() && flag->second->state_->asks.load(std::memory_order_relaxed);
  return differs ? Targeting::Differs : Targeting::Agreed;
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

}  // namespace shunt::flags
