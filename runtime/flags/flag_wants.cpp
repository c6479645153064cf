// Who reads the flags of a set, and what does not fit them.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/flags/flag_state.h"
#include "runtime/flags/reading.h"
#include "runtime/flags/set_state.h"

namespace shunt::flags {

ImportName split_import_name(std::string_view import_name) noexcept {
  const std::size_t equals = import_name.find('=');
  if (equals == std::string_view::npos) return {import_name, {}};
  return {import_name.substr(0, equals), import_name.substr(equals + 1)};
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
    flag->state_->write(flag->state_->cells_for(impl_->now(name.key)));
    it = impl_->flags.emplace(std::string(name.key), std::move(flag)).first;
  }
  std::vector<Reader>& readers = it->second->state_->readers;
  if (std::ranges::find(readers, wanted) == readers.end()) readers.push_back(wanted);
  return it->second.get();
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
