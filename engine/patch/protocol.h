// The patching protocol for one instruction set (arch::InstructionSet) and one way to write memory (CodeWriter). The
// engine's commit (patch/commit.cpp) calls these steps in the order of docs/patching-protocol.md:
//
//   1. check()     every site of the batch holds its expected bytes, before anything is written
//   2. write()     one naturally aligned store a site, through the RW alias
//   3. maintain()  what the instruction set demands until the stores can be fetched
//   4. one core serialisation (engine/serialise)
//
// Sites that no single store can rewrite go through write_step() instead of write(): engine/patch/breakpoint.h.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arch/backend.h"
#include "engine/patch/mutant.h"
#include "engine/patch/patcher.h"

namespace shunt::detail {

// How bytes reach code memory. Addresses are those of the mapping that is named.
template <class Writer>
concept CodeWriter = requires(Writer writer, std::uint8_t* rw, const std::uint8_t* rx, unsigned size,
                              std::uint64_t value, std::span<const std::uint8_t> bytes) {
  writer.checked(rx);                    // the expected bytes at rx were compared
  writer.store(rw, size, value, value);  // old value, new value; naturally aligned
  writer.store_tail(rw, bytes);          // at any address, by any number of stores: behind a breakpoint
  writer.clean_data_line(rw);
  writer.invalidate_instruction_line(rx);
  writer.data_barrier();
  writer.instruction_barrier();
  { writer.cache_traits() } -> std::same_as<arch::CacheTraits>;
};

// Stores, and maintains caches, for real.
class DirectWriter {
 public:
  static void checked(const std::uint8_t*) noexcept {}

  // Release: what was written before through the RW alias (new code that this branch leads to) is visible no later than
  // the branch. Readers are instruction fetches, which take part in no C++ synchronisation; the core serialisation
  // orders them.
  static void store(std::uint8_t* rw, unsigned size, std::uint64_t, std::uint64_t value) noexcept {
    switch (size) {
      case 1:
        std::atomic_ref(*rw).store(static_cast<std::uint8_t>(value), std::memory_order_release);
        break;
      case 4:
        std::atomic_ref(*reinterpret_cast<std::uint32_t*>(rw))
            .store(static_cast<std::uint32_t>(value), std::memory_order_release);
        break;
      default:
        std::atomic_ref(*reinterpret_cast<std::uint64_t*>(rw)).store(value, std::memory_order_release);
        break;
    }
  }
  // Plain stores: nobody reads these bytes as data without the commit lock, and nobody decodes them before a core
  // serialisation comes after.
  static void store_tail(std::uint8_t* rw, std::span<const std::uint8_t> bytes) noexcept {
    std::memcpy(rw, bytes.data(), bytes.size());
  }
  static void clean_data_line(const std::uint8_t* rw) noexcept { arch::host::HostCacheOperations::clean_data_line(rw); }
  static void invalidate_instruction_line(const std::uint8_t* rx) noexcept {
    arch::host::HostCacheOperations::invalidate_instruction_line(rx);
  }
  static void data_barrier() noexcept { arch::host::HostCacheOperations::data_barrier(); }
  static void instruction_barrier() noexcept { arch::host::HostCacheOperations::instruction_barrier(); }
  [[nodiscard]] arch::CacheTraits cache_traits() const noexcept { return traits_; }

 private:
  arch::CacheTraits traits_ = arch::host::host_cache_traits();
};
static_assert(CodeWriter<DirectWriter>);

// Errors, worded in one place (patch/patcher.cpp).
Error expected_bytes_error(const KeySites& sites, const void* address, std::span<const std::uint8_t> found,
                           std::span<const std::uint8_t> expected);
Error no_site_error(const PlacedSite& site, std::string_view form_problem);
Error out_of_reach_error(std::string_view instruction_set, std::uint32_t site, std::uint32_t target);

template <arch::InstructionSet Isa, CodeWriter Writer>
class Protocol final : public Patcher {
 public:
  explicit Protocol(InstructionSet id, Writer writer = {}) : id_(id), writer_(std::move(writer)) {}

