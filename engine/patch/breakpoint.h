// The breakpoint protocol: how a batch rewrites sites that no single store can rewrite (x86-64: unaligned forms, and
// every form of an engine that is CrossModification::Strict). arch/x86_64/breakpoint.h shows the bytes.
//
//   1. show the batch to the SIGTRAP handler (engine/trap)
//   2. a breakpoint in the first byte of every such site; in the same step, all other sites of the batch; serialise
//   3. every tail; serialise
//   4. every first byte; serialise
//   5. hide the batch from the handler
//
// Three core serialisations, however many sites. A thread that runs into a breakpoint goes on as the *new* instruction
// would. So from the first serialisation on every thread runs the new state of every site of the batch, and the time in
// which threads see a mixture is as short as for a batch of single stores; that is why the other sites are written in
// step 2. A thread that comes to the handler after step 5 finds the whole instruction and runs it. Both are what Synced
// promises: an execution that begins after the commit returned begins after step 4's serialisation.
//
// A core serialisation that fails leaves the batch where it is: shown, its keys in transition. The next
// Engine::resynchronise() or commit serialises again and goes on from there; it never goes back, because threads may
// have run the new state already.
#pragma once

#include <memory>
#include <vector>

#include "engine/patch/patcher.h"
#include "engine/trap/breakpoint_table.h"

namespace shunt::detail {

// The part of a commit's plan that goes by breakpoints, and how far it got. Protected by the engine's commit lock.
struct BreakpointBatch {
  std::vector<BreakpointSite> sites;                  // by address; empty unless in flight
  std::size_t wanted = 0;                             // an upper bound of what the plan that is being made adds
  std::shared_ptr<const std::vector<CodeSpan>> code;  // where the engine's code lies
  BreakpointStep step = BreakpointStep::None;
  BreakpointEntry entry;

  [[nodiscard]] bool in_flight() const noexcept { return step != BreakpointStep::None; }
};

}  // namespace shunt::detail
