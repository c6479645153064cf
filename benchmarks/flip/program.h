// The code that the flip benchmarks flip: functions of one site each, one in 64 bytes, in address order.
//
//   offset 0 to 7   site      falls through to the return behind it, or branches to the first return below
//   offset 16       return
//   offset 32       return
//
// Sites stand at any byte, as a code generator leaves them: half of the AlignedWords need prefixes.
// Bias: a flip touches the same lines again and again, so up to the size of the caches they are warm.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "shunt/engine.h"

namespace shunt::bench {

inline constexpr std::uint32_t stride = 64, first_return = 16, second_return = 32;

// Where function `number` has its site, from the function's first byte.
std::uint32_t site_offset(InstructionSet instruction_set, std::uint32_t number) noexcept;

// The bytes of one such function, idle, as they are at a multiple of `stride`.
void write_function(InstructionSet instruction_set, SiteForm form, std::uint32_t number, std::uint8_t* at);

// Code of an engine with some sites of each given key; keys have two or three states.
class PublishedSites {
 public:
  struct Group {
    KeyBase* key;
    std::uint32_t sites;
  };
  PublishedSites(Engine& engine, SiteForm form, std::span<const Group> groups);

  void call(std::uint32_t function) const { code_.entry<void()>(site(function))(); }
  [[nodiscard]] std::size_t site(std::uint32_t function) const noexcept {  // its offset in the code
    return std::size_t{function} * stride + site_offset(instruction_set_, function);
  }
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] const Engine::Allocation& memory() const noexcept { return memory_; }

  // The floor of every flip: one 8-byte store a site in address order, through the RW alias, of what stands there.
  void blind_store() const noexcept;

 private:
  InstructionSet instruction_set_;
  std::uint32_t count_ = 0;
  Engine::Allocation memory_;
  std::uint8_t* alias_ = nullptr;  // where blind_store() writes
  Code code_;
};

// An engine, one key, and its sites. At most one is kept for each form and count, until the process ends.
struct Program {
  Program(SiteForm form, std::uint32_t sites, const EngineOptions& options = {});
  static Program& of(SiteForm form, std::uint32_t sites);

  CommitReport flip();  // commits the other state

  std::unique_ptr<Engine> engine;
  StaticKey key{"benchmark"};
  std::unique_ptr<PublishedSites> sites;
  std::unique_ptr<PatchBatch> batch;
};

// One key with one site, among others with 100 sites each.
class LargeProgram {
 public:
  explicit LargeProgram(std::uint32_t sites);  // of all keys together
  void flip();                                 // commits the other state of the one

 private:
  std::unique_ptr<Engine> engine_;
  StaticKey key_{"one"};
  std::vector<std::unique_ptr<StaticKey>> others_;
  std::unique_ptr<PublishedSites> sites_;
  std::unique_ptr<PatchBatch> batch_;
};

}  // namespace shunt::bench
