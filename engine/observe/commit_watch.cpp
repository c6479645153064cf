#include "engine/observe/commit_watch.h"

#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <utility>

#include "arch/backend.h"

namespace shunt::detail {
namespace {

constexpr InstructionSet host_set = std::same_as<arch::HostInstructionSet, arch::x86_64::InstructionSet>
                                        ? InstructionSet::X86_64
                                        : InstructionSet::Arm64;

void put(const Engine::Allocation& code, std::uint32_t offset, const std::uint8_t* bytes, unsigned length) noexcept {
  std::memcpy(code.staging + offset, bytes, length);
}

}  // namespace

Status CommitWatch::acquire(Engine& engine, CommitLock& commit_lock) {
  const std::lock_guard hold(lock_);
  if (gate_.size() == 0) {
    if (Status status = make_gate(engine, commit_lock); !status) return status;
  }
  if (watchers_ == 0) {
    if (Status status = set(engine, true); !status) return status;
  }
  ++watchers_;
  return Ok{};
}

Status CommitWatch::release(Engine& engine) {
  const std::lock_guard hold(lock_);
  if (watchers_ == 1) {
    if (Status status = set(engine, false); !status) return status;
  }
  --watchers_;
  return Ok{};
}

Status CommitWatch::set(Engine& engine, bool on) {
  PatchBatch batch(engine);
  batch.set(key_, on);
  Result<CommitReport> report = batch.commit();
  if (!report) return report.error();
  return Ok{};
}

Status CommitWatch::make_gate(Engine& engine, CommitLock& commit_lock) {
  if (engine.instruction_set() != host_set) {
    return make_error(ErrorCode::Unsupported,
                      "commits are watched through code that the host executes; this engine's is of another "
                      "instruction set");
  }
  const SiteBytes site = idle_site(host_set, SiteForm::AlignedWord, 0);
  const arch::SiteBytes plain = arch::host::far_jump(reinterpret_cast<std::uintptr_t>(plain_));
  const arch::SiteBytes watched = arch::host::far_jump(reinterpret_cast<std::uintptr_t>(watched_));
  const std::uint32_t on = std::uint32_t{site.length} + plain.length;
  Result<Engine::Allocation> allocation = engine.allocate(on + watched.length);
  if (!allocation) return allocation.error();
  put(*allocation, 0, site.bytes.data(), site.length);
  put(*allocation, site.length, plain.bytes.data(), plain.length);
  put(*allocation, on, watched.bytes.data(), watched.length);
  const NewSite sites[] = {{&key_, SiteForm::AlignedWord, 0, {&on, 1}}};
  Result<Code> gate = engine.publish(*allocation, sites);
  if (!gate) return gate.error();
  gate_ = std::move(*gate);
  const std::lock_guard hold(commit_lock);
  write_ = gate_.entry<std::size_t(void*) noexcept>();
  return Ok{};
}

}  // namespace shunt::detail
