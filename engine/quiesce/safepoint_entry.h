// What a safepoint's stub calls: saves what it must, calls shunt_safepoint_reached(), restores, returns. One file for
// each instruction set, chosen by CMake.
//
// x86-64. The stub, with the site's own r11 pushed below the red zone and the resume point below it:
//
//   stub:  lea   rsp, [rsp - 128]     over the red zone; the flags stay
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
// arm64. There is no red zone; x16, x17 and x30 are saved by the stub:
//
//   stub:  stp   x16, x17, [sp, #-32]!
//          str   x30, [sp, #16]
//          adr   x16, resume
//          ldr   x17, =entry
//          blr   x17
//          ldr   x30, [sp, #16]
//          ldp   x16, x17, [sp], #32
//          b     resume
//
// The entry keeps every register and the flags: general, x87, MXCSR, and of the vector state what XSAVE (mask 0xE7:
// x87, SSE, AVX, AVX-512) or, where the system has not enabled it, FXSAVE covers. Not AMX tiles and PKRU, which nothing
// below it touches. It realigns the stack itself, needs about 8 KiB of it, and its unwind information leads from it
// straight to the site, past the stub.
#pragma once

#include <cstddef>

#include "shunt/thread.h"

namespace shunt::detail {

// Its address; the first call finds out what the processor has. Thread-safe.
[[nodiscard]] const void* safepoint_entry() noexcept;

// Called by it, on the thread that is at the safepoint.
extern "C" void shunt_safepoint_reached(const GuestFrame* frame) noexcept;

// GuestFrame as the assembly files lay it out.
static_assert(sizeof(GuestFrame) == 24 && offsetof(GuestFrame, resume_point) == 0 &&
              offsetof(GuestFrame, stack_pointer) == 8 && offsetof(GuestFrame, frame_pointer) == 16);

}  // namespace shunt::detail
