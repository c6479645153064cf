// What a safepoint's stub calls: saves what it must, calls shunt_safepoint_reached(), restores, returns. One file for
// each instruction set, chosen by CMake.
//
// x86-64. The stub, with the site's own r11 pushed below the red zone and the resume point below it:
//
//   stub:  lea   rsp, [rsp - 128]     over the red zone; the flags stay
//          mov   [rsp - 32], r11      by LLVM's stubs: 8 bytes for the entry's flags, or the fault is here
//          push  r11
//          lea   r11, [rip + resume]
//          push  r11
//          mov   r11, entry           imm64
//          call  r11
//          lea   rsp, [rsp + 8]
//          pop   r11
//          lea   rsp, [rsp + 128]
//          jmp   resume
//
// arm64. There is no red zone; x16, x17 and x30 are saved by the stub. The addresses are literals behind it, so that
// the stub may be anywhere in a branch's reach of the site:
//
//   stub:  stp   x16, x17, [sp, #-32]!
//          str   x30, [sp, #16]
//          ldr   x16, =resume
//          ldr   x17, =entry
//          blr   x17
//          ldr   x30, [sp, #16]
//          ldp   x16, x17, [sp], #32
//          b     resume
//
// The entry keeps every register and the flags. It realigns the stack itself where that is needed, and its unwind
// information leads from it straight to the site, past the stub.
//
// The vector state is saved by call_keeping_vectors() (shunt/vector_state.h). About 8 KiB of stack; 9 more for SVE
// registers of 256 bytes, the longest possible.
//
// On arm64 unwinding finds the resume point as X30, so it leads beyond the site's function if that keeps a frame record
// or saves X30 otherwise, as code that is walked does anyway (shunt/thread.h).
#pragma once

#include <cstddef>

#include "shunt/thread.h"

namespace shunt::detail {

// Its address. Thread-safe.
[[nodiscard]] const void* safepoint_entry() noexcept;

// Called by it, on the thread that is at the safepoint, with a GuestFrame of any alignment.
extern "C" [[gnu::visibility("hidden")]] void shunt_safepoint_reached(const void* guest_frame) noexcept;

// GuestFrame as the assembly files lay it out.
static_assert(sizeof(GuestFrame) == 24 && offsetof(GuestFrame, resume_point) == 0 &&
              offsetof(GuestFrame, stack_pointer) == 8 && offsetof(GuestFrame, frame_pointer) == 16);

}  // namespace shunt::detail