  [[nodiscard]] InstructionSet instruction_set() const noexcept override { return id_; }

  [[nodiscard]] unsigned site_length(SiteForm form, std::uint32_t offset) const noexcept override {
    return Isa::site_length(arch_form(form), offset);
  }

  void fill_with_traps(std::span<std::uint8_t> code) const noexcept override { Isa::fill_with_traps(code); }

  [[nodiscard]] arch::SiteBytes veneer(std::uint64_t address, std::uint64_t target) const noexcept override {
    return Isa::veneer(address, target);
  }
  [[nodiscard]] arch::SiteBytes return_instruction() const noexcept override { return Isa::return_instruction(); }

  Status check_new(const CodeViews& code, const PlacedSite& site) override {
    const arch::SiteForm form = arch_form(site.form);
    if (!Isa::supports(form)) return no_site_error(site, "the instruction set has no such form");
    if (!Isa::placeable(form, site.offset)) return no_site_error(site, "the instruction is misaligned");
    if (!Isa::is_site(code.rw + site.offset, form, site.offset)) return no_site_error(site, "other bytes stand there");
    return Ok{};
  }

  [[nodiscard]] bool reaches(SiteForm form, std::uint32_t site, std::uint32_t target) const noexcept override {
    return Isa::reaches(arch_form(form), site, target);
  }
  [[nodiscard]] std::uint32_t branch_range() const noexcept override { return Isa::branch_range; }
  [[nodiscard]] Error out_of_reach(std::uint32_t site, std::uint32_t target) const override {
    return out_of_reach_error(Isa::name, site, target);
  }

  void write_new(const CodeViews& code, const PlacedSite& site, unsigned state) override {
    const arch::SiteBytes bytes =
        Isa::encode(arch_form(site.form), site.offset, direction({site.offset, site.form, site.targets.data()}, state));
    for (unsigned i = 0; i < bytes.length; ++i) code.rw[site.offset + i] = bytes.bytes[i];
  }

  Status check(const SiteGroup& group, unsigned state) override {
    const CodeViews code = group.region->views;
    const DirectionOfAll wanted(group.records, state);
    bool all_hold = true;
    SiteView wrong{};
    group.records.for_each(
        [&wrong, &all_hold, this, code, wanted](const SiteView& site) __attribute__((always_inline)) {
          if (holds(code, site, wanted(site))) return true;
          all_hold = false;
          wrong = site;
          return false;
        },
        [code](std::uint32_t offset) { __builtin_prefetch(code.rw + offset, 0); });
    return all_hold ? Status(Ok{}) : mismatch(group, wrong, state);
  }

  Status check(const SiteGroup& group, const SiteView& site, unsigned state) override {
    return holds(group.region->views, site, direction(site, state)) ? Status(Ok{}) : mismatch(group, site, state);
  }

  std::size_t write(const SiteGroup& group, unsigned state, std::vector<arch::CodeRange>& written) override {
    const CodeViews code = group.region->views;
    const DirectionOfAll wanted(group.records, state);
    const std::uint32_t region = group.region->number;
    std::size_t left = group.records.size();
    group.records.for_each(
        [this, code, wanted, region, &written, &left](const SiteView& site) __attribute__((always_inline)) {
          if (!mutated(Mutant::SkipSite) || --left != 0) write(code, region, site, wanted(site), written);
          return true;
        },
        [code](std::uint32_t offset) { __builtin_prefetch(code.rw + offset, 1); });
    return group.records.size();
  }

  void write(const Region& region, const SiteView& site, unsigned state,
             std::vector<arch::CodeRange>& written) override {
    write(region.views, region.number, site, direction(site, state), written);
  }

  [[nodiscard]] bool has_breakpoints() const noexcept override { return Isa::breakpoint.has_value(); }

