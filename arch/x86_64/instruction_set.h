// x86-64 as a type, for templates over instruction sets (concept arch::InstructionSet in arch/backend.h).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "arch/site.h"
#include "arch/x86_64/breakpoint.h"
#include "arch/x86_64/cache.h"
#include "arch/x86_64/decode.h"
#include "arch/x86_64/encode.h"
#include "arch/x86_64/stub.h"
#include "arch/x86_64/transition.h"

namespace shunt::arch::x86_64 {

struct InstructionSet {
  static constexpr std::string_view name = "x86-64";

  // Loads of one thread are performed in program order, stores too (SDM vol. 3A, 9.2.2).
  static constexpr bool loads_in_order = true;

  static constexpr auto supports = &x86_64::supports;
  static constexpr auto placeable = &x86_64::placeable;
  static constexpr auto site_length = &x86_64::site_length;
  static constexpr auto reaches = &x86_64::reaches;
  static constexpr std::int64_t branch_range = x86_64::branch_range;
  static constexpr auto legal = &x86_64::legal;
  static constexpr auto encode = &x86_64::encode;
  static constexpr auto disassemble = &x86_64::disassemble;
  static constexpr auto is_site = &x86_64::is_site;
  static constexpr auto holds = &x86_64::holds;
  static constexpr auto rewrite = &x86_64::rewrite;
  static constexpr auto breakpoint = breakpoint_byte;
  static constexpr auto needs_breakpoint = &x86_64::needs_breakpoint;
  static constexpr auto resumption = &x86_64::resumption;
  static constexpr auto veneer = &x86_64::veneer;
  static constexpr auto return_instruction = &x86_64::return_instruction;
  static constexpr auto fill_with_traps = &x86_64::fill_with_traps;
  static constexpr auto needs_maintenance = &x86_64::needs_maintenance;

  template <class Operations>
  static constexpr void maintain(const CacheTraits& traits, std::span<const CodeRange> ranges,
                                 Operations&& operations) {
    x86_64::maintain(traits, ranges, operations);
  }
};

}  // namespace shunt::arch::x86_64
