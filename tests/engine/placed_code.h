// Code at places that a test chooses, in a reservation that is larger than what an arm64 branch reaches.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

#include "engine/engine_impl.h"
#include "shunt/engine.h"

namespace shunt::test {

inline constexpr std::uint32_t MiB = 1 << 20;
inline constexpr EngineOptions large_reservation{.code_reservation = 512 * std::size_t{MiB}};

// How many there are.
inline std::size_t veneers(Engine& engine) {
  return detail::EngineInside::of(engine).veneers.size();
}
inline std::uint64_t free_bytes(Engine& engine) {
  return detail::EngineInside::of(engine).memory.free_bytes();
}

// Code memory at `offset`, which is free.
inline Engine::Allocation allocated_at(Engine& engine, std::uint32_t offset, std::size_t size) {
  auto& memory = detail::EngineInside::of(engine).memory;
  const auto length = detail::CodeArena::footprint(static_cast<std::uint32_t>(size));
  const auto place = memory.allocate(size, detail::CodeArena::Window{offset, offset + length});
  EXPECT_TRUE(place) << place.error().message();
  return {memory.rx() + place->offset, place->staging, size};
}

}  // namespace shunt::test