  void add_breakpoints(const SiteGroup& group, unsigned state, std::vector<BreakpointSite>& sites) const override {
    group.records.for_each(
        [&](const SiteView& site) {
          add_breakpoint(*group.region, site, state, sites);
          return true;
        },
        [](std::uint32_t) {});
  }

  void add_breakpoint(const Region& region, const SiteView& site, unsigned state,
                      std::vector<BreakpointSite>& sites) const override {
    const arch::SiteForm form = arch_form(site.form);
    const std::uint64_t address = reinterpret_cast<std::uintptr_t>(region.views.rx) + site.offset;
    const std::uint64_t base = address - site.offset;
    const arch::Direction to = direction(site, state);
    arch::Resumption resumption = Isa::resumption(form, address, {to.branches, base + to.target});
    if (mutated(Mutant::ResumeBehindSite)) resumption = {address + Isa::site_length(form, address), 0};
    const std::uint64_t call_length = resumption.return_address == 0 ? 0 : resumption.return_address - address;
    sites.push_back({address, resumption.address, static_cast<std::uint32_t>(to.target), region.number,
                     static_cast<std::uint32_t>(form), to.branches, static_cast<std::uint32_t>(call_length)});
  }

  // Store by store, in order of address. The order within a step is nobody's business: each site is one of its own.
  void write_step(std::span<const Region* const> regions, std::span<const BreakpointSite> sites,
                  BreakpointStep step) override {
    for (const BreakpointSite& site : sites) {
      if (site.dropped != 0) continue;
      const CodeViews& code = regions[site.region]->views;
      const auto offset = static_cast<std::uint32_t>(site.address - reinterpret_cast<std::uintptr_t>(code.rx));
      const arch::SiteBytes bytes =
          Isa::encode(static_cast<arch::SiteForm>(site.form), offset, {site.branches == 1, site.target});
      write_step(code.rw + offset, {bytes.bytes.data(), bytes.length}, step);
    }
  }

  [[nodiscard]] bool data_flips_need_serialisation() const noexcept override { return !Isa::loads_in_order; }

  [[nodiscard]] bool collects_ranges() const noexcept override {
    return Isa::needs_maintenance(writer_.cache_traits());
  }

  void maintain(std::span<const Region* const> regions, std::span<const arch::CodeRange> written) override {
    if (!written.empty()) Isa::maintain(writer_.cache_traits(), written, Operations{regions, writer_});
  }

  [[nodiscard]] std::string instruction(const CodeViews&, const SiteView& site, unsigned state) const override {
    const arch::SiteBytes bytes = Isa::encode(arch_form(site.form), site.offset, direction(site, state));
    return std::string(Isa::disassemble({bytes.bytes.data(), bytes.length}, site.offset).view());
  }

  [[nodiscard]] std::string instruction_now(const CodeViews& code, const SiteView& site) const override {
    const unsigned length = Isa::site_length(arch_form(site.form), site.offset);
    return std::string(Isa::disassemble({code.rx + site.offset, length}, site.offset).view());
  }

  [[nodiscard]] Writer& writer() noexcept { return writer_; }

 private:
  // The operations of Isa::maintain() on a region's two mappings: data is cleaned by the address that it was written
  // at, instructions are invalidated by the address that they are fetched at.
  struct Operations {
    std::span<const Region* const> regions;
    Writer& writer;
    void clean_data_line(std::uint32_t region, std::uint32_t offset) {
      if (!mutated(Mutant::SkipDataClean)) writer.clean_data_line(regions[region]->views.rw + offset);
    }
    void invalidate_instruction_line(std::uint32_t region, std::uint32_t offset) {
      if (mutated(Mutant::SkipInvalidation)) return;
      const CodeViews& code = regions[region]->views;
      writer.invalidate_instruction_line(mutated(Mutant::InvalidateByAlias) ? code.rw + offset : code.rx + offset);
    }
    void data_barrier() {
      if (!mutated(Mutant::SkipDataBarrier)) writer.data_barrier();
    }
    void instruction_barrier() {
      if (!mutated(Mutant::SkipInstructionBarrier)) writer.instruction_barrier();
    }
  };

