#include "engine/patch/patcher.h"

#include <cstdio>

#include "engine/patch/protocol.h"

namespace shunt::detail {
namespace {

std::string text_of(const void* address) {
  char text[24];
  std::snprintf(text, sizeof text, "%p", address);
  return text;
}

std::string text_of(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (std::uint8_t byte : bytes) {
    char digits[4];
    std::snprintf(digits, sizeof digits, text.empty() ? "%02x" : " %02x", byte);
    text += digits;
  }
  return text;
}

}  // namespace

Error expected_bytes_error(const KeySites& sites, const void* address, std::span<const std::uint8_t> found,
                           std::span<const std::uint8_t> expected) {
  return make_error(
      ErrorCode::ExpectedBytesMismatch,
      "patch site at " + text_of(address) + " of key \"" + (sites.key == nullptr ? "" : sites.key->name()) +
          "\": found " + text_of(found) + ", expected " + text_of(expected) +
          "; nothing was written. Something else wrote to this code (a debugger's breakpoint, a stray store)");
}

Error no_site_error(const PlacedSite& site, std::string_view form_problem) {
  return make_error(ErrorCode::InvalidArgument, std::string("no patch site of form ") + name_of(site.form) +
                                                    " at code offset " + std::to_string(site.offset) + " (key \"" +
                                                    site.key->name() + "\"): " + std::string(form_problem));
}

Error out_of_reach_error(std::string_view instruction_set, std::uint32_t site, std::uint32_t target) {
  return make_error(ErrorCode::TargetOutOfRange, "a branch of " + std::string(instruction_set) + " at code offset " +
                                                     std::to_string(site) + " does not reach " +
                                                     std::to_string(target));
}

std::unique_ptr<Patcher> make_host_patcher() {
  constexpr bool x86_64 = std::same_as<arch::HostInstructionSet, arch::x86_64::InstructionSet>;
  return std::make_unique<Protocol<arch::HostInstructionSet, DirectWriter>>(x86_64 ? InstructionSet::X86_64
                                                                                   : InstructionSet::Arm64);
}

}  // namespace shunt::detail
