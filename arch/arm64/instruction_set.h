// arm64 as a type, for templates over instruction sets (concept arch::InstructionSet in arch/backend.h).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "arch/arm64/breakpoint.h"
#include "arch/arm64/cache.h"
#include "arch/arm64/decode.h"
#include "arch/arm64/encode.h"
#include "arch/arm64/stub.h"
#include "arch/arm64/transition.h"
#include "arch/site.h"

namespace shunt::arch::arm64 {

struct InstructionSet {
  static constexpr std::string_view name = "arm64";

  // Loads of one thread may be performed in any order (DDI 0487, B2.3).
  static constexpr bool loads_in_order = false;

  static constexpr auto supports = &arm64::supports;
  static constexpr auto placeable = &arm64::placeable;
  static constexpr auto site_length = &arm64::site_length;
  static constexpr auto reaches = &arm64::reaches;
  static constexpr std::int64_t branch_range = arm64::branch_range;
  static constexpr auto legal = &arm64::legal;
  static constexpr auto encode = &arm64::encode;
  static constexpr auto disassemble = &arm64::disassemble;
  static constexpr auto is_site = &arm64::is_site;
  static constexpr auto holds = &arm64::holds;
  static constexpr auto rewrite = &arm64::rewrite;
  static constexpr auto breakpoint = breakpoint_byte;
  static constexpr auto needs_breakpoint = &arm64::needs_breakpoint;
  static constexpr auto resumption = &arm64::resumption;
  static constexpr auto veneer = &arm64::veneer;
  static constexpr auto return_instruction = &arm64::return_instruction;
  static constexpr auto fill_with_traps = &arm64::fill_with_traps;
  static constexpr auto needs_maintenance = &arm64::needs_maintenance;

  template <class Operations>
  static constexpr void maintain(const CacheTraits& traits, std::span<const CodeRange> ranges,
                                 Operations&& operations) {
    arm64::maintain(traits, ranges, operations);
  }
};

}  // namespace shunt::arch::arm64
