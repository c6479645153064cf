// One guest's view of the system: what the WASI functions work on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/wasm/wasi/beneath.h"
#include "runtime/wasm/wasi/descriptor_table.h"

namespace shunt::wasi {

// One thread at a time.
struct System {
  System(std::size_t max_descriptors, Lookup path_lookup) : descriptors(max_descriptors), lookup(path_lookup) {}

  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // "NAME=value"
  DescriptorTable descriptors;
  Lookup lookup;
  // Set by proc_exit and proc_raise: the guest is to end, whatever the function returned.
  std::optional<std::uint32_t> exit_status;
};

}  // namespace shunt::wasi