  static arch::Direction direction(const SiteView& site, unsigned state) noexcept {
    return {site.branches(state), site.target(state)};
  }

  // The same for all sites of a group, what depends on the state alone found out once.
  class DirectionOfAll {
   public:
    DirectionOfAll(const SiteRecords& records, unsigned state) noexcept
        : branches_(records.branches(state)), target_(records.target_of(state)) {}
    [[nodiscard]] arch::Direction operator()(const SiteView& site) const noexcept {
      return {branches_, site.targets[target_] & SiteView::offset_mask};
    }

   private:
    bool branches_;
    std::size_t target_;
  };

  bool holds(const CodeViews& code, const SiteView& site, const arch::Direction& direction) {
    if (mutated(Mutant::SkipExpectedBytes)) return true;
    writer_.checked(code.rx + site.offset);
    return Isa::holds(code.rw + site.offset, arch_form(site.form), site.offset, direction);
  }

  void write(const CodeViews& code, std::uint32_t region, const SiteView& site, const arch::Direction& direction,
             std::vector<arch::CodeRange>& written) {
    std::uint8_t* const at = code.rw + site.offset;
    const arch::SiteStore store = Isa::rewrite(at, arch_form(site.form), site.offset, direction);
    if (mutated(Mutant::StoreInHalves) && store.size > 1) {
      store_in_halves(at + store.offset, store);
    } else if (mutated(Mutant::WriteThroughView)) {
      writer_.store(const_cast<std::uint8_t*>(code.rx) + site.offset + store.offset, store.size, store.old_value,
                    store.new_value);
    } else {
      writer_.store(at + store.offset, store.size, store.old_value, store.new_value);
    }
    if (collects_ranges()) {
      written.push_back({site.offset, Isa::site_length(arch_form(site.form), site.offset), region});
    }
  }

  [[gnu::cold, gnu::noinline]] static Status mismatch(const SiteGroup& group, const SiteView& site, unsigned state) {
    const CodeViews& code = group.region->views;
    const arch::SiteBytes expected = Isa::encode(arch_form(site.form), site.offset, direction(site, state));
    return expected_bytes_error(*group.key, code.rx + site.offset, {code.rw + site.offset, expected.length},
                                {expected.bytes.data(), expected.length});
  }

  void write_step(std::uint8_t* at, std::span<const std::uint8_t> bytes, BreakpointStep step) {
    switch (step) {
      case BreakpointStep::None:
        break;
      case BreakpointStep::Breakpoints:
        if (mutated(Mutant::TailBeforeBreakpoint)) writer_.store_tail(at + 1, bytes.subspan(1));
        writer_.store(at, 1, *at, Isa::breakpoint.value_or(*at));
        break;
      case BreakpointStep::Tails:
        if (!mutated(Mutant::TailBeforeBreakpoint) && !mutated(Mutant::TailWithFirstByte))
          writer_.store_tail(at + 1, bytes.subspan(1));
        break;
      case BreakpointStep::FirstBytes:
        if (mutated(Mutant::TailWithFirstByte)) writer_.store_tail(at + 1, bytes.subspan(1));
        writer_.store(at, 1, *at, bytes[0]);
        break;
    }
  }

  // Mutant: what a store that is not single-copy atomic does, with the pause that a preemption would make.
  void store_in_halves(std::uint8_t* at, const arch::SiteStore& store) {
    const unsigned half = store.size / 2;
    const std::uint64_t mask = (std::uint64_t{1} << (8 * half)) - 1;
    writer_.store(at, half, store.old_value & mask, store.new_value & mask);
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(1);
    while (std::chrono::steady_clock::now() < end) {
    }
    writer_.store(at + half, half, store.old_value >> (8 * half), store.new_value >> (8 * half));
  }

  InstructionSet id_;
  [[no_unique_address]] Writer writer_;
};

}  // namespace shunt::detail
