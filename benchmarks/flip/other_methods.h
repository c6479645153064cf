// How others patch code in a running process: private memory whose protection is changed for a moment, or
// /proc/self/mem. The same functions and the same stores as flip/program.h, the same core serialisation at the end,
// nothing checked.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/serialise/core_serialiser.h"
#include "shunt/engine.h"

namespace shunt::bench {

enum class OtherMethod {
  MprotectBatch,  // writable and executable for the whole batch: mprotect once, all sites, mprotect once
  MprotectSite,   // the same around every site
  ProcSelfMem,    // a page at a time: copied, changed, written to /proc/self/mem
};

class OtherProgram {
 public:
  explicit OtherProgram(std::uint32_t sites);
  ~OtherProgram();
  OtherProgram(const OtherProgram&) = delete;
  OtherProgram& operator=(const OtherProgram&) = delete;

  void flip(OtherMethod method);
  void call(std::uint32_t function) const;
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }

 private:
  void store(std::uint8_t* at, std::uint32_t site) const noexcept;
  void protect(std::uint8_t* at, std::size_t size, bool writable) const;
  void flip_through_file();

  InstructionSet instruction_set_;
  std::uint32_t count_;
  std::size_t size_;
  std::uint8_t* code_;
  int file_;
  bool on_ = false;
  std::unique_ptr<detail::CoreSerialiser> serialiser_;
};

}  // namespace shunt::bench
