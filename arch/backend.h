// What the engine asks of an instruction set; the host's is chosen in shunt/arch/host.h.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "arch/arm64/instruction_set.h"
#include "arch/site.h"
#include "arch/x86_64/instruction_set.h"
#include "shunt/arch/host.h"

namespace shunt::arch {

namespace detail {
struct AnyOperations {  // archetype: the operations that maintain() may call
  void clean_data_line(std::uint32_t, std::uint32_t) {}
  void data_barrier() {}
  void invalidate_instruction_line(std::uint32_t, std::uint32_t) {}
  void instruction_barrier() {}
};
}  // namespace detail

template <class Isa>
concept InstructionSet =
    requires(SiteForm form, std::uint64_t address, Direction direction, const std::uint8_t* at,
             std::span<std::uint8_t> code, std::span<const std::uint8_t> bytes, const CacheTraits& traits,
             std::span<const CodeRange> ranges, detail::AnyOperations operations) {
      { Isa::name } -> std::convertible_to<std::string_view>;
      { Isa::loads_in_order } -> std::convertible_to<bool>;
      { Isa::supports(form) } -> std::same_as<bool>;
      { Isa::placeable(form, address) } -> std::same_as<bool>;
      { Isa::site_length(form, address) } -> std::same_as<unsigned>;
      { Isa::reaches(form, address, address) } -> std::same_as<bool>;
      { Isa::branch_range } -> std::convertible_to<std::int64_t>;
      { Isa::legal(form, direction, direction) } -> std::same_as<bool>;
      { Isa::encode(form, address, direction) } -> std::same_as<SiteBytes>;
      { Isa::is_site(at, form, address) } -> std::same_as<bool>;
      { Isa::holds(at, form, address, direction) } -> std::same_as<bool>;
      { Isa::rewrite(at, form, address, direction) } -> std::same_as<SiteStore>;
      { Isa::breakpoint } -> std::same_as<const std::optional<std::uint8_t>&>;
      { Isa::needs_breakpoint(form) } -> std::same_as<bool>;
      { Isa::resumption(form, address, direction) } -> std::same_as<Resumption>;
      { Isa::veneer(address, address) } -> std::same_as<SiteBytes>;
      { Isa::return_instruction() } -> std::same_as<SiteBytes>;
      { Isa::fill_with_traps(code) } -> std::same_as<void>;
      { Isa::needs_maintenance(traits) } -> std::same_as<bool>;
      { Isa::maintain(traits, ranges, operations) } -> std::same_as<void>;
      { Isa::disassemble(bytes, address) } -> std::same_as<Text>;
    };

static_assert(InstructionSet<x86_64::InstructionSet>);
static_assert(InstructionSet<arm64::InstructionSet>);

}  // namespace shunt::arch

#include SHUNT_HOST_ARCH_HEADER

namespace shunt::arch {
using HostInstructionSet = host::InstructionSet;
}
