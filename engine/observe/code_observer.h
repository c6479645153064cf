// Somebody who is told what published code is called: perf (perf_map.h, jitdump.h) or a debugger (gdb_jit.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "shunt/engine.h"
#include "shunt/error.h"

namespace shunt::detail {

struct NamedSymbol {
  std::uint32_t offset = 0;  // from the code's first byte
  std::uint32_t size = 0;
  std::string name;
};

// Published code with names. Stays where it is, unchanged, until ended() returned.
struct NamedCode {
  const std::uint8_t* begin = nullptr;
  std::uint32_t size = 0;
  std::vector<NamedSymbol> symbols;  // by offset
};

// Implementations need not be thread-safe: Observers (observers.h) calls them one at a time. They may block for as long
// as a system call takes, and call nothing of the engine.
class CodeObserver {
 public:
  virtual ~CodeObserver() = default;

  // Code that can run has names from now on. Errors: SystemCall; the code runs on, unnamed.
  virtual Status named(const NamedCode& code) = 0;

  // A commit wrote sites in these symbols of `code` (indices, ascending, each once).
  virtual void rewritten(const NamedCode& code, std::span<const std::size_t> symbols) = 0;

  // The code is about to end.
  virtual void ended(const NamedCode& code) = 0;

  [[nodiscard]] virtual bool follows_flips() const noexcept = 0;  // whether rewritten() does anything
};

}  // namespace shunt::detail
