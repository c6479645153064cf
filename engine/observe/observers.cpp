#include "engine/observe/observers.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "engine/observe/gdb_jit.h"
#include "engine/observe/jitdump.h"
#include "engine/observe/perf_map.h"

namespace shunt::detail {
namespace {

// Tools read names by the line.
std::string one_line(std::string_view name) {
  std::string line(name);
  std::replace_if(line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r' || c == '\0'; }, ' ');
  return line;
}

Status check(const CodeSymbol& symbol, std::size_t code_size) {
  if (symbol.size != 0 && symbol.offset < code_size && symbol.size <= code_size - symbol.offset) return Ok{};
  return make_error(ErrorCode::InvalidArgument, "name: symbol \"" + std::string(symbol.name) + "\" of " +
                                                    std::to_string(symbol.size) + " bytes at offset " +
                                                    std::to_string(symbol.offset) + " does not lie in the code's " +
                                                    std::to_string(code_size) + " bytes");
}

}  // namespace

Status Observers::add(const ObserveOptions& options, InstructionSet instruction_set) {
  std::vector<std::unique_ptr<CodeObserver>> added;
  if (options.perf_map) {
    auto made = make_perf_map(options.perf_map_directory);
    if (!made) return made.error();
    added.push_back(std::move(*made));
  }
  if (options.jitdump) {
    auto made = make_jitdump(options.jitdump_directory, instruction_set, options.jitdump_follows_flips);
    if (!made) return made.error();
    added.push_back(std::move(*made));
  }
  if (options.gdb) added.push_back(make_gdb_jit(instruction_set));
  const std::lock_guard hold(lock_);
  for (auto& observer : added) observers_.push_back(std::move(observer));
  any_.store(!observers_.empty(), std::memory_order_relaxed);  // see any()
  return Ok{};
}

bool Observers::follow_flips() const {
  const std::lock_guard hold(lock_);
  return std::any_of(observers_.begin(), observers_.end(), [](const auto& o) { return o->follows_flips(); });
}

Status Observers::name(const std::uint8_t* begin, std::size_t size, std::span<const CodeSymbol> symbols) {
  if (!any()) return Ok{};
  try {
    NamedCode code{begin, static_cast<std::uint32_t>(size), {}};
    code.symbols.reserve(symbols.size());
    for (const CodeSymbol& symbol : symbols) {
      if (Status status = check(symbol, size); !status) return status;
      code.symbols.push_back({symbol.offset, symbol.size, one_line(symbol.name)});
    }
    const auto by_offset = [](const NamedSymbol& a, const NamedSymbol& b) { return a.offset < b.offset; };
    std::sort(code.symbols.begin(), code.symbols.end(), by_offset);
    const std::lock_guard hold(lock_);
    NamedCode& kept = codes_[begin] = std::move(code);
    for (const auto& observer : observers_) {
      if (Status status = observer->named(kept); !status) return status;
    }
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory, "no heap memory for the names of code");
  }
  return Ok{};
}

void Observers::rewritten(std::span<const std::uint8_t* const> sites) noexcept {
  const std::lock_guard hold(lock_);
  try {
    std::map<const NamedCode*, std::vector<std::size_t>> written;
    for (const std::uint8_t* site : sites) {
      auto code = codes_.upper_bound(site);
      if (code == codes_.begin()) continue;
      const NamedCode& named = (--code)->second;
      const auto offset = static_cast<std::size_t>(site - named.begin);
      if (offset >= named.size) continue;
      const auto after = std::upper_bound(named.symbols.begin(), named.symbols.end(), offset,
                                          [](std::size_t at, const NamedSymbol& s) { return at < s.offset; });
      if (after == named.symbols.begin()) continue;
      const NamedSymbol& symbol = *std::prev(after);
      if (offset - symbol.offset < symbol.size)
        written[&named].push_back(static_cast<std::size_t>(&symbol - named.symbols.data()));
    }
    for (auto& [code, symbols] : written) {
      std::sort(symbols.begin(), symbols.end());
      symbols.erase(std::unique(symbols.begin(), symbols.end()), symbols.end());
      for (const auto& observer : observers_) observer->rewritten(*code, symbols);
    }
  } catch (const std::bad_alloc&) {
    return;  // the tools keep what they were told before
  }
}

void Observers::ended(const std::uint8_t* begin) noexcept {
  if (!any()) return;
  const std::lock_guard hold(lock_);
  const auto code = codes_.find(begin);
  if (code == codes_.end()) return;
  for (const auto& observer : observers_) observer->ended(code->second);
  codes_.erase(code);
}

}  // namespace shunt::detail
