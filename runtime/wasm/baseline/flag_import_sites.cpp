#include "runtime/wasm/baseline/flag_import_sites.h"

#include <array>
#include <atomic>

namespace shunt::wasm::baseline {

void FlagImportSites::record(const Place& place) {
  flag_sites_.push_back({.code_offset = emitter_.sites().back().offset,
                         .module_offset = place.module_offset,
                         .function = place.function,
                         .import = place.import,
                         .shape = place.shape});
}

const std::atomic<std::uint64_t>& FlagImportSites::bits(std::uint32_t import) const {
  const FlagImport& flag = imports_[import];
  return is_variant(import) ? flag.flag->variant_bits(flag.variant) : flag.flag->bits(flag.type);
}

void FlagImportSites::branch(const Place& place, const asmjit::Label& on, const asmjit::Label& asks,
                             const asmjit::Label& loader) {
  const FlagImport& import = imports_[place.import];
  DemotableSwitch*& key = keys_[place.import];
  if (key == nullptr) {
    key = is_variant(place.import) ? &import.flag->variant(import.variant) : &import.flag->truth();
  }
  // An aligned no-op: a toggle's `test` would take an execution port, which costs loops that run at the core's full
  // width a tenth (benchmarks/flag_kernels.cpp: sum); the no-op is free there.
  emitter_.branch(*key, std::array{on, asks}, std::array{loader, loader, asks});
  record(place);
}

void FlagImportSites::number(const Place& place, const asmjit::Label& one, PendingValueSite pending) {
  const FlagImport& import = imports_[place.import];
  const asmjit::Label& loader = pending.loader;
  pending.site = emitter_.branch(import.flag->number(import.type), std::array{one, loader, pending.asks},
                                 std::array{loader, loader, loader, pending.asks});
  pending.import = place.import;
  pending.type = import.type;
  pending_.push_back(pending);
  record(place);
}

std::vector<ValueSite> FlagImportSites::value_sites(const asmjit::CodeHolder& holder) const {
  const auto offset_of = [&](const asmjit::Label& label) {
    return static_cast<std::uint32_t>(holder.labelOffsetFromBase(label));
  };
  std::vector<ValueSite> sites;
  sites.reserve(pending_.size());
  for (const PendingValueSite& pending : pending_) {
    sites.push_back({.flag = imports_[pending.import].flag,
                     .type = pending.type,
                     .site = emitter_.sites()[pending.site].offset,
                     .resume = offset_of(pending.resume),
                     .loader = offset_of(pending.loader),
                     .dst = pending.dst,
                     .scratch = pending.scratch});
  }
  return sites;
}

}  // namespace shunt::wasm::baseline
