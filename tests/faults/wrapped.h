// What the calls that stand in for the C library's ask and tell (wrapped.cpp, injection.cpp).
#pragma once

#include <cstddef>
#include <string_view>

namespace shunt::faults {

// The error that this call is to fail with; 0: it is to be made.
int fault_of(std::string_view name);

void note_mapped(const void* begin, std::size_t size);
void note_unmapped(const void* begin, std::size_t size);

}  // namespace shunt::faults
