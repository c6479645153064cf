// An engine owns code memory and site tables, and commits patch batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "shunt/error.h"
#include "shunt/patch_batch.h"
#include "shunt/static_key.h"

namespace shunt {

// How a site is encoded. Both are one instruction in either state.
enum class SiteForm : std::uint8_t {
  Toggle,       // x86-64: `test eax, imm32` <-> `jmp rel32`, one byte changes; clobbers the flags; one target only
  AlignedWord,  // x86-64: NOP5 <-> JMP5 within one aligned 8-byte word; arm64: NOP <-> B. Any number of targets
};

// A site in code that is about to be published, as offsets from the code's first byte.
struct NewSite {
  KeyBase* key = nullptr;
  SiteForm form = SiteForm::Toggle;
  std::uint32_t offset = 0;                  // of the rewritable instruction's first byte
  std::span<const std::uint32_t> targets;    // one for each state above 0
};

// Code that can run. Movable handle: when it ends, its sites are dropped and its memory may be used again, so no thread may be
// in it any more.
class Code {
 public:
  Code() noexcept = default;
  ~Code();
  Code(Code&&) noexcept;
  Code& operator=(Code&&) noexcept;

  [[nodiscard]] const std::uint8_t* data() const noexcept { return rx_; }  // executable view
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  // The code at `offset` as a function pointer.
  template <class Signature>
  [[nodiscard]] Signature* entry(std::size_t offset = 0) const noexcept {
    return reinterpret_cast<Signature*>(reinterpret_cast<std::uintptr_t>(rx_ + offset));
  }

 private:
  friend class Engine;
  Engine* engine_ = nullptr;
  const std::uint8_t* rx_ = nullptr;
  std::size_t size_ = 0;
};

struct EngineOptions {
  std::size_t code_reservation = std::size_t{1} << 30;  // bytes of address space; at most 2 GiB (branch range)
};

class Engine {
 public:
  // The process's engine: made at first use, never destroyed. If it cannot be made, the error is returned each time.
  static Result<Engine*> process();
  static Result<std::unique_ptr<Engine>> create(const EngineOptions& options = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Code memory of at least `size` bytes, aligned to 64, not yet executable by anyone: fill it by publish(). Split in two because
  // code that is linked to its address must know it first.
  struct Allocation {
    const std::uint8_t* rx = nullptr;  // where the code will run
    std::uint8_t* rw = nullptr;        // where to write it
    std::size_t size = 0;
  };
  Result<Allocation> allocate(std::size_t size);
  void release(const Allocation& allocation) noexcept;  // an allocation that was never published

  // Makes the written code reachable: its sites are checked, set to their keys' current states and registered, its lines are
  // cache-maintained, and every core serialised, so that its address may be handed to any thread. Thread-safe; blocks.
  // Errors: as PatchBatch::commit(); on error the allocation is released and no site is registered.
  Result<Code> publish(const Allocation& allocation, std::span<const NewSite> sites);

  // The same without the core serialisation: for code that other threads reach only by a branch patched in a later commit of this
  // engine (docs/patching-protocol.md, publication by branch).
  Result<Code> publish_nosync(const Allocation& allocation, std::span<const NewSite> sites);

  // After SerialisationFailed: try again. Blocks.
  Status resynchronise();

  // One registered site, as inspection tools show it.
  struct SiteInfo {
    const std::uint8_t* address;
    SiteForm form;
    unsigned state;
    const KeyBase* key;
  };

 private:
  friend class PatchBatch;
  friend class Code;
  friend class KeyBase;
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shunt
