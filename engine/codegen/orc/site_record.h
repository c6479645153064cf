// What a site leaves in its object, in 64-bit words of the section "shunt_sites":
//
//   0   the site's address                 relocated
//   1   the KeyBase*                       a number: code is generated for the process that runs it
//   2   SiteForm | number of targets << 8
//   3   the targets' addresses             relocated
//
// The linker's passes cut the section into records (section "shunt_sites.live"), each of which its function keeps.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shunt::orc {

inline constexpr const char* site_section = "shunt_sites";
inline constexpr const char* live_site_section = "shunt_sites.live";

struct SiteRecordHeader {
  std::uint64_t address;
  std::uint64_t key;
  std::uint64_t form_and_count;
};

}  // namespace shunt::orc
