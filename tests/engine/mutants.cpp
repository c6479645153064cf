// The fault that the environment variable SHUNT_MUTANT names, for programs that are built with SHUNT_MUTANTS.
#include "engine/patch/mutant.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace shunt::detail {
namespace {

using namespace std::string_view_literals;

constexpr std::array names = {
    std::pair{Mutant::None, "none"sv},
    std::pair{Mutant::SkipExpectedBytes, "skip_expected_bytes"sv},
    std::pair{Mutant::CheckWhileWriting, "check_while_writing"sv},
    std::pair{Mutant::SkipSite, "skip_site"sv},
    std::pair{Mutant::StoreInHalves, "store_in_halves"sv},
    std::pair{Mutant::EarlyReturn, "early_return"sv},
    std::pair{Mutant::SkipSerialisation, "skip_serialisation"sv},
    std::pair{Mutant::SerialiseBeforeWrite, "serialise_before_write"sv},
    std::pair{Mutant::SerialiseEachKey, "serialise_each_key"sv},
    std::pair{Mutant::SkipDataClean, "skip_data_clean"sv},
    std::pair{Mutant::SkipInvalidation, "skip_invalidation"sv},
    std::pair{Mutant::InvalidateByAlias, "invalidate_by_alias"sv},
    std::pair{Mutant::SkipDataBarrier, "skip_data_barrier"sv},
    std::pair{Mutant::SkipInstructionBarrier, "skip_instruction_barrier"sv},
    std::pair{Mutant::SkipFreedMaintenance, "skip_freed_maintenance"sv},
    std::pair{Mutant::WriteThroughView, "write_through_view"sv},
    std::pair{Mutant::AdoptInEmittedState, "adopt_in_emitted_state"sv},
    std::pair{Mutant::KeepDroppedModule, "keep_dropped_module"sv},
    std::pair{Mutant::KeepSharedText, "keep_shared_text"sv},
    std::pair{Mutant::UnmapBeforeLaying, "unmap_before_laying"sv},
    std::pair{Mutant::LayOverWritable, "lay_over_writable"sv},
    std::pair{Mutant::ListThreadsOnce, "list_threads_once"sv},
    std::pair{Mutant::CountLateAnswer, "count_late_answer"sv},
    std::pair{Mutant::SignalAgain, "signal_again"sv},
    std::pair{Mutant::WaitForTheEnded, "wait_for_the_ended"sv},
    std::pair{Mutant::TakeAnySignal, "take_any_signal"sv},
    std::pair{Mutant::ChooseRealTimeSignal, "choose_real_time_signal"sv},
    std::pair{Mutant::SerialiseEachBatch, "serialise_each_batch"sv},
    std::pair{Mutant::KeepRefusedBatch, "keep_refused_batch"sv},
    std::pair{Mutant::LatestBatchFirst, "latest_batch_first"sv},
    std::pair{Mutant::BlameOneBatch, "blame_one_batch"sv},
    std::pair{Mutant::StateTooEarly, "state_too_early"sv},
    std::pair{Mutant::LeadUntilNoneWaits, "lead_until_none_waits"sv},
    std::pair{Mutant::IgnoreQueued, "ignore_queued"sv},
    std::pair{Mutant::CallBackInCommit, "call_back_in_commit"sv},
    std::pair{Mutant::WishTakenLate, "wish_taken_late"sv},
    std::pair{Mutant::LeaveUnlistedWish, "leave_unlisted_wish"sv},
    std::pair{Mutant::OverlookUnlistedWish, "overlook_unlisted_wish"sv},
    std::pair{Mutant::DropWishOfEndingKey, "drop_wish_of_ending_key"sv},
    std::pair{Mutant::TrustProc, "trust_proc"sv},
    std::pair{Mutant::KeepSharing, "keep_sharing"sv},
    std::pair{Mutant::ParentKeepsObject, "parent_keeps_object"sv},
    std::pair{Mutant::SkipCopySerialisation, "skip_copy_serialisation"sv},
    std::pair{Mutant::SkipCopyMaintenance, "skip_copy_maintenance"sv},
    std::pair{Mutant::KeepFreedCode, "keep_freed_code"sv},
    std::pair{Mutant::WriteInClone, "write_in_clone"sv},
    std::pair{Mutant::PublishOldState, "publish_old_state"sv},
    std::pair{Mutant::SettledIsDrained, "settled_is_drained"sv},
    std::pair{Mutant::SkipHostFrames, "skip_host_frames"sv},
    std::pair{Mutant::SkipResumePoint, "skip_resume_point"sv},
    std::pair{Mutant::SkipSafepointFlip, "skip_safepoint_flip"sv},
    std::pair{Mutant::LeaveFurtherKeys, "leave_further_keys"sv},
    std::pair{Mutant::FreeBeforeDrained, "free_before_drained"sv},
    std::pair{Mutant::WaitForOneself, "wait_for_oneself"sv},
    std::pair{Mutant::SkipGuestThreads, "skip_guest_threads"sv},
    std::pair{Mutant::KeepEndedThreads, "keep_ended_threads"sv},
    std::pair{Mutant::RoundForEach, "round_for_each"sv},
    std::pair{Mutant::SkipCircles, "skip_circles"sv},
    std::pair{Mutant::SkipSerialisation1, "skip_first_serialisation"sv},
    std::pair{Mutant::SkipSerialisation2, "skip_second_serialisation"sv},
    std::pair{Mutant::SkipSerialisation3, "skip_third_serialisation"sv},
    std::pair{Mutant::TailBeforeBreakpoint, "tail_before_breakpoint"sv},
    std::pair{Mutant::TailWithFirstByte, "tail_with_first_byte"sv},
    std::pair{Mutant::BreakpointBeforeShown, "breakpoint_before_shown"sv},
    std::pair{Mutant::ResumeBehindSite, "resume_behind_site"sv},
    std::pair{Mutant::SkipRewind, "skip_rewind"sv},
    std::pair{Mutant::SwallowForeignTrap, "swallow_foreign_trap"sv},
    std::pair{Mutant::LeaveTrapReaders, "leave_trap_readers"sv},
    std::pair{Mutant::AbandonBreakpoints, "abandon_breakpoints"sv},
    std::pair{Mutant::UncheckedCount, "unchecked_count"sv},
    std::pair{Mutant::CountFailedCommit, "count_failed_commit"sv},
    std::pair{Mutant::CountBeforeSerialising, "count_before_serialising"sv},
    std::pair{Mutant::SetHeldKey, "set_held_key"sv},
    std::pair{Mutant::PublishBroken, "publish_broken"sv},
    std::pair{Mutant::ForgetDependency, "forget_dependency"sv},
    std::pair{Mutant::EnterEarly, "enter_early"sv},
    std::pair{Mutant::EndVeneer, "end_veneer"sv},
    std::pair{Mutant::SkipVeneer, "skip_veneer"sv},
    std::pair{Mutant::SkipVeneerMaintenance, "skip_veneer_maintenance"sv},
    std::pair{Mutant::KeepVeneers, "keep_veneers"sv},
    std::pair{Mutant::KeepNoRoom, "keep_no_room"sv},
    std::pair{Mutant::DrainToVeneer, "drain_to_veneer"sv},
    std::pair{Mutant::NoteAfterWriting, "note_after_writing"sv},
    std::pair{Mutant::SkipDataStore, "skip_data_store"sv},
    std::pair{Mutant::SkipDataSerialisation, "skip_data_serialisation"sv},
    std::pair{Mutant::LeaveDemoted, "leave_demoted"sv},
    std::pair{Mutant::LeaveCalmDemoted, "leave_calm_demoted"sv},
    std::pair{Mutant::ShareAllStubs, "share_all_stubs"sv},
    std::pair{Mutant::ForgetSetAgain, "forget_set_again"sv},
    std::pair{Mutant::StopUnheard, "stop_unheard"sv},
    std::pair{Mutant::IgnoreLackOfMemory, "ignore_lack_of_memory"sv},
    std::pair{Mutant::KeepParentsDriver, "keep_parents_driver"sv},
    std::pair{Mutant::KeepHeldUpText, "keep_held_up_text"sv},
    std::pair{Mutant::OwnThreadsBlockAll, "own_threads_block_all"sv},
};

Mutant chosen() noexcept {
  const char* name = std::getenv("SHUNT_MUTANT");
  for (const auto& [mutant, mutant_name] : names) {
    if (name != nullptr && mutant_name == name) return mutant;
  }
  std::fprintf(stderr, "SHUNT_MUTANT must name a mutant, or \"none\"\n");
  std::exit(3);  // neither success nor a failed assertion
}

}  // namespace

bool mutated(Mutant mutant) noexcept {
  static const Mutant mutation = chosen();
  return mutation == mutant;
}

}  // namespace shunt::detail
