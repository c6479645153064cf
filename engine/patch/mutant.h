// Deliberate faults in the protocol, one per step, so that the tests of the protocol can be shown to fail when a step
// is missing.
//
// In the product mutated() is constant false and costs nothing. Test programs that are built with SHUNT_MUTANTS choose
// one fault per run by the environment variable SHUNT_MUTANT (tests/engine/mutants.cpp).
#pragma once

#include <cstdint>

namespace shunt::detail {

enum class Mutant : std::uint8_t {
  None,
  SkipExpectedBytes,       // write without looking at what is there
  CheckWhileWriting,       // a mismatch is found after earlier sites were written
  SkipSite,                // the last site of each key is left out
  StoreInHalves,           // an aligned word as two stores
  EarlyReturn,             // commit() returns before the sites are written
  SkipSerialisation,       // no core serialisation
  SerialiseBeforeWrite,    // core serialisation at the wrong place
  SerialiseEachKey,        // more than one core serialisation a batch
  SkipDataClean,           // arm64: no DC CVAU
  SkipInvalidation,        // arm64: no IC IVAU
  InvalidateByAlias,       // arm64: IC IVAU by the address of the RW alias
  SkipDataBarrier,         // arm64: no DSB
  SkipInstructionBarrier,  // arm64: no ISB
  SkipFreedMaintenance,    // arm64: the traps in freed code are not cache-maintained
  WriteThroughView,        // records a store at the address of the RX view
  AdoptInEmittedState,     // a module's sites stay as they were emitted, whatever state their key has
  KeepDroppedModule,       // the sites of a module that is unloaded stay in the table
  KeepSharedText,          // after fork(), parent and child go on writing the same moved text
  UnmapBeforeLaying,       // moved text is missing for an instant
  LayOverWritable,         // moved text is writable and executable
  KeepSharing,             // fork: code memory is written while it is shared
  ParentKeepsObject,       // fork: the parent writes to what the child has
  SkipCopySerialisation,   // fork: no core serialisation before the first write to the new object
  SkipCopyMaintenance,     // fork, arm64: the new object is not cache-maintained
  KeepFreedCode,           // fork: what was freed while the object was shared never traps
  WriteInClone,            // a child made by a raw clone(2) writes code
  PublishOldState,         // new sites keep the state that they were emitted in
  SettledIsDrained,        // passing a safepoint counts as drained
  SkipHostFrames,          // frames that wait for a host call are not walked
  SkipResumePoint,         // where a thread goes on does not count
  SkipSafepointFlip,       // the safepoint key is not switched on
  LeaveFurtherKeys,        // keys that are switched with the safepoint key are not
  FreeBeforeDrained,       // retired code is freed at once
  WaitForOneself,          // nobody asks whether the caller waits for its own frames
  SkipGuestThreads,        // threads in guest code count as seen
  KeepEndedThreads,        // a thread that ends without detaching is waited for
  RoundForEach,            // a look serves one request alone
  SkipCircles,             // nor whether threads wait for each other
  SkipSerialisation1,      // breakpoints: none between the breakpoint and the tail
  SkipSerialisation2,      // breakpoints: none between the tail and the first byte
  SkipSerialisation3,      // breakpoints: none after the first byte
  TailBeforeBreakpoint,    // breakpoints: the tail is written before anybody is kept from it
  TailWithFirstByte,       // breakpoints: the tail is written together with the first byte
  BreakpointBeforeShown,   // breakpoints: written before the handler can look them up
  ResumeBehindSite,        // breakpoints: the handler always falls through
  SkipRewind,              // breakpoints: a trap after the batch's end is taken for somebody else's
  SwallowForeignTrap,      // breakpoints: traps that are none of ours are not passed on
  LeaveTrapReaders,        // breakpoints: a batch ends while the handler looks at it
  AbandonBreakpoints,      // breakpoints: what a failed core serialisation interrupted is not carried on
  ListThreadsOnce,         // signals: one listing of the threads, complete or not
  CountLateAnswer,         // signals: what acknowledged the round before counts for this one
  SignalAgain,             // signals: a thread that is late gets another signal each round
  WaitForTheEnded,         // signals: a thread that has ended is waited for
  TakeAnySignal,           // signals: also one that has a handler
  ChooseRealTimeSignal,    // signals: one that ends a program when it is pending at exec
  SerialiseEachBatch,      // group commit: the batches of a group one after the other
  KeepRefusedBatch,        // group commit: what a refused batch planned stays in the plan
  LatestBatchFirst,        // group commit: against ticket order
  BlameOneBatch,           // group commit: a failed core serialisation is told to the first batch alone
  StateTooEarly,           // keys show their new state before the core serialisation
  LeadUntilNoneWaits,      // group commit: a leader goes on with batches that came after its own
  IgnoreQueued,            // a commit overtakes what is queued for its key
  CallBackInCommit,        // tickets: callbacks run with the commit lock held
  WishTakenLate,           // requests: a wish is taken when it was carried out, not before
  LeaveUnlistedWish,       // requests: a commit overtakes a wish that another thread is to list
  OverlookUnlistedWish,    // requests: nor does a commit without lock look for one
  DropWishOfEndingKey,     // requests: not carried out when the key ends
  TrustProc,               // an unreadable /proc/self/status means that there is no seccomp filter
  UncheckedCount,          // references are counted below zero and beyond the maximum
  CountFailedCommit,       // a commit that fails counts its references all the same
  CountBeforeSerialising,  // a key's first reference is counted before its flip is complete
  SetHeldKey,              // a key that has references is set
  PublishBroken,           // code is published whose assumption is broken
  ForgetDependency,        // an assumption that code has no site of is not looked at
  EnterEarly,              // C++ enters a call's trampoline before the core serialisation
  EndVeneer,               // a veneer ends with its last user, though a thread may stand in it
  SkipVeneer,              // arm64: a branch beyond its reach has no veneer
  SkipVeneerMaintenance,   // arm64: a veneer of such a branch is not cache-maintained
  KeepVeneers,             // arm64: nor does it end with the code that it leads to
  KeepNoRoom,              // arm64: other code may take all room for veneers
  DrainToVeneer,           // arm64: an old path ends at a veneer
  NoteAfterWriting,        // the flip log reads the bytes before a flip too late
  SkipDataStore,           // a demotable key's state is not stored as data
  SkipDataSerialisation,   // arm64: no core serialisation after a demoted key's flip
  LeaveDemoted,            // a demoted key ends while its sites' stubs read it
  LeaveCalmDemoted,        // nobody promotes demoted keys by itself
  ShareAllStubs,           // a demoted switch's sites stay as they are also where another value has another stub
  ForgetSetAgain,          // a DemotableSwitch that is set to the value that it has is no flip
  StopUnheard,             // the driver sleeps although the engine ended while it ran callbacks
  IgnoreLackOfMemory,      // code is written to memory that the kernel did not give
  KeepParentsDriver,       // fork: the child counts on a thread that waits for threads, and on what it was doing
  KeepHeldUpText,          // fork: a batch that is held up is carried on in host text that is shared
  OwnThreadsBlockAll,      // the engine's own threads block the signal of core serialisations
};

#ifdef SHUNT_MUTANTS
bool mutated(Mutant mutant) noexcept;
#else
constexpr bool mutated(Mutant) noexcept {
  return false;
}
#endif

}  // namespace shunt::detail
